"""Selections by time and key frame, subscripts, and the times of rows, on timelines that need no video."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hwang
from hwang.errors import ClockError, FrameIndexError, LimitExceededError
from hwang.index import VideoIndex, rate_of
from hwang.rows import resolve, rows_of, subscripted
from hwang.selections import Between, NearestKeyframes, Selection
from hwang.timeline import row_times
from tests.unit.hwang.timelines import constant_rate, timeline, timelines

INDEX = constant_rate(48)  # 24 rows a second, a key frame each half second


def rows(selection: Selection, index: VideoIndex = INDEX) -> list[int]:
    found: list[int] = resolve(selection, index, 1000).tolist()
    return found


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (hwang.between(0, 0.125), [0, 1, 2]),
        (hwang.between(0.02, 0.041667), [0]),  # row 1 begins at 0.041667, also when that is written with few decimals
        (hwang.between(0.041667, 0.1), [1, 2]),
        (hwang.between(0.05, 0.051), [1]),
        (hwang.between(0.05, 0.05), []),
        (hwang.between(2, 2), []),
        (hwang.between(1.9), [45, 46, 47]),
        (hwang.between(1.9, 2), [45, 46, 47]),
        (hwang.between(0, 0.5, 8), [0, 3, 6, 9]),
        (hwang.between(0, 0.125, 48), [0, 0, 1, 1, 2, 2]),
        (hwang.between(1, 1, 5), []),
        (hwang.between(1.75, None, 12), [42, 44, 46]),
        (hwang.nearest_keyframe(0.3), [12]),
        (hwang.nearest_keyframe([0.25, 0.25001, 2, 0, 0.7]), [0, 12, 36, 0, 12]),  # a tie: the earlier
        (hwang.at(1), [24]),
        (hwang.every(0.5), [0, 12, 24, 36]),
        (hwang.count(2), [12, 36]),
        (hwang.keyframes(), [0, 12, 24, 36]),
    ],
    ids=str,
)
def test_selections_mean_rows(selection: Selection, expected: list[int]) -> None:
    assert rows(selection) == expected
    assert rows_of(selection, INDEX, 1000).tolist() == expected
    assert hwang.make_plan(INDEX, selection).rows.tolist() == expected


@given(timelines(), st.lists(st.floats(0, 1), min_size=3, max_size=3))
@settings(max_examples=200, deadline=None)
def test_parts_of_the_time_line_join(index: VideoIndex, places: list[float]) -> None:
    """Two intervals that touch have all frames of both, and share the one on display where they touch, if any."""
    seconds = index.timestamps()
    start, middle, end = (float(seconds[0] + place * (seconds[-1] - seconds[0])) for place in sorted(places))
    first, second = rows(Between(start, middle), index), rows(Between(middle, end), index)
    assert sorted({*first, *second}) == rows(Between(start, end), index)
    assert len({*first} & {*second}) <= 1
    assert all(seconds[row] < middle for row in first)


@given(timelines(), st.floats(0, 1))
@settings(max_examples=200, deadline=None)
def test_no_key_frame_is_nearer_than_the_nearest(index: VideoIndex, place: float) -> None:
    seconds = index.timestamps()
    wanted = float(seconds[0] + place * (seconds[-1] - seconds[0]))
    (found,) = rows(NearestKeyframes(wanted), index)
    keys = np.flatnonzero(index.sync[index.order])
    assert found in keys
    assert abs(seconds[found] - wanted) <= np.abs(seconds[keys] - wanted).min() + 2e-6 + abs(wanted) * 1e-9


@pytest.mark.parametrize("selection", [hwang.between(-1, 1), hwang.between(0, 2.1), hwang.nearest_keyframe([1, 3])])
def test_times_outside_the_video_are_errors(selection: Selection) -> None:
    with pytest.raises(FrameIndexError, match="outside the video"):
        rows(selection)


@pytest.mark.parametrize(
    "make",
    [
        lambda: hwang.between(1, 0.5),
        lambda: hwang.between(math.nan, 1),
        lambda: hwang.between(0, 1, 0),
        lambda: hwang.every(0),
        lambda: hwang.every(math.inf),
        lambda: hwang.count(0),
    ],
)
def test_selections_that_make_no_sense_cannot_be_made(make: Any) -> None:
    with pytest.raises(ValueError, match=r"must|least"):
        make()


def test_many_frames_a_second_are_refused_before_they_are_counted() -> None:
    with pytest.raises(LimitExceededError):
        rows(hwang.between(0, 2, 1e15))


@pytest.mark.parametrize(
    "key",
    [
        *(0, -1, np.int64(3), np.uint8(200), slice(None), slice(10, 2, -3), slice(-5, 100)),
        *(
            [1, -1],
            [],
            range(3),
            np.arange(256) % 7 == 1,
            [True] * 256,
            np.array([-256, 255]),
            np.array([255], np.uint64),
        ),
    ],
    ids=str,
)
def test_subscripts_mean_what_they_mean_in_numpy(key: Any) -> None:
    expected = np.arange(256)[key if not isinstance(key, list) or key else np.array(key, int)]
    np.testing.assert_array_equal(subscripted(key, 256), expected)


@pytest.mark.parametrize("key", [256, -257, 2**70, [0, 256], [-257], np.array([2**63], np.uint64), [True] * 9], ids=str)
def test_subscripts_outside_are_index_errors(key: Any) -> None:
    with pytest.raises(IndexError):
        subscripted(key, 256)


@pytest.mark.parametrize("key", [True, None, ..., "1", 1.0, [1.0], (1, 2), np.zeros((2, 2), int), slice("a")], ids=str)
def test_other_subscripts_are_type_errors(key: Any) -> None:
    with pytest.raises(TypeError):
        subscripted(key, 256)


def test_a_row_stays_until_the_next_and_the_last_one_for_the_mean_interval() -> None:
    index = timeline([100, 110, 150, 160], (1, 100))
    seconds, durations = row_times(np.array([3, 1, 0, 1]), index)
    np.testing.assert_allclose(seconds, [1.6, 1.1, 1.0, 1.1])
    np.testing.assert_allclose(durations, [0.2, 0.4, 0.1, 0.4])
    np.testing.assert_array_equal(seconds, index.timestamps()[[3, 1, 0, 1]])


def test_a_lone_row_stays_as_long_as_the_video() -> None:
    assert row_times(np.array([0]), timeline([7], (1, 25), duration_ticks=2))[1].tolist() == [0.08]
    assert np.isnan(row_times(np.array([0]), timeline([7], duration_ticks=0))[1]).all()


def without_clock() -> VideoIndex:
    import dataclasses

    return dataclasses.replace(INDEX, clockless=True, duration_ticks=0)


@pytest.mark.parametrize(
    "selection",
    [hwang.at(0), hwang.between(0, 1), hwang.between(0), hwang.every(1), hwang.nearest_keyframe(0)],
    ids=str,
)
def test_times_in_a_video_without_a_clock_are_errors_that_name_the_remedy(selection: Selection) -> None:
    with pytest.raises(ClockError, match="fps="):
        rows(selection, without_clock())


def test_a_video_without_a_clock_has_rows_and_gets_a_clock() -> None:
    index = VideoIndex.deserialize(without_clock().serialize())
    assert index.clockless
    assert rows(hwang.count(2), index) == [12, 36]
    assert rows(hwang.keyframes(), index) == [0, 12, 24, 36]
    assert np.isnan(index.timestamps()).all()
    assert (index.fps(), index.duration()) == (0.0, 0)
    timed = VideoIndex.deserialize(index.at_rate((30000, 1001)).serialize())
    np.testing.assert_allclose(timed.timestamps(), np.arange(48) * 1001 / 30000)
    assert timed.fps() == pytest.approx(30000 / 1001)
    with pytest.raises(ClockError, match="times of its own"):
        timed.at_rate(25)


@pytest.mark.parametrize(
    ("fps", "rate"), [(25, (25, 1)), (29.97, (2997, 100)), (30000 / 1001, (30000, 1001)), ((50, 2), (25, 1))]
)
def test_a_rate_is_a_fraction(fps: Any, rate: tuple[int, int]) -> None:
    assert rate_of(fps) == rate


@pytest.mark.parametrize("fps", [0, -25, math.nan, math.inf, (1, 0), (25,) * 3, (1, 2**31), 1e12, "fast", None])
def test_other_rates_are_refused(fps: Any) -> None:
    with pytest.raises(ValueError, match="frames per second"):
        rate_of(fps)
