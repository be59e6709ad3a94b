"""The rows of a request: the event's `frames` resolved for a video, with the function's limit and errors."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from function.errors import FrameOutOfRange, LimitExceeded, UnsupportedMedia
from function.models.result import FrameList
from function.models.selection import Frames, Representative, Searched, SomeRows, selection_of
from hwang.errors import ClockError, FrameIndexError, LimitExceededError
from hwang.index import VideoIndex
from hwang.rows import Resolved, resolve, resolve_with_times
from hwang.selections import Every

Rows = NDArray[np.int64]

MAX_FRAMES: Final = 10_000_000
LOOK_SECONDS: Final = 0.2  # between two looks for scenes, in videos of up to ten minutes
MAX_LOOKS: Final = 3000
_MAX_KEYFRAME_SECONDS: Final = 10.0  # longer ones tell nothing about scenes
_REPRESENTATIVE_LOOKS: Final = 200
_FEW_KEYFRAMES: Final = 12
_CLOCKLESS_STEP: Final = 5


def frame_list(found: Resolved, index: VideoIndex) -> FrameList:
    """The rows and their times as results state them."""
    seconds = index.timestamps()[found.rows].tolist()
    return FrameList.of(found.rows.tolist(), seconds, None if found.asked is None else found.asked.tolist())


def resolve_frames(frames: Frames, index: VideoIndex) -> Resolved:
    """The rows, n ≥ 1, in the order asked for, duplicates kept, and the seconds at which they were asked for, if any.

    Of a search, the rows that it looks at. Nothing is expanded before its bounds are checked. Raises FrameOutOfRange
    for a row outside the video, for the first time outside if the selection is strict, and for nothing in what was
    asked for; LimitExceeded above MAX_FRAMES, UnsupportedMedia for times in a raw stream, which states none.
    """
    if isinstance(frames, Searched):
        return Resolved(looks(frames, index), None)
    try:
        found = resolve_with_times(selection_of(frames), index, MAX_FRAMES)
    except FrameIndexError as error:
        path = f"frames.timestamps[{error.detail['position']}]" if "position" in error.detail else "frames"
        raise FrameOutOfRange(f"{path}: {error}", **error.detail) from None
    except ClockError:
        raise UnsupportedMedia("frames: this raw stream states no times: ask for rows, keyframes or a count") from None
    except LimitExceededError as error:
        raise LimitExceeded(f"frames: {error}", **error.detail) from None
    if isinstance(frames, SomeRows) and frames.asked:
        if len(frames.asked) != len(found.rows):
            raise FrameOutOfRange(f"frames.asked: has {len(frames.asked)} seconds for {len(found.rows)} rows")
        return Resolved(found.rows, np.array(frames.asked, np.float64))
    return found


def looks(wanted: Searched, index: VideoIndex) -> Rows:
    """The rows that are looked at, ascending and distinct, at least one."""
    count = len(index)
    keyframes = np.flatnonzero(index.sync[index.order])
    if isinstance(wanted, Representative):
        if len(keyframes) >= max(_FEW_KEYFRAMES, 4 * wanted.representative):
            return _thinned(keyframes, max(_REPRESENTATIVE_LOOKS, 4 * wanted.representative))
        return _thinned(np.arange(count), max(_REPRESENTATIVE_LOOKS, 4 * wanted.representative))
    if index.clockless:
        return _thinned(np.arange(0, count, _CLOCKLESS_STEP), MAX_LOOKS)
    try:
        return np.unique(resolve(Every(LOOK_SECONDS), index, MAX_LOOKS))
    except LimitExceededError:
        numerator, denominator = index.time_base
        seconds = (int(index.row_pts[-1]) - int(index.row_pts[0])) * numerator / denominator
        are_dense = len(keyframes) * _MAX_KEYFRAME_SECONDS >= seconds
        return _thinned(keyframes if are_dense else np.arange(count), MAX_LOOKS)


def most_found(wanted: Searched, looked_at: int) -> int:
    """The most rows that a search finds among so many looks."""
    most = wanted.representative if isinstance(wanted, Representative) else wanted.scenes.max
    return min(most or looked_at, looked_at)


def _thinned(rows: Rows, most: int) -> Rows:
    """At most so many of the rows, spread evenly."""
    if len(rows) <= most:
        return rows
    return rows[(2 * np.arange(most) + 1) * len(rows) // (2 * most)]
