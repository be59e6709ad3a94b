"""What happens to the worker: whatever it is, the request has an answer, and the next one a new worker.

R2, R6, R7 and R8 of docs/robustness.md.
"""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from local.stack import docker
from tests.cloud.asked import CLIP_URI, OK, SMALL_URI, Asked, Put, check_report, meanwhile, wait_until
from tests.cloud.function import Function
from tests.cloud.postconditions import Postconditions
from tests.cloud.stack import FaultStack
from tests.support.faults import rules
from tests.support.faults.client import Applied, Faults

SIGNALLING = Path(__file__).with_name("signalling.py").read_text()
CLIP = "/videos/clip.mp4$"
HELD_SECONDS = 9  # nearly as long as the function's time
CRASHED = ("WorkerCrashed",)
PAUSES = (3, 12)  # the longer one is more than idle connections are kept for
# Takes memory until there is none; it is found out who has to go.
HOG = "held = []\nfor _ in range(1000): held.append(b'\\1' * (8 << 20))"
LITTER = """
import os
for name in ("hwang-killed", "hwang-killed/deep"):
    os.makedirs(f"/tmp/{name}")
    for file in ("frames.npy", "video"):
        open(f"/tmp/{name}/{file}", "wb").write(bytes(1 << 20))
"""
LISTED = "import os; print(*sorted(os.listdir('/tmp')))"


@pytest.fixture
def asked(function: Function, put: Put, after: Postconditions, prefix: str) -> Asked:
    return Asked(function, after, prefix, put)


@contextmanager
def held(faults: Faults, skip: int = 1) -> Iterator[Applied]:
    """The worker waits for bytes of the video, when this has hits."""
    with faults.rule(rules.Delay(HELD_SECONDS), method="GET", path=CLIP, times=1, skip=skip) as applied:
        yield applied


def signal_worker(stack: FaultStack, number: signal.Signals) -> int:
    return int(stack.python("function", SIGNALLING, str(int(number))))


def is_paused(stack: FaultStack) -> bool:
    return bool(stack.inspect("function")["State"]["Paused"])


def event(asked: Asked) -> dict[str, object]:
    return {"video": CLIP_URI, "frames": "0:100", "reduce": "sum", "output": f"{asked.output}x.npy"}


@pytest.mark.parametrize(
    "number",
    [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGTERM, signal.SIGSTOP],
    ids=lambda number: f"R6-{number.name}",
)
@pytest.mark.parametrize("skip", [0, 1], ids=["opening", "reading"])
def test_a_worker_that_is_signalled_is_replaced(
    number: signal.Signals, skip: int, asked: Asked, faults: Faults
) -> None:
    with held(faults, skip) as applied, meanwhile(asked.function, event(asked)) as coming:
        wait_until(lambda: applied.hits, "the worker waits")
        before = signal_worker(asked.function.stack, number)
        answer = coming.result()
    named = "did not answer" if number == signal.SIGSTOP else number.name
    asked.refused(answer, CRASHED, named)
    assert signal_worker(asked.function.stack, signal.SIGCONT) != before


def test_a_worker_that_dies_between_requests_is_not_missed(asked: Asked) -> None:
    """R6"""
    for number in (signal.SIGKILL, signal.SIGSEGV):
        signal_worker(asked.function.stack, number)
        answer = asked.frames(SMALL_URI, [3])
        asked.exact(answer, asked.truth()[[3]])


def test_a_worker_that_was_stopped_between_requests_is_replaced(asked: Asked) -> None:
    """R6: no one can tell that it will not go on, so one request is lost."""
    signal_worker(asked.function.stack, signal.SIGSTOP)
    answer = asked.frames(SMALL_URI, [3])
    asked.refused(answer, CRASHED, "did not answer")


def test_three_workers_in_a_row_are_replaced(asked: Asked, faults: Faults) -> None:
    """R6"""
    answer = None
    for _ in range(3):
        with held(faults) as applied, meanwhile(asked.function, event(asked)) as coming:
            wait_until(lambda: applied.hits, "the worker waits")
            signal_worker(asked.function.stack, signal.SIGKILL)
            answer = coming.result()
        check_report(answer, CRASHED)
        faults.clear()
    assert answer
    asked.refused(answer, CRASHED)


@pytest.mark.limits(memory_mb=512)
def test_where_memory_runs_out_the_worker_goes_and_not_the_function(asked: Asked, faults: Faults) -> None:
    """R2: the kernel has to end a process of the container in the middle of a request."""
    stack = asked.function.stack
    with held(faults) as applied, meanwhile(asked.function, event(asked)) as coming:
        wait_until(lambda: applied.hits, "the worker waits")
        # It ends the hog, too, and maybe the worker that took the first one's place.
        hog = [docker(), "exec", stack.container("function"), "python3", "-c", HOG]
        subprocess.run(hog, capture_output=True, check=False, timeout=60)
        answer = coming.result()
    asked.function.check_good()
    asked.refused(answer, CRASHED, "SIGKILL", "memory")


@pytest.mark.parametrize("seconds", PAUSES, ids=lambda seconds: f"R7-{seconds}s")
def test_a_function_that_was_frozen_goes_on(seconds: int, asked: Asked) -> None:
    """Lambda freezes it between requests."""
    stack = asked.function.stack
    first = asked.frames(CLIP_URI, [100], reduce="sum")
    assert first.code == OK, first.value
    stack.compose("pause", "function")
    began = time.monotonic()
    try:
        wait_until(lambda: is_paused(stack) and time.monotonic() - began > seconds, "it is paused", seconds + 10)
    finally:
        stack.compose("unpause", "function")
    answer = asked.frames(CLIP_URI, [100], reduce="sum")
    assert answer.value["reduced"] == first.value["reduced"]
    asked.hold(answer)


def test_connections_that_broke_while_it_was_frozen_are_replaced(asked: Asked, faults: Faults) -> None:
    """R7: some are reset at their next use."""
    first = asked.frames(CLIP_URI, "0:100", reduce="sum")
    with faults.rule(rules.Drop(), times=3) as applied:
        answer = asked.frames(CLIP_URI, "0:100", reduce="sum")
        assert applied.hits
    assert answer.value["reduced"] == first.value["reduced"]
    asked.hold(answer)


def test_what_a_killed_worker_left_in_tmp_is_removed_and_never_read(asked: Asked, faults: Faults) -> None:
    """R8"""
    stack = asked.function.stack
    stack.python("function", LITTER)
    with held(faults) as applied, meanwhile(asked.function, event(asked)) as coming:
        wait_until(lambda: applied.hits, "the worker waits")
        there = stack.python("function", LISTED).split()
        assert "hwang-killed" in there
        assert len(there) == 2, "the request has a folder of its own"
        signal_worker(stack, signal.SIGKILL)
        answer = coming.result()
    asked.refused(answer, CRASHED)
    assert stack.python("function", LISTED).split() == []
