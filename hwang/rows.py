"""Rows of a video: those of a selection (`resolve`), of a sequence, of a subscript."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol, SupportsIndex, assert_never

import numpy as np
from numpy.typing import NDArray

from hwang import selections
from hwang.errors import FrameIndexError, LimitExceededError
from hwang.selections import in_short
from hwang.timeline import TOLERANCE_SECONDS, Timeline, begun_by, display_seconds, row_times, rows_on_display, times_of

MAX_RESOLVED = 10_000_000
"""The most rows that are resolved to be thinned out afterwards."""

Rows = Sequence[SupportsIndex] | Iterable[SupportsIndex] | range | NDArray[np.integer]


class Resolved(NamedTuple):
    """The rows of a selection, int64 [n], and the seconds asked for, float64 [n]; None if it names no times."""

    rows: NDArray[np.int64]
    asked: NDArray[np.float64] | None


class _Index(Timeline, Protocol):
    """The part of a VideoIndex that selections need."""

    @property
    def sync(self) -> NDArray[np.bool_]: ...

    @property
    def order(self) -> NDArray[np.uint32]: ...


def resolve(selection: selections.Selection, index: _Index, max_rows: int) -> NDArray[np.int64]:
    """Rows of the video, int64 [n], in the order of the selection, each in [0, len(index)); n = 0 if that is empty.

    Nothing is expanded before its bounds are checked. Raises FrameIndexError if a row or a time lies outside the video
    or the video has no such row, LimitExceededError for more than `max_rows`; `detail` of both holds the numbers.
    Raises ClockError for times in a video without.
    """
    return resolve_with_times(selection, index, max_rows).rows


def resolve_with_times(selection: selections.Selection, index: _Index, max_rows: int) -> Resolved:
    """The rows as from resolve(), which raises the same, and for each the time that the selection asked for.

    Rows that were moved to a key frame were asked for at the time of the frame that was there.
    """
    if len(index) == 0:
        raise FrameIndexError("the video has no frames", frames=0)
    refined = selection if isinstance(selection, selections.Refined) else selections.Refined(selection)
    part = _Part.of(refined, index)
    rows, asked = _resolved(refined, part, index, max_rows if refined.most is None else MAX_RESOLVED)
    if len(rows) == 0 and part.is_bounded:
        raise FrameIndexError(f"{part} has none of the frames asked for", frames=len(index))
    if refined.most is not None and refined.most < len(rows):
        kept = _middles(refined.most, len(rows))
        rows, asked = rows[kept], None if asked is None else asked[kept]
    _check_amount(len(rows), max_rows)
    if refined.snap:
        asked = row_times(rows, index)[0] if asked is None and not index.clockless else asked
        keys = _keyframes(index)
        rows = keys[np.maximum(np.searchsorted(keys, rows, "right") - 1, 0)]
    return Resolved(rows, asked)


class _Part(NamedTuple):
    """A part of the video: rows [first, stop), and its seconds as timestamps() counts; None: as far as there are any.

    `start` and `stop_seconds` are as they were asked for, also outside the video.
    """

    first: int
    stop: int
    start: float | None
    stop_seconds: float | None

    @property
    def is_bounded(self) -> bool:
        return self.start is not None or self.stop_seconds is not None

    def __str__(self) -> str:
        start, stop = (None if seconds is None else f"{seconds:.6g} s" for seconds in (self.start, self.stop_seconds))
        return f"the part from {start or 'the start'} to {stop or 'the end'}"

    @classmethod
    def of(cls, refined: selections.Refined, index: _Index) -> _Part:
        """The part of the video that is asked for. Raises FrameIndexError if it is outside and that is an error."""
        start, stop = refined.start_seconds, refined.stop_seconds
        if start is None and stop is None:
            return cls(0, len(index), None, None)
        first, end = display_seconds(index)
        start, stop = (None if at is None else at + end if at < 0 else at for at in (start, stop))
        inside = [first if start is None else start, end if stop is None else stop]
        if refined.strict:
            rows_on_display(np.array(inside), index)
            if inside[1] <= inside[0]:
                raise FrameIndexError(f"from {inside[0]:.6g} s to {inside[1]:.6g} s there is no frame")
        inside[0] = min(max(inside[0], first), end)
        inside[1] = max(min(inside[1], end), inside[0])
        to_the_end = stop is None or stop >= end
        rows = _between(selections.Between(inside[0], None if to_the_end else inside[1]), index, MAX_RESOLVED)
        row = int(rows[0]) if len(rows) else int(rows_on_display(np.array(inside[:1]), index)[0])
        return cls(row, row + max(1, len(rows)), start, stop)

    def holds(self, seconds: NDArray[np.float64]) -> NDArray[np.bool_]:
        """A mask of the times in the part."""
        behind_start = seconds >= (-math.inf if self.start is None else self.start - TOLERANCE_SECONDS)
        return behind_start & (
            seconds < (math.inf if self.stop_seconds is None else self.stop_seconds - TOLERANCE_SECONDS)
        )


def _resolved(refined: selections.Refined, part: _Part, index: _Index, max_rows: int) -> Resolved:
    """The rows of the selection within a part of the video, neither thinned nor moved."""
    count, selection, strict = len(index), refined.selection, refined.strict
    match selection:
        case selections.RowList():
            rows = check_rows(_with_last(selection.rows, count), count)
        case selections.Last():
            rows = np.array([part.stop - 1])
        case selections.RowRange():
            stop = count if selection.stop is None else selection.stop
            _check_bounds(selection.start, stop - 1 if strict else selection.start, count)
            rows = np.arange(selection.start, min(stop, count), selection.step, dtype=np.int64)
        case selections.Times() | selections.NearestKeyframes():
            asked = times_of(selection.seconds)
            if strict or not np.isfinite(asked).all():
                rows_on_display(asked, index)  # raises for a time outside
            asked = asked[part.holds(asked)]
            first, end = display_seconds(index)
            inside = np.clip(asked, first, end)
            nearest = isinstance(selection, selections.NearestKeyframes)
            rows = _nearest_keyframes(inside, index) if nearest else rows_on_display(inside, index)
            return Resolved(rows, asked)
        case selections.Between():
            rows = _between(selection if strict else _clipped(selection, index), index, max_rows)
        case selections.Every():
            return _every(selection.seconds, part, index, max_rows)
        case selections.Keyframes():
            rows = _keyframes(index)
        case selections.Spread():
            there = part.stop - part.first
            if selection.count > there and strict:
                wanted = in_short(selection.count)
                where = f"{part}" if part.is_bounded else "the video"
                raise FrameIndexError(f"{where} has {there} frames, fewer than the {wanted} asked for", frames=there)
            rows = part.first + _middles(min(selection.count, there), there)
        case _:
            assert_never(selection)
    if part.is_bounded:
        rows = rows[(rows >= part.first) & (rows < part.stop)]
    return Resolved(rows, None)


def _every(seconds: float, part: _Part, index: _Index, max_rows: int) -> Resolved:
    """The rows on display every `seconds` from the start of the part on, up to the one at which the last row begins."""
    first, _ = display_seconds(index)
    numerator, denominator = index.time_base
    last = (int(index.row_pts[-1]) - int(index.row_pts[0])) * numerator / denominator  # after the first
    start = 0.0 if part.start is None else min(max(part.start - first, 0.0), last)
    shown = last - start
    if part.stop_seconds is not None:
        shown = min(shown, part.stop_seconds - first - start - 2 * TOLERANCE_SECONDS)
    steps = math.floor(min(max(0.0, shown + TOLERANCE_SECONDS) / seconds, 1e18))
    _check_amount(steps + 1, max_rows)
    after_first = start + seconds * np.arange(steps + 1, dtype=np.float64)
    return Resolved(begun_by(after_first, index), first + after_first)


def _middles(wanted: int, count: int) -> NDArray[np.int64]:
    """The middles of `wanted` equal parts of [0, count), int64 [wanted]."""
    return (2 * np.arange(wanted, dtype=np.int64) + 1) * count // (2 * wanted)


def _with_last(rows: Iterable[SupportsIndex | selections.Last] | NDArray[np.integer], count: int) -> Rows:
    """`rows` with the number of the last row in the places of Last()."""
    if isinstance(rows, list | tuple):
        return [count - 1 if isinstance(row, selections.Last) else row for row in rows]
    return rows  # type: ignore[return-value]


def _clipped(selection: selections.Between, index: _Index) -> selections.Between:
    """The part of the interval in which the video is on display."""
    first, end = display_seconds(index)
    start, stop = (
        None if seconds is None else min(max(seconds, first), end)
        for seconds in (selection.start_seconds, selection.stop_seconds)
    )
    return selections.Between(first if start is None else start, stop, selection.fps)


def rows_of(rows: Rows | selections.Selection, index: _Index, max_rows: int) -> NDArray[np.int64]:
    """Rows of the video, int64 [n], of a selection or a sequence of rows. Raises like resolve() and check_rows()."""
    return resolve(rows, index, max_rows) if isinstance(rows, selections.Selection) else check_rows(rows, len(index))


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
        raise FrameIndexError(f"row {in_short(row)} is outside the video, which has {count} frames", frames=count)
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


def _between(selection: selections.Between, index: _Index, max_rows: int) -> NDArray[np.int64]:
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
                f"row {in_short(row)} is outside the video, which has {count} frames{hint}",
                row=in_short(row),
                frames=count,
            )


def _check_amount(wanted: int, max_rows: int) -> None:
    if wanted > max_rows:
        raise LimitExceededError(
            f"{wanted} frames are more than one request may take, which is {max_rows}",
            limit="frames",
            wanted=wanted,
            maximum=max_rows,
        )
