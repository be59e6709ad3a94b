"""Measures jobs: how equal parts come out, cut by predicted cost and by duration, and what planning takes.

python -m local.measure_map     (make measure builds the images first)
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from function.frames.rows import resolve_rows
from function.jobs.pieces import Work, bundles, pieces_of
from function.models.job import Job
from hwang.index import VideoIndex
from hwang.plan import make_plan
from local import collection
from local.stack import StackError
from tests.cloud.bed import RESULTS, VIDEOS, Bed, Limits
from tests.support.clips import make_clip

Json = dict[str, Any]
Row = tuple[str, str, str]  # what, the limit, what was measured
COPIES = 3  # of each of the forty
PART_SECONDS = 4.0
USUAL_LATENCY_SECONDS = 0.03  # of S3
LATENCY_SECONDS = 0.05
PLANNED = 10_000
KINDS: dict[str, Json] = {
    "all frames, summed": {"frames": "all", "reduce": "sum"},
    "a frame a second, as JPEG": {"frames": {"every_seconds": 1}, "format": "jpeg"},
}


def main() -> None:
    console = Console()
    paths = collection.make_all()
    with _bed() as bed:
        for recipe, path in zip(collection.RECIPES, paths, strict=True):
            for copy in range(COPIES):
                bed.s3.upload_file(str(path), VIDEOS, f"mixed/{recipe.size[1]}p/{copy}/{path.name}")
        rows = [_equality(bed, name, form) for name, form in KINDS.items()]
        for what, limit, measured in chain(*rows, _planning_alone(bed), _planning(bed)):
            console.print(f"{what}: [bold]{measured}[/bold] (limit {limit})", highlight=False, soft_wrap=True)


@contextmanager
def _bed() -> Iterator[Bed]:
    with tempfile.TemporaryDirectory() as scratch:
        limits = Limits(timeout_seconds=900, environment={"HWANG_INDEX_CACHE": f"s3://{RESULTS}/indexes/"})
        bed = Bed(f"hwang-measure-{os.getpid()}", scratch=Path(scratch), limits=limits)
        try:
            bed.up()
            yield bed
        finally:
            bed.down()


def _job(output: str, prefix: str, **form: Any) -> Json:
    place = {"videos": f"s3://{VIDEOS}/{prefix}/", "output": f"s3://{RESULTS}/{output}/"}
    return {**place, **form, "part_seconds": PART_SECONDS}


def _invoke(bed: Bed, event: Json) -> Json:
    answer = bed.invoke(event)
    if "errorType" in answer:
        raise StackError(f"{event} was answered with {answer}")
    return answer


def _document(bed: Bed, place: Json) -> Any:
    return json.loads(bed.s3.get_object(Bucket=place["bucket"], Key=place["key"])["Body"].read())


def _planned(bed: Bed, job: Json) -> Json:
    """The answer of the step that cuts."""
    listed = _invoke(bed, {"action": "list", "job": job})
    for event in _document(bed, listed["items"]):
        _invoke(bed, event)
    return _invoke(bed, {"action": "cut", "job": job["output"]})


def _equality(bed: Bed, name: str, form: Json) -> Iterator[Row]:
    """The parts of a mixed set of videos, one after another in one function."""
    output = f"cost-{len(name)}"
    job = _job(output, "mixed", **form)
    cut = _planned(bed, job)
    by_cost = _seconds_of_parts(bed, _document(bed, cut["items"]))
    by_duration = _seconds_of_parts(
        bed, _cut_by_duration(bed, _job(f"duration-{len(name)}", "mixed", **form), cut["parts"])
    )
    yield f"parts of {name}: variation of their time", "0.15", _variation(by_cost)
    yield f"the same, cut by duration (parts equal in seconds of video): {name}", "none", _variation(by_duration)


def _variation(seconds: list[float]) -> str:
    mean = statistics.mean(seconds)
    return f"{statistics.pstdev(seconds) / mean:.3f} ({len(seconds)} parts, {min(seconds):.2f} to {max(seconds):.2f} s)"


def _seconds_of_parts(bed: Bed, events: list[Json]) -> list[float]:
    bed.faults.clear()
    bed.faults.shape(USUAL_LATENCY_SECONDS)
    seconds = []
    for event in events:
        start = time.perf_counter()
        _invoke(bed, event)
        seconds.append(time.perf_counter() - start)
    bed.faults.clear()
    return seconds


def _cut_by_duration(bed: Bed, job: Json, parts: int) -> list[Json]:
    """As the job's own steps would, but with the seconds of video that each run shows as its cost."""
    _planned(bed, job)
    asked = Job.model_validate(job)
    folder = f"{asked.output.key}_job/"
    lines = _lines(bed, f"{folder}surveys/000000.jsonl")[1:]
    template = _lines(bed, f"{folder}parts.jsonl")[0]["pieces"][0]["request"]
    pieces: list[Json] = []
    indexes = [_index(bed, line) for line in lines]
    total = sum(map(_shown_seconds, indexes))
    for line, index in zip(lines, indexes, strict=True):
        for number, piece in enumerate(_by_duration(index, asked).pieces(total / parts / 8, 0.0)):
            target = f"{job['output']}{line['name']}/{number}" + (".npy" if asked.reduce else "/")
            request = {**template, "video": line["video"], "frames": piece.frames, "output": target}
            first, last = int(piece.rows[0]), int(piece.rows[-1])
            pieces.append(
                {"request": request, "etag": line["etag"], "first": first, "last": last, "seconds": piece.seconds}
            )
    events: list[Json] = []
    data = b""
    for bundle in bundles(iter(pieces), sum(piece["seconds"] for piece in pieces), parts):
        line = json.dumps({"seconds": 0.0, "pieces": bundle}).encode()
        place = {"part": len(events), "offset": len(data), "length": len(line)}
        events.append({"action": "part", "job": job["output"], **place})
        data += line + b"\n"
    bed.s3.put_object(Bucket=RESULTS, Key=f"{folder}parts.jsonl", Body=data)
    return events


def _by_duration(index: VideoIndex, job: Job) -> Work:
    rows = np.sort(resolve_rows(job.frames, index))
    plan = make_plan(index, rows)
    starts = np.array([run.samples[0] for run in plan.runs], np.int64)
    run_of_row = np.searchsorted(starts, plan.sample_of_position, "right") - 1
    shown = np.bincount(run_of_row, minlength=len(starts)).astype(np.float64)
    return Work(rows, run_of_row, shown * (_shown_seconds(index) / len(rows)))


def _shown_seconds(index: VideoIndex) -> float:
    return index.duration_ticks * index.time_base[0] / index.time_base[1]


def _lines(bed: Bed, key: str) -> list[Any]:
    data = bed.s3.get_object(Bucket=RESULTS, Key=key)["Body"].read()
    return [json.loads(line) for line in data.splitlines()]


def _index(bed: Bed, line: Json) -> VideoIndex:
    key = f"indexes/{line['video']['bucket']}/{line['video']['key']}.{line['etag']}.hwang"
    return VideoIndex.deserialize(bed.s3.get_object(Bucket=RESULTS, Key=key)["Body"].read())


def _planning_alone(bed: Bed) -> Iterator[Row]:
    """CPU of what is done with each index, without S3: 10,000 videos made of the forty."""
    job = Job.model_validate(_job("alone", "mixed", **KINDS["a frame a second, as JPEG"]))
    keys = [item["Key"] for item in bed.s3.list_objects_v2(Bucket=RESULTS, Prefix="indexes/")["Contents"]]
    kept = [bed.s3.get_object(Bucket=RESULTS, Key=key)["Body"].read() for key in keys]
    before = 0
    start = time.process_time()
    for number in range(PLANNED):
        if number == PLANNED // 10:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        index = VideoIndex.deserialize(kept[number % len(kept)])
        json.dumps([piece.document() for piece in pieces_of(index, 10**12, job, None)])
    spent = (time.process_time() - start) / PLANNED
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    yield "planning a video whose index is kept: CPU beside S3", "1 ms", f"{spent * 1000:.2f} ms"
    yield f"planning {PLANNED:,} videos: growth of memory after the first tenth", "flat", f"{grown:.1f} MB"


def _planning(bed: Bed) -> Iterator[Row]:
    """All steps before the first part, one after another in one function, at 50 ms a request."""
    with tempfile.TemporaryDirectory() as folder:
        small = make_clip("h264-closed-gop", Path(folder)).read_bytes()
    with ThreadPoolExecutor(16) as pool:
        put = bed.s3.put_object
        list(pool.map(lambda n: put(Bucket=VIDEOS, Key=f"many/{n:05d}.mp4", Body=small), range(PLANNED)))
    form = KINDS["a frame a second, as JPEG"]
    for name, output in (("no index kept", "many-first"), ("indexes kept", "many-again")):
        bed.faults.clear()
        bed.faults.shape(LATENCY_SECONDS)
        start = time.perf_counter()
        _planned(bed, _job(output, "many", **form))
        seconds = time.perf_counter() - start
        bed.faults.shape()
        yield f"planning {PLANNED:,} videos in one function, 50 ms a request, {name}", "900 s", f"{seconds:.0f} s"


if __name__ == "__main__":
    try:
        main()
    except (StackError, subprocess.CalledProcessError) as error:
        sys.exit(f"measure: {error}")
    except KeyboardInterrupt:
        sys.exit("measure: interrupted")
