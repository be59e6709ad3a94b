"""The rows of a request: the event's `frames` resolved for a video, with the function's limit and errors."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from function.errors import FrameOutOfRange, LimitExceeded, UnsupportedMedia
from function.models.result import FrameList
from function.models.selection import Frames, selection_of
from hwang.errors import ClockError, FrameIndexError, LimitExceededError
from hwang.index import VideoIndex
from hwang.rows import Resolved, resolve_with_times

Rows = NDArray[np.int64]

MAX_FRAMES: Final = 10_000_000


def frame_list(found: Resolved, index: VideoIndex) -> FrameList:
    """The rows and their times as results state them."""
    seconds = index.timestamps()[found.rows].tolist()
    return FrameList.of(found.rows.tolist(), seconds, None if found.asked is None else found.asked.tolist())


def resolve_rows(frames: Frames, index: VideoIndex) -> Rows:
    """int64 [n], n ≥ 1, in the order asked for, duplicates kept, each in [0, len(index)). Raises as resolve_frames."""
    return resolve_frames(frames, index).rows


def resolve_frames(frames: Frames, index: VideoIndex) -> Resolved:
    """The rows, n ≥ 1, in the order asked for, duplicates kept, and the seconds at which they were asked for, if any.

    Nothing is expanded before its bounds are checked. Raises FrameOutOfRange for a row outside the video, for the
    first time outside if the selection is strict, and for nothing in what was asked for; LimitExceeded above
    MAX_FRAMES, UnsupportedMedia for times in a raw stream, which states none.
    """
    try:
        return resolve_with_times(selection_of(frames), index, MAX_FRAMES)
    except FrameIndexError as error:
        path = f"frames.timestamps[{error.detail['position']}]" if "position" in error.detail else "frames"
        raise FrameOutOfRange(f"{path}: {error}", **error.detail) from None
    except ClockError:
        raise UnsupportedMedia("frames: this raw stream states no times: ask for rows, keyframes or a count") from None
    except LimitExceededError as error:
        raise LimitExceeded(f"frames: {error}", **error.detail) from None
