"""Selections of frames: the types of all ways to select rows of a video, and `resolve`, which returns the rows."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, SupportsIndex, assert_never

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hwang.errors import FrameIndexError, LimitExceededError
from hwang.timeline import TOLERANCE_SECONDS, Timeline, begun_by, display_seconds, rows_on_display, times_of

__all__ = [
    "Between",
    "Every",
    "Keyframes",
    "NearestKeyframes",
    "RowList",
    "RowRange",
    "Rows",
    "Selection",
    "Spread",
    "Times",
    "check_rows",
    "resolve",
    "rows_of",
    "subscripted",
]

Rows = Sequence[SupportsIndex] | Iterable[SupportsIndex] | range | NDArray[np.integer]


@dataclass(frozen=True, slots=True)
class RowList:
    """These rows, in this order, duplicates kept."""

    rows: Rows


@dataclass(frozen=True, slots=True)
class RowRange:
    """Rows start, start + step, ... below stop, with 0 <= start < stop and step >= 1. None: the end of the video."""

    start: int = 0
    stop: int | None = None
    step: int = 1


@dataclass(frozen=True, slots=True)
class Times:
    """The rows on display at these times, in seconds: a number or several."""

    seconds: ArrayLike


@dataclass(frozen=True, slots=True)
class Between:
    """The rows on display from `start_seconds` until before `stop_seconds`; None: the end of the video.

    fps: instead of every row, those on display at start, start + 1 / fps, ... before stop: some left out or repeated.
    Raises ValueError for times that do not ascend, or an fps that is not above 0.
    """

    start_seconds: float
    stop_seconds: float | None = None
    fps: float | None = None

    def __post_init__(self) -> None:
        if self.stop_seconds is not None and not self.start_seconds <= self.stop_seconds:
            raise ValueError(f"from {self.start_seconds} s to {self.stop_seconds} s: stop must not be before start")
        if self.fps is not None:
            _check_positive("fps", self.fps)


@dataclass(frozen=True, slots=True)
class Every:
    """The rows on display when the first row appears and each `seconds` (more than 0) after that."""

    seconds: float

    def __post_init__(self) -> None:
        _check_positive("seconds", self.seconds)


@dataclass(frozen=True, slots=True)
class Keyframes:
    """The rows that decode without any other."""


@dataclass(frozen=True, slots=True)
class NearestKeyframes:
    """For each of these times, in seconds, the key frame that appears nearest to it; of two as near the earlier."""

    seconds: ArrayLike


@dataclass(frozen=True, slots=True)
class Spread:
    """`count` (at least 1) rows, spread evenly: the middles of as many equal parts."""

    count: int

    def __post_init__(self) -> None:
        if operator.index(self.count) < 1:
            raise ValueError(f"count is {_shown(self.count)}; the least is 1")


Selection = RowList | RowRange | Times | Between | Every | Keyframes | NearestKeyframes | Spread

# short names, for hwang.every(2.0)
at, between, every, keyframes, nearest_keyframe, count = Times, Between, Every, Keyframes, NearestKeyframes, Spread


class _Index(Timeline, Protocol):
    """The part of a VideoIndex that selections need."""

    @property
    def sync(self) -> NDArray[np.bool_]: ...

    @property
    def order(self) -> NDArray[np.uint32]: ...


def resolve(selection: Selection, index: _Index, max_rows: int) -> NDArray[np.int64]:
    """Rows of the video, int64 [n], in the order of the selection, each in [0, len(index)); n = 0 if that is empty.

    Nothing is expanded before its bounds are checked. Raises FrameIndexError if a row or a time lies outside the video
    or the video has no such row, LimitExceededError for more than `max_rows`; `detail` of both holds the numbers.
    Raises ClockError for times in a video without.
    """
    count = len(index)
    if count == 0:
        raise FrameIndexError("the video has no frames", frames=0)
    match selection:
        case RowList():
            rows = check_rows(selection.rows, count)
        case RowRange():
            stop = count if selection.stop is None else selection.stop
            _check_bounds(selection.start, stop - 1, count)
            rows = np.arange(selection.start, stop, selection.step, dtype=np.int64)
        case Times():
            rows = rows_on_display(times_of(selection.seconds), index)
        case Between():
            rows = _between(selection, index, max_rows)
        case Every():
            numerator, denominator = index.time_base
            last = (int(index.row_pts[-1]) - int(index.row_pts[0])) * numerator / denominator
            steps = math.floor(min(max(0.0, last + TOLERANCE_SECONDS) / selection.seconds, 1e18))
            _check_amount(steps + 1, max_rows)
            rows = begun_by(selection.seconds * np.arange(steps + 1, dtype=np.float64), index)
        case Keyframes():
            rows = _keyframes(index)
        case NearestKeyframes():
            rows = _nearest_keyframes(times_of(selection.seconds), index)
        case Spread():
            if selection.count > count:
                wanted = _shown(selection.count)
                raise FrameIndexError(f"the video has {count} frames, fewer than the {wanted} asked for", frames=count)
            rows = (2 * np.arange(selection.count, dtype=np.int64) + 1) * count // (2 * selection.count)
        case _:
            assert_never(selection)
    _check_amount(len(rows), max_rows)
    return rows


def rows_of(rows: Rows | Selection, index: _Index, max_rows: int) -> NDArray[np.int64]:
    """Rows of the video, int64 [n], of a selection or a sequence of rows. Raises like resolve() and check_rows()."""
    return resolve(rows, index, max_rows) if isinstance(rows, Selection) else check_rows(rows, len(index))


def check_rows(rows: Rows, count: int) -> NDArray[np.int64]:
    """`rows` as int64 [n], order and duplicates kept.

    Raises TypeError for anything but integers (a bool is none), FrameIndexError for a row outside [0, count).
    """
    if isinstance(rows, np.ndarray):
        if rows.ndim != 1 or (rows.size and rows.dtype.kind not in "iu"):
            raise TypeError(f"rows must be a 1-D array of integers, not {rows.ndim}-D {rows.dtype}")
        if rows.size:
            _check_bounds(int(rows.min()), int(rows.max()), count)
        return rows.astype(np.int64)
    if isinstance(rows, range):
        if not rows:
            return np.empty(0, np.int64)
        _check_bounds(min(rows[0], rows[-1]), max(rows[0], rows[-1]), count)
        step = rows.step if len(rows) > 1 else 1  # a lone row may come with any step
        return rows[0] + step * np.arange(len(rows), dtype=np.int64)
    if isinstance(rows, str | bytes) or not isinstance(rows, Iterable):
        raise TypeError(f"rows must be a sequence of integers, not {type(rows).__name__}")
    numbers = [_row(row) for row in rows]
    if numbers:
        _check_bounds(min(numbers), max(numbers), count)
    return np.array(numbers, np.int64)


def subscripted(key: object, count: int) -> int | NDArray[np.int64]:
    """The row that an integer in `decoder[key]` names, or the rows, int64 [n], of a slice, a mask, or several integers.

    Negative ones count from the end. Raises FrameIndexError outside the video, IndexError for a mask of another length,
    TypeError for other keys.
    """
    if isinstance(key, slice):
        return np.arange(*key.indices(count), dtype=np.int64)
    if not isinstance(key, tuple) and (rows := np.asarray(key)).ndim == 1:
        if rows.dtype == np.bool_:
            if len(rows) != count:
                raise IndexError(f"the mask has {len(rows)} values, and the video {count} frames")
            return np.flatnonzero(rows)
        if rows.dtype.kind in "iu" or not rows.size:
            outside = rows[(rows >= count) | (rows < -count)] if rows.size else rows
            if len(outside):
                raise FrameIndexError(f"row {outside[0]} is outside the video, which has {count} frames", frames=count)
            return np.where(rows < 0, rows + count, rows).astype(np.int64)
    row = _row(key)  # type: ignore[arg-type]
    if not -count <= row < count:
        raise FrameIndexError(f"row {_shown(row)} is outside the video, which has {count} frames", frames=count)
    return row % count


def _keyframes(index: _Index) -> NDArray[np.int64]:
    rows = np.flatnonzero(index.sync[index.order])
    if len(rows) == 0:
        raise FrameIndexError("the video shows no key frame", frames=len(index))
    return rows


def _nearest_keyframes(seconds: NDArray[np.float64], index: _Index) -> NDArray[np.int64]:
    rows_on_display(seconds, index)  # raises for a time outside
    rows = _keyframes(index)
    numerator, denominator = index.time_base
    appears = (index.row_pts[rows] - index.row_pts[0]).astype(np.float64) * (numerator / denominator)
    after_first = seconds - display_seconds(index)[0]
    behind = np.searchsorted(appears, after_first)
    before, behind = np.maximum(behind - 1, 0), np.minimum(behind, len(rows) - 1)
    is_nearer = np.abs(appears[behind] - after_first) < np.abs(after_first - appears[before]) - TOLERANCE_SECONDS
    return rows[np.where(is_nearer, behind, before)]


def _between(selection: Between, index: _Index, max_rows: int) -> NDArray[np.int64]:
    first, end = display_seconds(index)
    start, stop = selection.start_seconds, end if selection.stop_seconds is None else selection.stop_seconds
    row, _ = rows_on_display(np.array([start, stop]), index)
    if selection.fps is not None:
        steps = math.ceil(min(max(0.0, stop - start - TOLERANCE_SECONDS) * selection.fps, 1e18))
        _check_amount(steps, max_rows)
        return begun_by(start - first + np.arange(steps) / selection.fps, index)
    before_start, before_stop = begun_by(np.array([start, stop]) - first - 2 * TOLERANCE_SECONDS, index)
    row = min(row, before_start + 1)  # all rows that begin at start, none that begins at stop
    if selection.stop_seconds is None:
        return np.arange(row, len(index))
    return np.arange(row, before_stop + 1 if start < stop else row)


def _row(row: SupportsIndex) -> int:
    if isinstance(row, bool | np.bool_):
        raise TypeError("a row is a bool; for a mask, pass numpy.flatnonzero(mask)")
    try:
        return operator.index(row)
    except TypeError:
        raise TypeError(f"a row is {row!r} ({type(row).__name__}); rows are integers") from None


def _check_bounds(first: int, last: int, count: int) -> None:
    for row in (first, last):
        if not 0 <= row < count:
            hint = "; rows do not count from the end" if row < 0 else ""
            raise FrameIndexError(
                f"row {_shown(row)} is outside the video, which has {count} frames{hint}", row=_shown(row), frames=count
            )


def _check_positive(name: str, number: float) -> None:
    if not 0 < number < math.inf:
        raise ValueError(f"{name} is {number!r}; it must be a number above 0")


def _check_amount(wanted: int, max_rows: int) -> None:
    if wanted > max_rows:
        raise LimitExceededError(
            f"{wanted} frames are more than one request may take, which is {max_rows}",
            limit="frames",
            wanted=wanted,
            maximum=max_rows,
        )


def _shown(number: int) -> int | str:
    """`number` in a few characters, however large it is."""
    if abs(number) < 10**18:
        return number
    return f"{float(number):.3g}" if abs(number) < 10**300 else "(a number of over 300 digits)"
