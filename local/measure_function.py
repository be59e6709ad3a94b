"""Measures what a request costs: bytes, requests, time, memory, on the test bed with a latency of 50 ms a request.

python -m local.measure_function     (make measure builds the images first)
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from local import clip
from local.stack import StackError, docker
from tests.cloud.bed import RESULTS, VIDEOS, Bed, Limits, key_of
from tests.support.large import GOP, LongVideo, make

LATENCY_SECONDS = 0.05
BYTES_PER_SECOND = 80e6
MINUTES = 120
ROUNDS = 21
IMAGE = "hwang-lambda:latest"
LONG, CLIP = f"s3://{VIDEOS}/long.mp4", f"s3://{VIDEOS}/clip.mp4"
Row = tuple[str, str, str]  # what, the limit, what was measured
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
rows = json.loads(sys.argv[2])
start = time.perf_counter()
with hwang.Decoder(sys.argv[1]) as decoder:
    for _ in decoder.batches(rows):
        pass
print(time.perf_counter() - start)
"""


def main() -> None:
    console = Console()
    video = make(MINUTES)
    with _bed() as bed:
        table = Table("what", "limit", "measured", box=None)
        for row in (*_at_rest(bed), *_overhead(bed)):
            table.add_row(*row)
        bed.s3.upload_file(str(video.path), VIDEOS, "long.mp4")
        for row in (*_one_frame(bed, video), *_spread(bed, video)):
            table.add_row(*row)
        console.print(table)


@contextmanager
def _bed(**limits: Any) -> Iterator[Bed]:
    with tempfile.TemporaryDirectory() as scratch:
        environment = {"HWANG_INDEX_CACHE": f"s3://{RESULTS}/indexes/"}
        bed = Bed(
            f"hwang-measure-{os.getpid()}",
            scratch=Path(scratch),
            limits=Limits(timeout_seconds=120, environment=environment, **limits),
        )
        try:
            bed.up()
            bed.s3.put_object(Bucket=VIDEOS, Key="clip.mp4", Body=clip.fetch().read_bytes())
            yield bed
        finally:
            bed.down()


def _invoke(bed: Bed, **event: Any) -> tuple[dict[str, Any], float]:
    start = time.perf_counter()
    answer = bed.invoke(event)
    if "errorType" in answer:
        raise StackError(f"{event} was answered with {answer}")
    return answer, time.perf_counter() - start


def _at_rest(bed: Bed) -> Iterator[Row]:
    command = [docker(), "run", "--rm", "--env", "AWS_REGION=us-east-1", "--entrypoint", "python3", IMAGE, "-c", INIT]
    runs = [float(subprocess.run(command, capture_output=True, text=True, check=True).stdout) for _ in range(5)]
    yield "init: CPU from the first import to a waiting worker", "400 ms", f"{statistics.median(runs) * 1000:.0f} ms"
    _invoke(bed, action="probe", video=CLIP)
    used = json.loads(bed.python("function", MEMORY))
    yield "memory at rest (PSS of all processes)", "90 MB", f"{sum(used.values()) / 1e6:.0f} MB"


def _overhead(bed: Bed) -> Iterator[Row]:
    asked = {"video": CLIP, "frames": [0]}
    kinds: dict[str, dict[str, Any]] = {
        "returned inline, 64x36": {"format": "inline", "size": {"max_side": 64}},
        "written to S3 with its manifest": {"output": f"s3://{RESULTS}/overhead/frame.npy"},
    }
    for name, options in kinds.items():
        beyond, alone = [], []
        for _ in range(ROUNDS):
            answer, seconds = _invoke(bed, **asked, **options)
            spent = answer["milliseconds"]
            beyond.append(seconds * 1000 - spent["decode"])
            alone.append(spent["total"] - spent["decode"])
        text = f"{statistics.median(beyond):.1f} ms as the caller sees it, {statistics.median(alone):.1f} in the worker"
        yield f"warm invoke beyond fetch and decode, a frame {name}", "15 ms", text


def _one_frame(bed: Bed, video: LongVideo) -> Iterator[Row]:
    asked = {"video": LONG, "frames": [video.frames // 2 + GOP - 1], "output": f"s3://{RESULTS}/one/frame.npy"}
    _invoke(bed, video=CLIP, frames=[0], format="inline", size={"max_side": 16})  # a worker that has worked
    moov, gigabytes = _header_bytes(video.path), video.path.stat().st_size / 1e9
    for name, limit in (("first", "moov + GOP + 128 KiB, 4 requests"), ("index kept", "GOP + 128 KiB, 3 requests")):
        _begin(bed)
        answer, _ = _invoke(bed, **asked)
        size, requests = _read(bed, f"/{VIDEOS}/long.mp4")
        index, of_index = _read(bed, f"/{RESULTS}/indexes/")
        what = f"{size:,} bytes, {requests} requests" + (f" (moov {moov:,})" if size > moov else "")
        index_read = f"; index {index:,} bytes, {of_index} request"
        yield f"a frame of {gigabytes:.2f} GB, {name}: read", limit, what + index_read
        spent = answer["milliseconds"]
        opened, decoded, wrote = (spent[phase] for phase in ("open", "decode", "write"))
        times = f"{opened + decoded:.0f} ms (open {opened:.0f}, fetch and decode {decoded:.0f}), write {wrote:.0f}"
        yield f"a frame of {gigabytes:.2f} GB, {name}: time", "280 ms + decode", times


def _spread(bed: Bed, video: LongVideo) -> Iterator[Row]:
    rows = [(2 * i + 1) * video.frames // 200 for i in range(100)]
    plan, _ = _invoke(bed, action="plan", video=LONG, frames=rows)
    _begin(bed)
    _, seconds = _invoke(bed, video=LONG, frames=rows, reduce="sum", output=f"s3://{RESULTS}/spread.npy")
    size, requests = _read(bed, f"/{VIDEOS}/long.mp4")
    cost = plan["cost"]["bytes"]
    yield "100 spread frames: read", "1.1 x the plan", f"{size / cost:.3f} x ({size:,} bytes, {requests} requests)"
    with tempfile.TemporaryDirectory() as folder:
        fetched = _download(bed, Path(folder) / "long.mp4")
        command = [docker(), "run", "--rm", "--volume", f"{folder}:/video:ro", "--entrypoint", "python3", IMAGE, "-c"]
        decode = [*command, LOCAL_DECODE, "/video/long.mp4", json.dumps(rows)]
        decoded = float(subprocess.run(decode, capture_output=True, text=True, check=True).stdout)
    whole = fetched + decoded
    times = f"{seconds:.2f} s against {fetched:.2f} + {decoded:.2f} s"
    yield "100 spread frames: wall, to download and decode", "0.5 x", f"{seconds / whole:.3f} x ({times})"


def _begin(bed: Bed) -> None:
    """From here on the log counts; every request takes its time."""
    bed.faults.clear()
    bed.faults.shape(LATENCY_SECONDS, BYTES_PER_SECOND)


def _read(bed: Bed, path: str) -> tuple[int, int]:
    """Bytes and requests since the log was cleared."""
    reads = [entry for entry in bed.faults.log("GET") if entry.path.startswith(path)]
    return sum(entry.response_bytes for entry in reads), len(reads)


def _download(bed: Bed, file: Path) -> float:
    key = key_of("tests")
    client = bed.client(bed.proxy_url, key.access, key.secret)
    start = time.perf_counter()
    with file.open("wb") as stream:
        for chunk in client.get_object(Bucket=VIDEOS, Key="long.mp4")["Body"].iter_chunks(1 << 20):
            stream.write(chunk)
    return time.perf_counter() - start


def _header_bytes(file: Path) -> int:
    """Of the moov box."""
    with file.open("rb") as stream:
        position = 0
        while header := stream.read(16):
            size = int.from_bytes(header[:4])
            size = int.from_bytes(header[8:16]) if size == 1 else size
            if header[4:8] == b"moov":
                return size
            position += size
            stream.seek(position)
    raise StackError(f"{file} has no header")


if __name__ == "__main__":
    try:
        main()
    except StackError as error:
        sys.exit(f"measure: {error}")
    except KeyboardInterrupt:
        sys.exit("measure: interrupted")
