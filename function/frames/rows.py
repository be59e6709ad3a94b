"""Which rows a request means: a pure function of the event's `frames` and the video's index."""

from __future__ import annotations

import math
from typing import Final, Protocol, assert_never

import numpy as np
from numpy.typing import NDArray

from function.errors import FrameOutOfRange, LimitExceeded
from function.models.selection import Count, EverySeconds, Frames, Keyframes, Range, Timestamps

Rows = NDArray[np.int64]

MAX_FRAMES: Final = 10_000_000
# Times are written with a few decimals: 0.041667 means the frame at 1/24 s.
TOLERANCE_SECONDS: Final = 1e-6


class Index(Protocol):
    """What is needed of a `hwang.VideoIndex`; its timestamps are in seconds, in row order, and ascend."""

    @property
    def sync(self) -> NDArray[np.bool_]: ...

    @property
    def order(self) -> NDArray[np.uint32]: ...

    def __len__(self) -> int: ...

    def timestamps(self) -> NDArray[np.float64]: ...

    def fps(self) -> float: ...


def resolve_rows(frames: Frames, index: Index) -> Rows:
    """int64 [n], n ≥ 1, in the order asked for, duplicates kept, each in [0, len(index)).

    Nothing is expanded before its bounds are checked. Raises FrameOutOfRange for the first row or time outside the
    video, LimitExceeded above MAX_FRAMES.
    """
    count = len(index)
    if count == 0:
        raise FrameOutOfRange("the video has no frames", frames=0)
    match frames:
        case list():
            _check_bounds(frames, count)
            rows = np.array(frames, dtype=np.int64)
        case Range():
            rows = _range_rows(frames, count)
        case Timestamps():
            rows = _displayed_at(np.array(frames.timestamps, dtype=np.float64), index)
        case EverySeconds():
            rows = _displayed_every(frames.every_seconds, index)
        case Keyframes():
            rows = np.flatnonzero(index.sync[index.order]).astype(np.int64)
            if len(rows) == 0:
                raise FrameOutOfRange("frames: the video shows no key frame", frames=count)
        case Count():
            rows = _spread(frames.count, count)
        case _:
            assert_never(frames)
    _check_amount(len(rows))
    return rows


def _check_bounds(rows: list[int], count: int) -> None:
    if min(rows) < 0 or max(rows) >= count:
        raise _outside(next(row for row in rows if not 0 <= row < count), count)


def _outside(row: int, count: int) -> FrameOutOfRange:
    shown = row if abs(row) < 10**18 else f"{float(row):.3g}" if abs(row) < 10**300 else "with over 300 digits"
    return FrameOutOfRange(
        f"frames: row {shown} is outside the video, which has {count} frames (rows 0 to {count - 1})",
        row=shown,
        frames=count,
    )


def _check_amount(wanted: int) -> None:
    if wanted > MAX_FRAMES:
        raise LimitExceeded(
            f"frames: {wanted} frames are more than one request may take, which is {MAX_FRAMES}",
            limit="frames",
            wanted=wanted,
            maximum=MAX_FRAMES,
        )


def _range_rows(wanted: Range, count: int) -> Rows:
    stop = count if wanted.stop is None else wanted.stop
    if wanted.start >= count:
        raise _outside(wanted.start, count)
    if stop > count:
        raise _outside(stop - 1, count)
    _check_amount(len(range(wanted.start, stop, wanted.step)))
    return np.array(range(wanted.start, stop, min(wanted.step, count)), dtype=np.int64)


def _displayed_at(seconds: NDArray[np.float64], index: Index) -> Rows:
    """The last row whose timestamp is at or before each time; the last frame is on display for one frame interval."""
    timestamps = index.timestamps()
    intervals = [1 / index.fps()] if index.fps() > 0 else []
    if len(timestamps) > 1:
        intervals.append(float(timestamps[-1] - timestamps[-2]))
    first, end = float(timestamps[0]), float(timestamps[-1]) + max(intervals, default=0.0)
    outside = (seconds < first - TOLERANCE_SECONDS) | (seconds > end + TOLERANCE_SECONDS)
    if outside.any():
        position = int(outside.argmax())
        raise FrameOutOfRange(
            f"frames.timestamps[{position}]: {seconds[position]:.6g} s is outside the video, "
            f"which is on display from {first:.6g} s to {end:.6g} s",
            seconds=float(seconds[position]),
            first_seconds=first,
            end_seconds=end,
        )
    rows = np.searchsorted(timestamps, seconds + TOLERANCE_SECONDS, side="right") - 1
    return rows.astype(np.int64)


def _displayed_every(interval_seconds: float, index: Index) -> Rows:
    timestamps = index.timestamps()
    first, last = float(timestamps[0]), float(timestamps[-1])
    steps = (last - first + TOLERANCE_SECONDS) / interval_seconds
    _check_amount(math.floor(min(steps, 1e18)) + 1)
    return _displayed_at(first + interval_seconds * np.arange(math.floor(steps) + 1, dtype=np.float64), index)


def _spread(wanted: int, count: int) -> Rows:
    if wanted > count:
        raise FrameOutOfRange(
            f"frames.count: {wanted if wanted < 10**18 else 'too many'} frames were asked for, the video has {count}",
            frames=count,
        )
    _check_amount(wanted)
    return (2 * np.arange(wanted, dtype=np.int64) + 1) * count // (2 * wanted)
