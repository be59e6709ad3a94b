"""Selections within some seconds, thinned, moved to key frames, or filled with what is there: defined in fractions."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import hwang
from hwang.errors import ClockError, FrameIndexError
from hwang.index import VideoIndex
from hwang.plan import make_plan
from hwang.rows import resolve, resolve_with_times
from hwang.selections import Refined, Selection
from hwang.timeline import display_seconds, played_ticks
from tests.unit.hwang.test_rows import MICROSECOND, appears, ends, on_display
from tests.unit.hwang.test_selections import without_clock
from tests.unit.hwang.timelines import constant_rate, timeline, timelines

INDEX = constant_rate(48)  # 24 rows a second, a key frame each half second
SHORT = constant_rate(12)
LATE = constant_rate(48, first=24)  # its first frame appears at 1 s
thorough = settings(max_examples=200, deadline=None)


def rows(selection: Selection, index: VideoIndex = INDEX) -> list[int]:
    found: list[int] = resolve(selection, index, 1000).tolist()
    return found


def lenient(selection: Any, start: float | None = None, stop: float | None = None, **more: Any) -> Refined:
    return Refined(selection, start, stop, strict=False, **more)


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (hwang.last(), [47]),
        (hwang.RowList([0, hwang.last(), 3]), [0, 47, 3]),
        (hwang.refined(hwang.every(0.5), 0.75), [18, 30, 42]),
        (hwang.refined(hwang.every(0.5), 0.75, 1.25), [18]),
        (hwang.refined(hwang.every(0.5), 0.75, 1.2501), [18, 30]),
        (hwang.refined(hwang.every(0.5), -1), [24, 36]),
        (hwang.refined(hwang.every(0.5), -1, -0.5), [24]),
        (hwang.refined(hwang.every(0.5), stop_seconds=-0.5), [0, 12, 24]),
        (hwang.refined(hwang.count(2), 1), [30, 42]),
        (hwang.refined(hwang.count(2), 1, 1.5), [27, 33]),
        (hwang.refined(hwang.keyframes(), stop_seconds=1), [0, 12]),
        (hwang.refined(hwang.keyframes(), 0.5, 1.0001), [12, 24]),
        (hwang.refined(hwang.at([0, 0.5, 1, 1.5]), 0.5, 1.5), [12, 24]),
        (hwang.refined(hwang.RowRange(0, None, 10), 1), [30, 40]),
        (hwang.refined(hwang.RowList([40, 3, 30]), 1), [40, 30]),
        (hwang.refined(hwang.last(), stop_seconds=1), [23]),
        (hwang.refined(hwang.RowRange(), most=4), [6, 18, 30, 42]),
        (hwang.refined(hwang.keyframes(), most=2), [12, 36]),
        (hwang.refined(hwang.keyframes(), most=9), [0, 12, 24, 36]),
        (hwang.refined(hwang.at([0.3, 1.9]), snap=True), [0, 36]),
        (hwang.refined(hwang.every(0.3), snap=True), [0, 0, 12, 12, 24, 36, 36]),
    ],
    ids=str,
)
def test_refined_selections_mean_rows(selection: Selection, expected: list[int]) -> None:
    assert rows(selection) == expected
    assert make_plan(INDEX, selection).rows.tolist() == expected


@pytest.mark.parametrize(
    ("selection", "index", "expected"),
    [
        (hwang.count(20), SHORT, list(range(12))),
        (hwang.RowRange(0, 100, 5), SHORT, [0, 5, 10]),
        (hwang.at([-1, 0, 0.25, 9]), SHORT, [0, 0, 6, 11]),
        (hwang.at([0, 0.5, 1.5]), LATE, [0, 0, 12]),
        (hwang.between(-5, 0.1), SHORT, [0, 1, 2]),
        (hwang.between(0.4, 50), SHORT, [9, 10, 11]),
        (hwang.nearest_keyframe([-1, 9]), INDEX, [0, 36]),
    ],
    ids=str,
)
def test_what_a_short_or_late_video_cannot_fill_gives_what_is_there(
    selection: Any, index: VideoIndex, expected: list[int]
) -> None:
    assert rows(lenient(selection), index) == expected
    for strict in (selection, Refined(selection)):
        with pytest.raises(FrameIndexError):
            rows(strict, index)


@pytest.mark.parametrize(
    ("part", "expected"),
    [((100, None), [11]), ((-100, None), [0, 6]), ((0.3, -0.3), [7]), ((None, 9), [0, 6]), ((-0.25, None), [6])],
)
def test_a_part_that_the_video_does_not_have_is_the_frame_at_its_start(part: Any, expected: list[int]) -> None:
    assert rows(lenient(hwang.every(0.25), *part), SHORT) == expected
    if part != (-0.25, None):
        with pytest.raises(FrameIndexError):
            rows(Refined(hwang.every(0.25), *part), SHORT)


@pytest.mark.parametrize("selection", [hwang.RowList([12]), hwang.RowRange(12, None), hwang.RowList([-1])], ids=str)
def test_rows_by_number_have_to_be_there(selection: Any) -> None:
    with pytest.raises(FrameIndexError, match="12 frames"):
        rows(lenient(selection), SHORT)


@pytest.mark.parametrize(
    "selection", [hwang.keyframes(), hwang.at([0, 0.1]), hwang.RowList([3])], ids=lambda one: type(one).__name__
)
@pytest.mark.parametrize("strict", [True, False])
def test_nothing_in_a_part_is_an_error_that_names_it(selection: Any, strict: bool) -> None:
    with pytest.raises(FrameIndexError, match=r"the part from 0.25 s to 0.4 s has none"):
        rows(Refined(selection, 0.25, 0.4, strict=strict), SHORT)


@thorough
@given(timelines(), st.floats(-2, 12), st.floats(-2, 12))
def test_a_part_holds_what_is_on_display_in_it(index: VideoIndex, start: float, length: float) -> None:
    times = appears(index)
    first, end = times[0], ends(index, times)
    from_, to = (float(first) + seconds for seconds in sorted([start, length]))
    assume(from_ >= 0 and to > from_)  # below 0 they count from the end
    exact = [min(max(Fraction(seconds), first), end) for seconds in (from_, to)]
    assume(all(abs(begun - at) > 5 * MICROSECOND for at in exact for begun in times if at not in (first, end)))
    assume(all(later - begun > 5 * MICROSECOND for begun, later in pairwise([*times, end]) if later > begun))
    assume(len({*times}) == len(times))  # rows that stay for no time at all
    assume(exact[0] < end or times[-1] < end)
    shown = on_display(times, exact[0], MICROSECOND)
    expected = [row for row, begun in enumerate(times) if row == shown or exact[0] <= begun < max(exact)]
    if exact[1] == end:
        expected = list(range(expected[0], len(times)))
    if exact[0] == first:
        expected = list(range(expected[-1] + 1))
    assert rows(lenient(hwang.RowRange(), from_, to), index) == expected
    assert rows(lenient(hwang.count(10_000), from_, to), index) == expected


@thorough
@given(timelines(), st.floats(0.001, 5))
def test_negative_seconds_count_from_the_end(index: VideoIndex, seconds: float) -> None:
    _, end = display_seconds(index)
    assume(end - seconds >= 0)
    for selection in (hwang.RowRange(), hwang.count(3), hwang.every(0.25)):
        from_the_end = rows(lenient(selection, -seconds), index)
        assert from_the_end == rows(lenient(selection, end - seconds), index)


@thorough
@given(timelines(), st.lists(st.floats(-5, 5), min_size=1, max_size=9))
def test_times_outside_mean_the_nearest_frame_and_are_kept_as_asked(index: VideoIndex, off: list[float]) -> None:
    first, end = display_seconds(index)
    seconds = [first + number for number in off] + [end + number for number in off]
    found = resolve_with_times(lenient(hwang.at(seconds)), index, 1000)
    inside = [min(max(number, first), end) for number in seconds]
    assert found.rows.tolist() == index.rows_at(inside).tolist()
    assert found.asked is not None
    assert found.asked.tolist() == seconds


@thorough
@given(timelines(), st.integers(1, 50))
def test_a_count_takes_each_frame_once(index: VideoIndex, wanted: int) -> None:
    found = rows(lenient(hwang.count(wanted)), index)
    assert found == sorted(set(found))
    assert len(found) == min(wanted, len(index))


@thorough
@given(timelines(), st.integers(1, 40))
def test_too_many_rows_are_thinned_to_the_middles_of_equal_parts(index: VideoIndex, most: int) -> None:
    whole = rows(hwang.every(0.01), index) if len(index) < 5 else list(range(len(index)))
    selection = hwang.every(0.01) if len(index) < 5 else hwang.RowRange()
    thin = [whole[math.floor(Fraction((2 * part + 1) * len(whole), 2 * most))] for part in range(most)]
    assert rows(Refined(selection, most=most), index) == (thin if most < len(whole) else whole)


@thorough
@given(timelines(), st.floats(0, 1))
def test_a_snapped_time_is_the_last_key_frame_by_then_and_one_sample(index: VideoIndex, place: float) -> None:
    seconds = index.timestamps()
    wanted = float(seconds[0] + place * (seconds[-1] - seconds[0]))
    found = resolve_with_times(Refined(hwang.at(wanted), snap=True), index, 10)
    (row,) = index.rows_at(wanted).tolist()
    keys = np.flatnonzero(index.sync[index.order])
    assert found.rows.tolist() == [int(max(keys[keys <= row], default=keys[0]))]
    assert found.asked is not None
    assert found.asked.tolist() == [wanted]
    assert make_plan(index, found.rows).samples_decoded == 1


def test_what_was_asked_for_stands_beside_the_rows() -> None:
    for selection, asked in (
        (hwang.every(0.5), [0, 0.5, 1, 1.5]),
        (hwang.refined(hwang.every(0.5), 0.75), [0.75, 1.25, 1.75]),
        (hwang.refined(hwang.every(0.5), most=2), [0.5, 1.5]),
        (hwang.at([1, 0.3]), [1, 0.3]),
        (hwang.refined(hwang.at([0, 1, 2]), 0.5), [1, 2]),
        (hwang.nearest_keyframe([0.3]), [0.3]),
        (hwang.refined(hwang.count(2), snap=True), [0.5, 1.5]),
        (hwang.refined(hwang.RowList([13]), snap=True), [13 / 24]),
    ):
        found = resolve_with_times(selection, INDEX, 100)
        assert found.asked is not None
        np.testing.assert_allclose(found.asked, asked)
        assert len(found.rows) == len(asked)
    assert resolve_with_times(hwang.every(1), LATE, 100).asked == pytest.approx([1, 2])
    timeless: list[Selection] = [hwang.count(3), hwang.keyframes(), hwang.RowRange(), hwang.last()]
    assert all(resolve_with_times(selection, INDEX, 100).asked is None for selection in timeless)


def test_a_video_without_a_clock_snaps_and_thins_but_has_no_part() -> None:
    index = without_clock()
    found = resolve_with_times(lenient(hwang.count(2), most=1, snap=True), index, 9)
    assert (found.rows.tolist(), found.asked) == ([36], None)
    with pytest.raises(ClockError):
        rows(lenient(hwang.count(2), 1), index)


@pytest.mark.parametrize(
    "wrong", [(2, 1), (1, 1), (-1, -2), (math.nan, None), (None, math.inf), (None, None, 0), (None, None, -3)]
)
def test_parts_that_make_no_sense_cannot_be_made(wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"must be"):
        Refined(hwang.keyframes(), *wrong)


@thorough
@given(timelines(), st.data())
def test_ascending_rows_are_played_at_their_times(index: VideoIndex, data: st.DataObject) -> None:
    chosen = sorted(data.draw(st.sets(st.integers(0, len(index) - 1), min_size=1)))
    repeats = data.draw(st.lists(st.integers(1, 3), min_size=len(chosen), max_size=len(chosen)))
    found = np.repeat(np.array(chosen), repeats)
    ticks, timescale = played_ticks(found, index, 1 << 27)
    begins = [Fraction(int(tick), timescale) for tick in np.cumsum(ticks) - ticks]
    first = np.flatnonzero(np.append(True, np.diff(found) > 0)).tolist()
    times, shift = appears(index), Fraction(0)
    for place, row in zip(first, chosen, strict=True):
        expected = times[row] - times[chosen[0]]
        same = sum(times[other] == times[row] for other in chosen)  # rows of one time take a tick each
        shift += Fraction(same - 1, 1) * Fraction(*index.time_base)
        assert abs(begins[place] - expected) <= Fraction(len(found), timescale) + shift
    assert ticks.min() >= 1
    assert len(ticks) == len(found)
    if max(repeats) == 1 and index.time_base[1] <= 1_000_000 and (np.diff(index.row_pts[found]) > 0).all():
        assert timescale == index.time_base[1]
        assert (ticks[:-1] == np.diff(index.row_pts[found]) * index.time_base[0]).all()


def test_rows_that_are_followed_by_earlier_ones_stay_as_long_as_in_the_video() -> None:
    index = timeline([0, 10, 40, 50, 90], (1, 1000), duration_ticks=100)
    for found, expected in (
        ([0, 1, 2, 3, 4], [10, 30, 10, 40, 22]),  # the last for the mean interval, 22.5
        ([3, 1, 3], [40, 40, 40]),
        ([0, 2, 1], [40, 10, 30]),
    ):
        ticks, timescale = played_ticks(np.array(found), index, 1 << 27)
        assert (ticks.tolist(), timescale) == (expected, 1000)
    ticks, timescale = played_ticks(np.array([0, 0, 0, 1]), index, 1 << 27)
    assert (ticks.tolist(), timescale) == ([10, 10, 10, 90], 3000)


def test_frames_that_stay_very_long_get_coarser_ticks() -> None:
    index = timeline([0, 10**9, 10**9 + 5], (1, 1_000_000), duration_ticks=10**9 + 10)
    ticks, timescale = played_ticks(np.arange(3), index, 1 << 27)
    assert max(ticks) <= 1 << 27
    assert ticks[0] / timescale == pytest.approx(1000, rel=1e-5)
