"""Selections of frames: the types of all ways to select rows of a video, and `resolve`, which returns the rows."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, SupportsIndex, assert_never

import numpy as np
from numpy.typing import NDArray

from hwang.errors import FrameIndexError, LimitExceededError

__all__ = [
    "Every",
    "Keyframes",
    "RowList",
    "RowRange",
    "Rows",
    "Selection",
    "Spread",
    "Times",
    "check_rows",
    "resolve",
    "rows_on_display",
]

TOLERANCE_SECONDS = 1e-6
"""Times are written with a few decimals: 0.041667 means the frame at 1/24 s."""

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
    """The rows on display at these times, in seconds."""

    seconds: Sequence[float]


@dataclass(frozen=True, slots=True)
class Every:
    """The rows on display when the first row appears and each `seconds` (more than 0) after that."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Keyframes:
    """The rows that decode without any other."""


@dataclass(frozen=True, slots=True)
class Spread:
    """`count` (at least 1) rows, spread evenly: the middles of as many equal parts."""

    count: int


Selection = RowList | RowRange | Times | Every | Keyframes | Spread


class _Index(Protocol):
    """The part of a VideoIndex that selections need."""

    @property
    def sync(self) -> NDArray[np.bool_]: ...

    @property
    def order(self) -> NDArray[np.uint32]: ...

    @property
    def row_pts(self) -> NDArray[np.int64]: ...

    @property
    def time_base(self) -> tuple[int, int]: ...

    def fps(self) -> float: ...

    def __len__(self) -> int: ...


def resolve(selection: Selection, index: _Index, max_rows: int) -> NDArray[np.int64]:
    """Rows of the video, int64 [n] with n >= 1, in the order of the selection, each in [0, len(index)).

    Nothing is expanded before its bounds are checked. Raises FrameIndexError if a row or a time lies outside the video
    or the video has no such row, LimitExceededError for more than `max_rows`; `detail` of both holds the numbers.
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
            rows = rows_on_display(np.array(selection.seconds, np.float64), index)
        case Every():
            began = _seconds_after_first(index)
            steps = math.floor(min(max(0.0, float(began[-1]) + TOLERANCE_SECONDS) / selection.seconds, 1e18))
            _check_amount(steps + 1, max_rows)
            rows = _last_begun(began, selection.seconds * np.arange(steps + 1, dtype=np.float64))
        case Keyframes():
            rows = np.flatnonzero(index.sync[index.order])
            if len(rows) == 0:
                raise FrameIndexError("the video shows no key frame", frames=count)
        case Spread():
            if selection.count > count:
                wanted = _shown(selection.count)
                raise FrameIndexError(f"the video has {count} frames, fewer than the {wanted} asked for", frames=count)
            rows = (2 * np.arange(selection.count, dtype=np.int64) + 1) * count // (2 * selection.count)
        case _:
            assert_never(selection)
    _check_amount(len(rows), max_rows)
    return rows


def rows_on_display(seconds: NDArray[np.float64], index: _Index) -> NDArray[np.int64]:
    """The row on display at each of `seconds` ([n], as the video's timestamps count): the last that began by then.

    A row begins a microsecond early, and the last one is on display for one frame interval. Raises FrameIndexError
    for the first time outside, with its `position` in `detail`.
    """
    first, end = _display_seconds(index)
    outside = ~((seconds >= first - TOLERANCE_SECONDS) & (seconds <= end + TOLERANCE_SECONDS)) | (len(index) == 0)
    if outside.any():
        position = int(outside.argmax())
        raise FrameIndexError(
            f"{seconds[position]:.6g} s is outside the video, which is on display from {first:.6g} s to {end:.6g} s",
            position=position,
            seconds=float(seconds[position]),
            first_seconds=first,
            end_seconds=end,
        )
    return _last_begun(_seconds_after_first(index), seconds - first)


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


def _seconds_after_first(index: _Index) -> NDArray[np.float64]:
    """float64 [N]: when each row appears, counted from the first one, so that a late start costs no precision."""
    numerator, denominator = index.time_base
    return (index.row_pts - index.row_pts[:1]).astype(np.float64) * (numerator / denominator)


def _display_seconds(index: _Index) -> tuple[float, float]:
    """Return the times at which the first row appears and the last one ends, as timestamps() counts; else zeros."""
    if len(index) == 0:
        return 0.0, 0.0
    numerator, denominator = index.time_base
    last_interval = (int(index.row_pts[-1]) - int(index.row_pts[-2:][0])) * numerator / denominator
    interval = max(1 / index.fps() if index.fps() > 0 else 0.0, last_interval)
    first, last = (int(index.row_pts[place]) * numerator / denominator for place in (0, -1))
    return first, last + interval


def _last_begun(began: NDArray[np.float64], seconds: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.searchsorted(began, seconds + TOLERANCE_SECONDS, "right") - 1
