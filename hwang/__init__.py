"""Sparse, exact frame decoding: the frames asked for, and only the bytes they need.

    import hwang
    with hwang.Decoder("clip.mp4") as decoder:
        frames = decoder.frames([0, 100, 5000])      # uint8 [3, H, W, 3], RGB
"""

from hwang.decoder import Decoder, DeviceType, Stats, index_video
from hwang.errors import (
    CorruptFrameError,
    CorruptMediaError,
    EncryptedMediaError,
    FrameIndexError,
    HwangError,
    LimitExceededError,
    SourceError,
    UnsupportedMediaError,
)
from hwang.index import VideoIndex
from hwang.plan import Plan, Run, make_plan, slice_into_video_intervals

__all__ = [
    "CorruptFrameError",
    "CorruptMediaError",
    "Decoder",
    "DeviceType",
    "EncryptedMediaError",
    "FrameIndexError",
    "HwangError",
    "LimitExceededError",
    "Plan",
    "Run",
    "SourceError",
    "Stats",
    "UnsupportedMediaError",
    "VideoIndex",
    "index_video",
    "make_plan",
    "slice_into_video_intervals",
]
