"""Sparse, exact frame decoding: only the frames you ask for, from only the bytes they need.

import hwang
with hwang.Decoder("clip.mp4") as decoder:
    frames = decoder.frames([0, 100, 5000])      # uint8 [3, H, W, 3], RGB
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from hwang.errors import (
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
    UnsupportedMediaError,
)
from hwang.index import VideoIndex
from hwang.plan import Plan, Run, make_plan, slice_into_video_intervals

if TYPE_CHECKING:
    from hwang.decoder import Decoder, DeviceType, Stats, index_video
    from hwang.mp4writer import Mp4Writer, can_encode
    from hwang.picture import Planes

__all__ = [
    "CorruptFrameError",
    "CorruptMediaError",
    "DecodeTimeoutError",
    "Decoder",
    "DeviceType",
    "EncryptedMediaError",
    "FrameIndexError",
    "HwangError",
    "LimitExceededError",
    "Mp4Writer",
    "Plan",
    "Planes",
    "Run",
    "SourceError",
    "SourceForbiddenError",
    "SourceNotFoundError",
    "Stats",
    "StoppedError",
    "UnsupportedMediaError",
    "VideoIndex",
    "can_encode",
    "index_video",
    "make_plan",
    "slice_into_video_intervals",
]

_WITH_CORE = {
    **dict.fromkeys(["Decoder", "DeviceType", "Stats", "index_video"], "decoder"),
    **dict.fromkeys(["Mp4Writer", "can_encode"], "mp4writer"),
    "Planes": "picture",
}


def __getattr__(name: str) -> Any:
    """Import names that need the compiled core when they are first used: index and plan work without it."""
    if name not in _WITH_CORE:
        raise AttributeError(f"module 'hwang' has no attribute '{name}'")
    return getattr(import_module(f"hwang.{_WITH_CORE[name]}"), name)
