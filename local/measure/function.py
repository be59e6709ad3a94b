"""A request: its bytes, requests to S3, time and memory, on the test stack with a latency of 50 ms a request."""

from __future__ import annotations

import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.remote import index_bytes
from local import clip
from local.measure import IMAGE, Row, running_stack
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


def measure() -> Iterator[Row]:
    """The function at rest, a warm request, a frame of a long video, and a hundred of it."""
    video = make(MINUTES)
    with running_stack() as stack:
        stack.s3.put_object(Bucket=VIDEOS, Key="clip.mp4", Body=clip.fetch().read_bytes())
        yield from _at_rest(stack)
        yield from _overhead(stack)
        stack.s3.upload_file(str(video.path), VIDEOS, "long.mp4")
        yield from _one_frame(stack, video)
        yield from _spread(stack, video)


def _at_rest(stack: FaultStack) -> Iterator[Row]:
    runs = [float(run_python(IMAGE, INIT, options=("--env", "AWS_REGION=us-east-1"))) for _ in range(5)]
    yield "init: CPU from the first import to a waiting worker", "400 ms", f"{statistics.median(runs) * 1000:.0f} ms"
    stack.ask({"action": "probe", "video": CLIP})
    used = json.loads(stack.python("function", MEMORY))
    yield "memory at rest (PSS of all processes)", "90 MB", f"{sum(used.values()) / 1e6:.0f} MB"


def _overhead(stack: FaultStack) -> Iterator[Row]:
    kinds: dict[str, dict[str, Any]] = {
        "returned inline, 64x36": {"format": "inline", "size": {"max_side": 64}},
        "written to S3 with its manifest": {"output": f"s3://{RESULTS}/overhead/frame.npy"},
    }
    for name, options in kinds.items():
        beyond, alone = [], []
        for _ in range(ROUNDS):
            answer, seconds = stack.ask({"video": CLIP, "frames": [0], **options})
            spent = answer["milliseconds"]
            beyond.append(seconds * 1000 - spent["decode"])
            alone.append(spent["total"] - spent["decode"])
        text = f"{statistics.median(beyond):.1f} ms as the caller sees it, {statistics.median(alone):.1f} in the worker"
        yield f"warm invoke beyond fetch and decode, a frame {name}", "15 ms", text


def _one_frame(stack: FaultStack, video: LongVideo) -> Iterator[Row]:
    asked = {"video": LONG, "frames": [video.frames // 2 + GOP - 1], "output": f"s3://{RESULTS}/one/frame.npy"}
    # a worker that has worked
    stack.ask({"video": CLIP, "frames": [0], "format": "inline", "size": {"max_side": 16}})
    header, title = index_bytes(video.path), f"a frame of {video.path.stat().st_size / 1e9:.2f} GB"
    for name, limit in (("first", "moov + GOP + 128 KiB, 4 requests"), ("index kept", "GOP + 128 KiB, 3 requests")):
        _begin(stack)
        spent = stack.ask(asked)[0]["milliseconds"]
        size, requests = _read(stack, f"/{VIDEOS}/long.mp4")
        index, of_index = _read(stack, f"/{RESULTS}/indexes/")
        what = f"{size:,} bytes, {requests} requests" + (f" (header {header:,})" if size > header else "")
        yield f"{title}, {name}: read", limit, f"{what}; index {index:,} bytes, {of_index} request"
        opened, decoded, wrote = (spent[phase] for phase in ("open", "decode", "write"))
        times = f"{opened + decoded:.0f} ms (open {opened:.0f}, fetch and decode {decoded:.0f}), write {wrote:.0f}"
        yield f"{title}, {name}: time", "280 ms + decode", times


def _spread(stack: FaultStack, video: LongVideo) -> Iterator[Row]:
    rows = [(2 * i + 1) * video.frames // 200 for i in range(100)]
    cost = stack.ask({"action": "plan", "video": LONG, "frames": rows})[0]["cost"]["bytes"]
    _begin(stack)
    _, seconds = stack.ask({"video": LONG, "frames": rows, "reduce": "sum", "output": f"s3://{RESULTS}/spread.npy"})
    size, requests = _read(stack, f"/{VIDEOS}/long.mp4")
    yield "100 spread frames: read", "1.1 x the plan", f"{size / cost:.3f} x ({size:,} bytes, {requests} requests)"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "long.mp4"
        fetched = _download(stack, file)
        mount = ("--volume", f"{file}:/video.mp4:ro")
        decoded = float(run_python(IMAGE, LOCAL_DECODE, json.dumps(rows), options=mount))
    times = f"{seconds:.2f} s against {fetched:.2f} + {decoded:.2f} s"
    share = seconds / (fetched + decoded)
    yield "100 spread frames: wall, to download and decode", "0.5 x", f"{share:.3f} x ({times})"


def _begin(stack: FaultStack) -> None:
    """From here on the log counts; every request takes its time."""
    stack.faults.clear()
    stack.faults.shape(LATENCY_SECONDS, BYTES_PER_SECOND)


def _read(stack: FaultStack, path: str) -> tuple[int, int]:
    """Bytes and requests since the log was cleared."""
    reads = [entry for entry in stack.faults.log("GET") if entry.path.startswith(path)]
    return sum(entry.response_bytes for entry in reads), len(reads)


def _download(stack: FaultStack, file: Path) -> float:
    key = key_of("tests")
    client = stack.client(stack.proxy_url, key.access, key.secret)
    start = time.perf_counter()
    with file.open("wb") as stream:
        shutil.copyfileobj(client.get_object(Bucket=VIDEOS, Key="long.mp4")["Body"], stream, 1 << 20)
    return time.perf_counter() - start
