"""Jobs: how equal parts come out, cut by predicted cost and by duration, and what planning takes."""

from __future__ import annotations

import json
import resource
import statistics
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from function.frames.rows import resolve_rows
from function.jobs.pieces import VideoCost, pieces_of
from function.models.job import Job
from hwang.index import VideoIndex
from hwang.plan import make_plan
from local import collection
from local.measure import Row, running_stack
from tests.cloud.stack import RESULTS, VIDEOS, FaultStack
from tests.support.clips import make_clip

Json = dict[str, Any]
COPIES = 3  # of each of the forty
PART_SECONDS = 4.0
USUAL_LATENCY_SECONDS = 0.03  # of S3
LATENCY_SECONDS = 0.05
PLANNED = 10_000
KINDS: dict[str, Json] = {
    "all frames, summed": {"frames": "all", "reduce": "sum"},
    "a frame a second, as JPEG": {"frames": {"every_seconds": 1}, "format": "jpeg"},
}


def measure() -> Iterator[Row]:
    """The parts of a mixed set of videos, one after another in one function, then planning of ten thousand."""
    paths = collection.make_all()
    with running_stack() as stack:
        for recipe, path in zip(collection.RECIPES, paths, strict=True):
            for copy in range(COPIES):
                stack.s3.upload_file(str(path), VIDEOS, f"mixed/{recipe.size[1]}p/{copy}/{path.name}")
        for name, form in KINDS.items():
            cut = _planned(stack, _job(f"cost-{len(name)}", "mixed", **form))
            by_cost = _seconds_of_parts(stack, _events(stack, cut))
            yield f"parts of {name}: variation of their time", "0.15", _variation(by_cost)
            by_duration = _cut_by_duration(stack, _job(f"duration-{len(name)}", "mixed", **form), cut["parts"])
            what = f"the same, cut by duration (parts equal in seconds of video): {name}"
            yield what, "none", _variation(_seconds_of_parts(stack, by_duration))
        yield from _planning_alone(stack)
        yield from _planning(stack)


def _job(output: str, prefix: str, **form: Any) -> Json:
    place = {"videos": f"s3://{VIDEOS}/{prefix}/", "output": f"s3://{RESULTS}/{output}/"}
    return {**place, **form, "part_seconds": PART_SECONDS}


def _get(stack: FaultStack, key: str) -> bytes:
    return stack.s3.get_object(Bucket=RESULTS, Key=key)["Body"].read()


def _events(stack: FaultStack, answer: Json) -> list[Json]:
    """The events that a step has listed for the next one."""
    events: list[Json] = json.loads(_get(stack, answer["items"]["key"]))
    return events


def _planned(stack: FaultStack, job: Json) -> Json:
    """The answer of the step that cuts."""
    listed, _ = stack.ask({"action": "list", "job": job})
    for event in _events(stack, listed):
        stack.ask(event)
    return stack.ask({"action": "cut", "job": job["output"]})[0]


def _variation(seconds: list[float]) -> str:
    mean = statistics.mean(seconds)
    return f"{statistics.pstdev(seconds) / mean:.3f} ({len(seconds)} parts, {min(seconds):.2f} to {max(seconds):.2f} s)"


def _seconds_of_parts(stack: FaultStack, events: list[Json]) -> list[float]:
    stack.faults.clear()
    stack.faults.shape(USUAL_LATENCY_SECONDS)
    seconds = [stack.ask(event)[1] for event in events]
    stack.faults.clear()
    return seconds


def _cut_by_duration(stack: FaultStack, job: Json, parts: int) -> list[Json]:
    """Events of as many parts, cut like the job's own, but by the seconds of video that each run shows."""
    _planned(stack, job)
    asked = Job.model_validate(job)
    survey = f"{asked.output.key}_job/surveys/000000.jsonl"
    head, *lines = [json.loads(line) for line in _get(stack, survey).splitlines()]
    keys = [f"indexes/{line['video']['bucket']}/{line['video']['key']}.{line['etag']}.hwang" for line in lines]
    indexes = [VideoIndex.deserialize(_get(stack, key)) for key in keys]
    head["seconds"] = parts * PART_SECONDS
    scale = head["seconds"] / sum(index.duration_ticks * index.time_base[0] / index.time_base[1] for index in indexes)
    for line, index in zip(lines, indexes, strict=True):
        pieces = _by_duration(index, asked, scale).pieces(asked.piece_seconds, 0.0)
        line["pieces"] = [piece.surveyed().document() for piece in pieces]
    stack.s3.put_object(Bucket=RESULTS, Key=survey, Body="".join(json.dumps(line) + "\n" for line in (head, *lines)))
    return _events(stack, stack.ask({"action": "cut", "job": job["output"]})[0])


def _by_duration(index: VideoIndex, job: Job, scale: float) -> VideoCost:
    rows = np.sort(resolve_rows(job.frames, index))
    plan = make_plan(index, rows)
    starts = np.array([run.samples[0] for run in plan.runs], np.int64)
    run_of_row = np.searchsorted(starts, plan.sample_of_position, "right") - 1
    shown = np.bincount(run_of_row, minlength=len(starts)).astype(np.float64)
    seconds = index.duration_ticks * index.time_base[0] / index.time_base[1]
    return VideoCost(rows, run_of_row, shown * (scale * seconds / len(rows)))


def _planning_alone(stack: FaultStack) -> Iterator[Row]:
    """The CPU that each index takes, without S3: 10,000 videos made of the forty."""
    job = Job.model_validate(_job("alone", "mixed", **KINDS["a frame a second, as JPEG"]))
    keys = [item["Key"] for item in stack.s3.list_objects_v2(Bucket=RESULTS, Prefix="indexes/")["Contents"]]
    kept = [_get(stack, key) for key in keys]
    before = 0
    start = time.process_time()
    for number in range(PLANNED):
        if number == PLANNED // 10:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        index = VideoIndex.deserialize(kept[number % len(kept)])
        json.dumps([piece.surveyed().document() for piece in pieces_of(index, 10**12, job, None)])
    spent = (time.process_time() - start) / PLANNED
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    yield "planning a video whose index is kept: CPU beside S3", "1 ms", f"{spent * 1000:.2f} ms"
    yield f"planning {PLANNED:,} videos: growth of memory after the first tenth", "flat", f"{grown:.1f} MB"


def _planning(stack: FaultStack) -> Iterator[Row]:
    """All steps before the first part, one after another in one function, at 50 ms a request."""
    with tempfile.TemporaryDirectory() as folder:
        small = make_clip("h264-closed-gop", Path(folder)).read_bytes()
    with ThreadPoolExecutor(16) as pool:
        put = stack.s3.put_object
        list(pool.map(lambda n: put(Bucket=VIDEOS, Key=f"many/{n:05d}.mp4", Body=small), range(PLANNED)))
    form = KINDS["a frame a second, as JPEG"]
    for name, output in (("no index kept", "many-first"), ("indexes kept", "many-again")):
        stack.faults.clear()
        stack.faults.shape(LATENCY_SECONDS)
        start = time.perf_counter()
        _planned(stack, _job(output, "many", **form))
        seconds = time.perf_counter() - start
        stack.faults.shape()
        yield f"planning {PLANNED:,} videos in one function, 50 ms a request, {name}", "900 s", f"{seconds:.0f} s"
