"""Jobs: what a million frames cost, how equal parts come out, and what planning takes."""

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

from function.jobs.pieces import pieces_of
from function.models.job import Job
from hwang.index import VideoIndex
from local import collection
from local.cost import job_cost
from local.measure import Number, running_stack
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


def measure() -> Iterator[Number]:
    """The parts of a mixed set of videos, one after another in one function, then planning of ten thousand."""
    paths = collection.make_all()
    with running_stack() as stack:
        for recipe, path in zip(collection.RECIPES, paths, strict=True):
            for copy in range(COPIES):
                stack.s3.upload_file(str(path), VIDEOS, f"mixed/{recipe.size[1]}p/{copy}/{path.name}")
        for name, form in KINDS.items():
            yield from _parts(stack, name, _job(f"cost-{len(name)}", "mixed", **form))
        yield from _planning_alone(stack)
        yield from _planning(stack)


def _parts(stack: FaultStack, name: str, job: Json) -> Iterator[Number]:
    events = _events(stack, _planned(stack, job))
    stack.faults.clear()
    stack.faults.shape(USUAL_LATENCY_SECONDS)
    seconds = [stack.ask(event)[1] for event in events]
    stack.faults.clear()
    stack.ask({"action": "gather", "job": job["output"]})
    manifest = json.loads(_get(stack, job["output"].removeprefix(f"s3://{RESULTS}/") + "_manifest.json"))
    what = f"{name}, of 120 videos of 360p to 1080p, GOP 12 to 600"
    dollars, _ = job_cost(manifest, stack.limits.memory_mb)
    yield Number(f"cost of a million frames: {what}", dollars / manifest["frames"] * 1e6, "USD")
    variation = statistics.pstdev(seconds) / statistics.mean(seconds)
    parts = f"{len(seconds)} parts, standard deviation of their time ÷ its mean"
    yield Number(f"{what}: {parts}", variation, "", 0.15, guarded=True)


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


def _planning_alone(stack: FaultStack) -> Iterator[Number]:
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
        json.dumps([piece.document() for piece in pieces_of(index, 10**12, job, None)])
    spent = (time.process_time() - start) / PLANNED
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    yield Number("planning a video whose index is kept: CPU beside S3", spent * 1000, "ms", 1, guarded=True)
    yield Number(f"planning {PLANNED:,} videos: growth of memory after the first tenth", grown, "MB", 1, guarded=True)


def _planning(stack: FaultStack) -> Iterator[Number]:
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
        yield Number(f"planning a job of {PLANNED:,} videos in one function, {name}", seconds, "s", 900)
