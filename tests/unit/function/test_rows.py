"""Which rows a request means."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from function.errors import FrameOutOfRange, LimitExceeded
from function.frames.rows import resolve_rows
from function.models.event import Decode, parse_event
from function.models.selection import Frames
from tests.unit.build.standinindex import StandInIndex


def _frames(frames: object) -> Frames:
    request = parse_event({"video": "s3://films/clip.mp4", "frames": frames, "output": "s3://out/part1.npy"})
    assert isinstance(request, Decode)
    return request.frames


def rows(frames: object, index: StandInIndex) -> list[int]:
    found: list[int] = resolve_rows(_frames(frames), index).tolist()
    return found


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        ([5, 0, 5, 49], [5, 0, 5, 49]),
        ([-0], [0]),
        ("0:3", [0, 1, 2]),
        ("47:", [47, 48, 49]),
        (":2", [0, 1]),
        ("0:50:20", [0, 20, 40]),
        ("::25", [0, 25]),
        ("0:50:" + "9" * 80, [0]),
        ("all", list(range(50))),
        (":", list(range(50))),
        ({"keyframes": True}, [0, 12, 24, 36, 48]),
        ({"count": 1}, [25]),
        ({"count": 2}, [12, 37]),
        ({"count": 50}, list(range(50))),
        ({"every_seconds": 0.5}, [0, 12, 24, 36, 48]),
        ({"every_seconds": 1e9}, [0]),
        ({"timestamps": [0, 0.04, 0.0417, 1, 2.05]}, [0, 0, 1, 24, 49]),
    ],
)
def test_frames_mean_rows(frames: object, expected: list[int]) -> None:
    assert rows(frames, StandInIndex(50)) == expected


@pytest.mark.parametrize(
    ("frames", "named"),
    [
        ([-1], "-1"),
        ([0, 50], "50"),
        ([51], "51"),
        ([2**31], str(2**31)),
        ([2**63], "9.22e+18"),
        ([10**30], "1e+30"),
        ([10**400], "300 digits"),
        ([-(10**30)], "-1e+30"),
        ("0:51", "50"),
        ("0:100", "99"),
        ("50:", "50"),
        ("0:1000000000000", "999999999999"),
        ({"count": 51}, "51"),
        ({"count": 10**40}, "too many"),
        ({"timestamps": [0, -0.5]}, "timestamps[1]"),
        ({"timestamps": [2.2]}, "timestamps[0]"),
    ],
)
def test_a_frame_outside_the_video_is_named_with_the_count(frames: object, named: str) -> None:
    with pytest.raises(FrameOutOfRange) as caught:
        rows(frames, StandInIndex(50))
    assert named in caught.value.message
    assert "50" in caught.value.message or "2.08333 s" in caught.value.message


def test_a_video_without_frames_is_out_of_range() -> None:
    with pytest.raises(FrameOutOfRange):
        rows("all", StandInIndex(0))


def test_a_tiny_interval_is_refused_by_arithmetic() -> None:
    for interval in (1e-9, 5e-324):
        with pytest.raises(LimitExceeded):
            rows({"every_seconds": interval}, StandInIndex(50))


def test_a_time_before_a_late_first_frame_is_out_of_range_but_intervals_start_there() -> None:
    late = StandInIndex(50, start_seconds=1.0)
    with pytest.raises(FrameOutOfRange):
        rows({"timestamps": [0.5]}, late)
    assert rows({"every_seconds": 1}, late) == [0, 24, 48]


@given(st.integers(1, 500), st.sampled_from([24.0, 25.0, 30.0, 30000 / 1001, 60.0]), st.data())
def test_a_frames_own_time_finds_it_also_when_rounded_to_microseconds(count: int, fps: float, data: Any) -> None:
    row = data.draw(st.integers(0, count - 1))
    index = StandInIndex(count, rate=fps)
    seconds = float(index.timestamps()[row])
    assert rows({"timestamps": [seconds, round(seconds, 6)]}, index) == [row, row]


@given(st.integers(1, 10_000), st.data())
def test_spread_rows_are_the_middles_of_equal_parts(count: int, data: Any) -> None:
    wanted = data.draw(st.integers(1, min(count, 200)))
    middles = [math.floor(Fraction((2 * part + 1) * count, 2 * wanted)) for part in range(wanted)]
    assert rows({"count": wanted}, StandInIndex(count)) == middles
