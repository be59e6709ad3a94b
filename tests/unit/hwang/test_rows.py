"""Which rows a selection means, by a definition in exact fractions that knows nothing of how it is computed."""

from __future__ import annotations

import math
import subprocess
import sys
from fractions import Fraction

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from hwang.errors import FrameIndexError, LimitExceededError
from hwang.index import VideoIndex
from hwang.rows import resolve
from hwang.selections import Every, Keyframes, RowList, RowRange, Selection, Spread, Times
from tests.unit.hwang.timelines import constant_rate, timeline, timelines

MICROSECOND = Fraction(1, 1_000_000)  # how early a time may be, as times are written with a few decimals
MANY = 10_000_000
thorough = settings(max_examples=150, deadline=None)


def appears(index: VideoIndex) -> list[Fraction]:
    """When each row appears, in seconds."""
    return [Fraction(ticks) * Fraction(*index.time_base) for ticks in index.row_pts.tolist()]


def ends(index: VideoIndex, times: list[Fraction]) -> Fraction:
    """When the last row is gone: after a mean interval, or after that before it if it is longer."""
    mean = index.duration_ticks * Fraction(*index.time_base) / len(index)
    return times[-1] + max(mean, times[-1] - times[-2] if len(times) > 1 else Fraction(0))


def on_display(times: list[Fraction], seconds: Fraction, early: Fraction) -> int:
    """The last row that appeared by then, if each row appears `early`."""
    return sum(begun <= seconds + early for begun in times) - 1


def rows(selection: Selection, index: VideoIndex, max_rows: int = MANY) -> list[int]:
    found: list[int] = resolve(selection, index, max_rows).tolist()
    return found


def rounding(*seconds: float) -> Fraction:
    """What a float of such a size cannot tell apart, and a nanosecond."""
    return Fraction(1, 10**9) + sum(Fraction(math.ulp(number)) for number in seconds) * 2


@st.composite
def timelines_and_times(draw: st.DrawFn) -> tuple[VideoIndex, list[float]]:
    """Times of rows, as they are and with few decimals; between rows; a little before and behind both ends."""
    index = draw(timelines())
    times = appears(index)
    begun = st.sampled_from([*times, ends(index, times)])
    off = st.sampled_from([Fraction(0)] * 3) | st.fractions(-1, 1).map(lambda part: part / 20)
    decimals = st.sampled_from([3, 6, 17])
    drawn = draw(st.lists(st.tuples(begun, off, st.integers(-30, 30), decimals), min_size=1, max_size=8))
    return index, [round(float(row + far + near * MICROSECOND / 10), digits) for row, far, near, digits in drawn]


@thorough
@given(timelines_and_times())
def test_a_time_means_the_row_on_display(drawn: tuple[VideoIndex, list[float]]) -> None:
    index, seconds = drawn
    times = appears(index)
    first, end = times[0], ends(index, times)
    for number in seconds:
        exact, slack = Fraction(number), rounding(number, float(first), float(end))
        if first - MICROSECOND + slack <= exact <= end + MICROSECOND - slack:
            (row,) = index.rows_at(number).tolist()
            earliest, latest = (on_display(times, exact, MICROSECOND + off) for off in (-slack, slack))
            assert max(0, earliest) <= row <= latest
            assert rows(Times([number]), index) == [row]
        elif not first - MICROSECOND - slack <= exact <= end + MICROSECOND + slack:
            with pytest.raises(FrameIndexError, match="on display from"):
                index.rows_at(number)
            with pytest.raises(FrameIndexError, match="on display from"):
                rows(Times([number]), index)


@pytest.mark.parametrize(
    ("microseconds", "expected"),
    [(-1.1, None), (-0.9, 0), (39_998.9, 0), (39_999.1, 1), (80_000.9, 1), (80_001.1, None)],
)
def test_times_may_be_a_microsecond_off(microseconds: float, expected: int | None) -> None:
    index, seconds = constant_rate(2, (1, 25)), microseconds / 1e6
    if expected is None:
        with pytest.raises(FrameIndexError):
            index.rows_at(seconds)
    else:
        assert index.rows_at(seconds).tolist() == [expected]


@thorough
@given(timelines(), st.data())
def test_a_rows_own_time_finds_it_also_when_rounded_to_microseconds(index: VideoIndex, data: st.DataObject) -> None:
    times, row = appears(index), data.draw(st.integers(0, len(index) - 1))
    seconds = float(index.timestamps()[row])
    assume(seconds < 1e9)  # above, a double has no microseconds
    for found in index.rows_at([seconds, round(seconds, 6)]).tolist():
        assert found >= row
        assert times[found] - times[row] < 3 * MICROSECOND  # itself, or one that appears within the tolerance


@thorough
@given(
    timelines(), st.sampled_from([0.001, 0.01, 0.04, 1 / 24, 1001 / 30000, 0.1, 1 / 3, 1, 60]) | st.floats(0.002, 10)
)
def test_an_interval_means_the_row_on_display_each_time(index: VideoIndex, interval: float) -> None:
    times, step = appears(index), Fraction(interval)
    shown = times[-1] - times[0]
    if shown / step > 300:
        return
    found, slack = rows(Every(interval), index), rounding(float(shown))
    fewest, most = ((shown + MICROSECOND + off) // step + 1 for off in (-slack, slack))
    assert fewest <= len(found) <= most
    for number, row in enumerate(found):
        seconds = times[0] + number * step
        earliest, latest = (on_display(times, seconds, MICROSECOND + off) for off in (-slack, slack))
        assert earliest <= row <= latest


@pytest.mark.parametrize(
    ("frames", "rate", "interval", "expected"),
    [
        (10, (1, 30), 0.1, [0, 3, 6, 9]),
        (91, (1001, 30_000), 1.001, [0, 30, 60, 90]),
        (100, (1, 10), 3.3, [0, 33, 66, 99]),
        (50, (1, 24), 0.5, [0, 12, 24, 36, 48]),
        (50, (1, 24), 1e9, [0]),
    ],
)
def test_an_interval_of_whole_frames_misses_none(
    frames: int, rate: tuple[int, int], interval: float, expected: list[int]
) -> None:
    for first in (0, 7, -7, 1 << 40):
        assert rows(Every(interval), constant_rate(frames, rate, first)) == expected


@given(timelines(), st.data())
def test_a_list_keeps_order_and_duplicates(index: VideoIndex, data: st.DataObject) -> None:
    wanted = data.draw(st.lists(st.integers(0, len(index) - 1), min_size=1))
    assert rows(RowList(wanted), index) == wanted


@given(timelines(), st.integers(0, 70), st.none() | st.integers(1, 80), st.integers(1, 10**30))
@example(constant_rate(11), 0, 12, 5)
@example(constant_rate(11), 11, None, 1)
@example(constant_rate(11), 3, None, 10**80)
def test_a_range_is_that_of_python_or_outside(index: VideoIndex, start: int, stop: int | None, step: int) -> None:
    if stop is not None and stop <= start:
        return
    inside = start < len(index) and (stop is None or stop <= len(index))
    if inside:
        assert rows(RowRange(start, stop, step), index) == list(range(len(index)))[start:stop:step]
    else:
        with pytest.raises(FrameIndexError, match=f"which has {len(index)} frames"):
            rows(RowRange(start, stop, step), index)


@given(timelines(), st.data())
def test_spread_rows_are_the_middles_of_equal_parts(index: VideoIndex, data: st.DataObject) -> None:
    wanted = data.draw(st.integers(1, len(index)))
    middles = [math.floor(Fraction((2 * part + 1) * len(index), 2 * wanted)) for part in range(wanted)]
    assert rows(Spread(wanted), index) == middles


@given(timelines())
def test_key_frames_are_the_rows_that_show_a_sync_sample(index: VideoIndex) -> None:
    expected = [row for row, sample in enumerate(index.order.tolist()) if index.sync[sample]]
    assert rows(Keyframes(), index) == expected


@pytest.mark.parametrize(
    "selection",
    [RowList([0]), RowRange(), Times([0.0]), Every(1.0), Keyframes(), Spread(1)],
    ids=lambda selection: type(selection).__name__,
)
def test_a_video_without_frames_has_no_rows(selection: Selection) -> None:
    with pytest.raises(FrameIndexError):
        rows(selection, timeline([]))


def test_a_video_that_shows_no_key_frame_has_none() -> None:
    with pytest.raises(FrameIndexError, match="no key frame"):
        rows(Keyframes(), timeline([0, 1], keyframes=()))


def test_a_time_that_is_no_number_is_outside() -> None:
    for seconds in (math.nan, math.inf, -math.inf):
        with pytest.raises(FrameIndexError):
            constant_rate(3).rows_at([0, seconds])


@pytest.mark.parametrize("interval", [1e-9, 1e-300, 5e-324])
def test_too_many_rows_are_refused_before_memory_is_taken(interval: float) -> None:
    """Twelve hours would be hundreds of terabytes; two rows are enough to be that long."""
    with pytest.raises(LimitExceededError) as caught:
        rows(Every(interval), timeline([0, 12 * 3600 * 1000], (1, 1000)))
    assert caught.value.detail["maximum"] == MANY


@pytest.mark.parametrize(
    "selection",
    [RowList([0] * 5), RowRange(0, 9, 2), Times([0.0] * 5), Every(2 / 24), Keyframes(), Spread(5)],
    ids=lambda selection: type(selection).__name__,
)
def test_the_limit_is_the_most_that_is_given(selection: Selection) -> None:
    index = timeline(range(9), (1, 24), keyframes=range(0, 9, 2))
    assert len(rows(selection, index, max_rows=5)) == 5
    with pytest.raises(LimitExceededError) as caught:
        rows(selection, index, max_rows=4)
    assert caught.value.detail == {"limit": "frames", "wanted": 5, "maximum": 4}


def test_rows_are_resolved_without_the_compiled_core() -> None:
    code = "import sys; sys.modules['hwang._core'] = None; import hwang.rows; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "hwang.rows" in done.stdout
    assert "hwang.decod" not in done.stdout
