"""Many objects of a request whose time is up: answered in time, taken back, and no later request pays for it."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cloud.asked import CLIP_URI, OK, Put, check_report
from tests.cloud.bad_media import BadMedia
from tests.cloud.conftest import Beds
from tests.cloud.function import Function
from tests.cloud.stack import RESULTS, FaultStack, Limits
from tests.decoder.hostile import LAVFI
from tests.support.faults import rules
from tests.support.faults.client import Faults

pytestmark = pytest.mark.long
EARLY_SECONDS = 0.5
BUSY_SECONDS = 0.3  # by which a request may take longer here, where containers share two cores
FRAMES = 9500
SLOWLY, NEVER = rules.Delay(0.25), rules.Delay(120)


@dataclass(frozen=True)
class Long:
    """A video of thousands of tiny frames, and a request that takes about a second."""

    uri: str
    usual: dict[str, object]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("tiny")
    source = f"testsrc=s=32x32:r=25:d={FRAMES / 25}"
    return BadMedia(folder, folder).encode("tiny.mp4", *LAVFI, source, "-c:v", "mpeg4", "-g", "25").read_bytes()


@pytest.fixture
def long(tiny: bytes, put: Put, prefix: str) -> Long:
    return Long(put(f"{prefix}tiny.mp4", tiny), {"video": CLIP_URI, "frames": "all", "reduce": "sum"})


def keys(stack: FaultStack, prefix: str) -> list[str]:
    pages = stack.s3.get_paginator("list_objects_v2").paginate(Bucket=RESULTS, Prefix=prefix)
    return [item["Key"] for page in pages for item in page.get("Contents", [])]


def cases() -> Iterator[object]:
    for count, timeouts in ((60, (6, 7, 8, 10)), (600, (10, 12, 14, 16)), (6000, (60, 70, 80, 90))):
        for timeout in timeouts:
            yield pytest.param(count, timeout, SLOWLY, id=f"{count}-objects-{timeout}-s-slow")
        yield pytest.param(count, timeouts[0], NEVER, id=f"{count}-objects-{timeouts[0]}-s-stuck")


@pytest.mark.parametrize(("count", "timeout", "then"), list(cases()))
def test_many_objects_are_taken_back_in_time_and_at_nobodys_cost(
    count: int, timeout: int, then: rules.Action, beds: Beds, long: Long, prefix: str, faults: Faults, tmp_path: Path
) -> None:
    """R5: after so many objects the bucket becomes slow, or does not answer any more and the worker is replaced."""
    del tmp_path
    function: Function = beds.function(Limits(timeout_seconds=timeout))
    usual = {**long.usual, "output": f"s3://{RESULTS}/{prefix}usual.npy"}
    function.check_good()
    before = statistics.median(function.invoke(usual).seconds for _ in range(3))
    event = {"video": long.uri, "frames": "all", "format": "jpeg", "output": f"s3://{RESULTS}/{prefix}x/"}
    with faults.rule(then, method="PUT", path=f"{prefix}x/", skip=count):
        answer = function.invoke(event)
    faults.clear()
    check_report(answer, ["DeadlineExceeded", "OutputUnavailable"])  # the bucket is given up after 6 s
    assert answer.seconds < timeout - EARLY_SECONDS + 0.1
    left = len(keys(function.stack, f"{prefix}x/"))
    told = answer.report["detail"].get("objects_left", 0)
    print(f"{count} objects, {timeout} s: answered after {answer.seconds:.2f} s, {left} left, told {told}")
    assert left <= told
    for _ in range(3):
        again = function.invoke(usual)
        assert again.code == OK
        print(f"then {again.seconds:.2f} s, before {before:.2f} s")
        assert again.seconds < 1.1 * before + BUSY_SECONDS
    assert keys(function.stack, f"{prefix}x/") == []
