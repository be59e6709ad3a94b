"""A request: its bytes, requests to S3, time and memory, on the test stack with a latency of 50 ms a request."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Iterator
from typing import Any

from bench.remote import index_bytes
from local import clip
from local.measure import IMAGE, Number, running_stack
from local.stack import run_python
from tests.cloud.stack import RESULTS, VIDEOS, FaultStack, key_of
from tests.support.large import GOP, LongVideo, make

LATENCY_SECONDS = 0.05
BYTES_PER_SECOND = 80e6
MINUTES = 120
ROUNDS = 21
LONG, CLIP = f"s3://{VIDEOS}/long.mp4", f"s3://{VIDEOS}/clip.mp4"
INIT = """
import json, resource
import function.handler
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps(used.ru_utime + used.ru_stime))
"""
MEMORY = r"""
import json, pathlib, re
total = {}
for folder in pathlib.Path("/proc").iterdir():
    if folder.name.isdecimal() and (folder / "comm").read_text().strip() not in ("aws-lambda-rie", "docker-init"):
        if b"import json" not in (folder / "cmdline").read_bytes():
            rollup = (folder / "smaps_rollup").read_text()
            total[folder.name] = int(re.search(r"^Pss:\s+(\d+)", rollup, re.M)[1]) * 1024
print(json.dumps(total))
"""
LOCAL_DECODE = """
import json, sys, time
import hwang
rows = json.loads(sys.argv[1])
start = time.perf_counter()
with hwang.Decoder("/video.mp4") as decoder:
    for _ in decoder.batches(rows):
        pass
print(time.perf_counter() - start)
"""


def measure() -> Iterator[Number]:
    """The function at rest, a warm request, a frame of a long video, and a hundred of it."""
    video = make(MINUTES)
    with running_stack() as stack:
        stack.s3.put_object(Bucket=VIDEOS, Key="clip.mp4", Body=clip.fetch().read_bytes())
        yield from _at_rest(stack)
        yield from _overhead(stack)
        stack.s3.upload_file(str(video.path), VIDEOS, "long.mp4")
        yield from _one_frame(stack, video)
        yield from _spread(stack, video)


def _at_rest(stack: FaultStack) -> Iterator[Number]:
    runs = [float(run_python(IMAGE, INIT, options=("--env", "AWS_REGION=us-east-1"))) for _ in range(5)]
    yield Number("init: CPU until a worker waits", statistics.median(runs) * 1000, "ms", 400, guarded=True)
    stack.ask({"action": "probe", "video": CLIP})
    used = json.loads(stack.python("function", MEMORY))
    yield Number("memory at rest, of all processes (PSS)", sum(used.values()) / 1e6, "MB", 90)


def _overhead(stack: FaultStack) -> Iterator[Number]:
    kinds: dict[str, dict[str, Any]] = {
        "returned inline, beyond fetch and decode": {"format": "inline", "size": {"max_side": 64}},
        "written to S3 (2.8 MB), beyond fetch, decode and S3's time to take it": {
            "output": f"s3://{RESULTS}/overhead/frame.npy"
        },
    }
    for name, options in kinds.items():
        beyond, alone = [], []
        for _ in range(ROUNDS):
            stack.faults.clear()
            answer, seconds = stack.ask({"video": CLIP, "frames": [0], **options})
            spent = answer["milliseconds"]
            of_others = spent["decode"] + sum(1000 * (put.end - put.start) for put in stack.faults.log("PUT"))
            beyond.append(seconds * 1000 - of_others)
            alone.append(spent["total"] - of_others)
        what = f"warm request for one frame, {name}"
        yield Number(f"{what}: for the caller", statistics.median(beyond), "ms")
        yield Number(f"{what}: in the worker", statistics.median(alone), "ms", 15, guarded=True)


def _one_frame(stack: FaultStack, video: LongVideo) -> Iterator[Number]:
    """One frame twice: the first request reads the header too, the second one the index that was kept."""
    row = video.frames // 2 + GOP - 1
    asked = {"video": LONG, "frames": [row], "output": f"s3://{RESULTS}/one/frame.npy"}
    header, alone = index_bytes(video.path), 1000 * _decoded_here(video, [row])
    for name, known in (("at first", header), ("with its index kept", 0)):
        # a worker that has worked
        stack.ask({"video": CLIP, "frames": [0], "format": "inline", "size": {"max_side": 16}})
        _begin(stack)
        spent = stack.ask(asked)[0]["milliseconds"]
        size, requests = _read(stack, f"/{VIDEOS}/long.mp4")
        media = stack.ask({"action": "plan", "video": LONG, "frames": [row]})[0]["cost"]["bytes"]
        what = f"a frame of a two-hour video of {video.path.stat().st_size / 1e9:.1f} GB, {name}"
        time_limit = 5 * LATENCY_SECONDS * 1000 + 30 + alone
        yield Number(f"{what}: open, fetch and decode", spent["open"] + spent["decode"], "ms", time_limit)
        yield Number(f"{what}: bytes read", size, "bytes", known + media + (128 << 10))
        yield Number(f"{what}: requests", requests, "", 4 if known else 3, guarded=True)


def _spread(stack: FaultStack, video: LongVideo) -> Iterator[Number]:
    rows = [(2 * i + 1) * video.frames // 200 for i in range(100)]
    cost = stack.ask({"action": "plan", "video": LONG, "frames": rows})[0]["cost"]["bytes"]
    _begin(stack)
    _, seconds = stack.ask({"video": LONG, "frames": rows, "reduce": "sum", "output": f"s3://{RESULTS}/spread.npy"})
    size, _ = _read(stack, f"/{VIDEOS}/long.mp4")
    yield Number("100 spread frames of that video: bytes read ÷ the plan's", size / cost, "x", 1.1, guarded=True)
    there = _downloaded(stack) + _decoded_here(video, rows)
    yield Number("100 spread frames of that video", seconds, "s")
    yield Number("… ÷ the time to download it and decode them", seconds / there, "x", 0.5)


def _begin(stack: FaultStack) -> None:
    """From here on the log counts; every request takes its time."""
    stack.faults.clear()
    stack.faults.shape(LATENCY_SECONDS, BYTES_PER_SECOND)


def _read(stack: FaultStack, path: str) -> tuple[int, int]:
    """Bytes and requests since the log was cleared."""
    reads = [entry for entry in stack.faults.log("GET") if entry.path.startswith(path)]
    return sum(entry.response_bytes for entry in reads), len(reads)


def _downloaded(stack: FaultStack) -> float:
    """Seconds that a plain download takes."""
    key = key_of("tests")
    client = stack.client(stack.proxy_url, key.access, key.secret)
    start = time.perf_counter()
    for _ in client.get_object(Bucket=VIDEOS, Key="long.mp4")["Body"].iter_chunks(1 << 20):
        pass
    return time.perf_counter() - start


def _decoded_here(video: LongVideo, rows: list[int]) -> float:
    """Seconds that open and decode take in the image where the video is a file."""
    mount = ("--volume", f"{video.path}:/video.mp4:ro")
    return float(run_python(IMAGE, LOCAL_DECODE, json.dumps(rows), options=mount))
