"""A thousand requests through one container: from the hundredth on nothing grows, not memory, files or threads."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from tests.cloud.asked import SMALL_URI
from tests.cloud.function import Function
from tests.cloud.postconditions import Postconditions
from tests.cloud.stack import RESULTS, VIDEOS
from tests.cloud.state import EMULATOR, Inside
from tests.soak.conftest import Report, times
from tests.soak.mixed import GOOD, request
from tests.soak.space import reclaim
from tests.support.clips import make_clip

MIB = 2**20
MOST_GROWTH_MIB = 10
ROUNDS = 3
# Shared pages count for each process by its part, so that the sum is what the container has.
MEMORY = """
import json, os, pathlib
total = 0
for folder in pathlib.Path("/proc").iterdir():
    if folder.name.isdecimal() and int(folder.name) != os.getpid():
        try:
            lines = dict(line.split(":", 1) for line in (folder / "smaps_rollup").read_text().splitlines()[1:])
            if (folder / "comm").read_text().strip() != EMULATOR:
                total += int(lines["Pss"].split()[0]) * 1024
        except (FileNotFoundError, ProcessLookupError):
            pass
print(json.dumps(total))
"""


def memory_bytes(function: Function, out: str) -> int:
    """Of all processes but the emulator, after one request of each kind.

    What an allocator keeps for the next request differs from time to time: the least of a few rounds.
    """
    rounds = []
    for _ in range(ROUNDS):
        for make in GOOD:
            function.invoke(make(out))
        rounds.append(int(json.loads(function.stack.python("function", f"EMULATOR = {EMULATOR!r}\n{MEMORY}"))))
    return min(rounds)


@pytest.fixture
def videos(function: Function) -> Iterator[None]:
    """What the mix of requests needs beside the clips."""
    s3, folder = function.stack.s3, function.stack.scratch
    small = function.stored(SMALL_URI)
    contents = {
        "soak.mkv": make_clip("h264-matroska", folder).read_bytes(),
        "soak.webm": make_clip("vp9", folder).read_bytes(),
        "soak.txt": b"no video\n" * 100,
        "soak-header.mp4": small[:406],
        "soak-cut.mp4": small[: len(small) * 2 // 3],
    }
    for key, content in contents.items():
        s3.put_object(Bucket=VIDEOS, Key=key, Body=content)
    yield
    for key in contents:
        s3.delete_object(Bucket=VIDEOS, Key=key)


@pytest.mark.usefixtures("videos")
def test_nothing_grows(function: Function, after: Postconditions, prefix: str, report: Report) -> None:
    stack, start = function.stack, 100  # by then everything has been imported and used once
    count = start + times(900)
    out = f"s3://{RESULTS}/{prefix}"
    early = early_inside = None
    wrong: list[str] = []
    began, answer = time.monotonic(), None
    for number in range(count):
        if number == start:
            early, early_inside = memory_bytes(function, out), Inside.of(stack)
        code, event = request(number, out)
        answer = function.invoke(event)
        if answer.code != code:
            wrong.append(f"request {number} ended in {answer.code}, not {code}: {event}")
        reclaim(stack, number)
    assert answer
    assert early
    assert early_inside
    late, late_inside = memory_bytes(function, out), Inside.of(stack)
    report(
        requests=count,
        memory_mib=[round(early / MIB, 1), round(late / MIB, 1)],
        growth_mib=round((late - early) / MIB, 1),
        threads=[early_inside.threads, late_inside.threads],
        files=[len(early_inside.files), len(late_inside.files)],
        sockets=[early_inside.sockets, late_inside.sockets],
        processes=[len(early_inside.processes), len(late_inside.processes)],
        stored_bytes=[sum(early_inside.stored.values()), sum(late_inside.stored.values())],
        seconds=round(time.monotonic() - began),
    )
    assert wrong == []
    assert late - early < MOST_GROWTH_MIB * MIB
    assert late_inside.left_over(early_inside) == []
    after.hold(answer, [key for key in after.before.videos if key.startswith("soak")])
