"""Sparse, exact frame decoding: only the frames you ask for, from only the bytes they need.

import hwang
with hwang.Decoder("clip.mp4") as decoder:
    frame = decoder[5]                           # uint8 [H, W, 3], RGB
    frames = decoder.frames([0, 100, 5000])      # uint8 [3, H, W, 3]
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from hwang.errors import (
    ClockError,
    CorruptFrameError,
    CorruptMediaError,
    DecodeTimeoutError,
    EncryptedMediaError,
    FrameIndexError,
    HwangError,
    LimitExceededError,
    SourceError,
    SourceForbiddenError,
    SourceNotFoundError,
    StoppedError,
    StorageFullError,
    UnsupportedMediaError,
)
from hwang.index import VideoIndex
from hwang.plan import Plan, Run, make_plan, slice_into_video_intervals
from hwang.rows import (
    Between,
    Every,
    Keyframes,
    Last,
    NearestKeyframes,
    Refined,
    RowList,
    RowRange,
    Selection,
    Spread,
    Times,
    at,
    between,
    count,
    every,
    keyframes,
    last,
    nearest_keyframe,
    refined,
)

if TYPE_CHECKING:
    from hwang.decoder import Decoder, DeviceType, Stats, index_video
    from hwang.metadata import ColorNames, VideoMetadata
    from hwang.mp4writer import Mp4Writer, can_encode
    from hwang.picture import Planes
    from hwang.request import TimedFrames
    from hwang.sources import RangeSource, VideoInput

__version__ = "2.0.0"

__all__ = [
    "Between",
    "ClockError",
    "ColorNames",
    "CorruptFrameError",
    "CorruptMediaError",
    "DecodeTimeoutError",
    "Decoder",
    "DeviceType",
    "EncryptedMediaError",
    "Every",
    "FrameIndexError",
    "HwangError",
    "Keyframes",
    "Last",
    "LimitExceededError",
    "Mp4Writer",
    "NearestKeyframes",
    "Plan",
    "Planes",
    "RangeSource",
    "Refined",
    "RowList",
    "RowRange",
    "Run",
    "Selection",
    "SourceError",
    "SourceForbiddenError",
    "SourceNotFoundError",
    "Spread",
    "Stats",
    "StoppedError",
    "StorageFullError",
    "TimedFrames",
    "Times",
    "UnsupportedMediaError",
    "VideoIndex",
    "VideoInput",
    "VideoMetadata",
    "__version__",
    "at",
    "between",
    "can_encode",
    "count",
    "every",
    "index_video",
    "keyframes",
    "last",
    "make_plan",
    "nearest_keyframe",
    "refined",
    "slice_into_video_intervals",
]

_LATE = {
    **dict.fromkeys(["Decoder", "DeviceType", "Stats", "index_video"], "decoder"),
    **dict.fromkeys(["ColorNames", "VideoMetadata"], "metadata"),
    **dict.fromkeys(["Mp4Writer", "can_encode"], "mp4writer"),
    "Planes": "picture",
    **dict.fromkeys(["RangeSource", "VideoInput"], "sources"),
    "TimedFrames": "request",
}


def __getattr__(name: str) -> Any:
    """Import names when they are first used: index and plan work without the compiled core."""
    if name == "_core":
        try:
            return import_module("hwang._core")
        except ImportError as error:
            raise import_module("hwang.missing_core").explained(error) from error
    if name not in _LATE:
        raise AttributeError(f"module 'hwang' has no attribute '{name}'")
    return getattr(import_module(f"hwang.{_LATE[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
