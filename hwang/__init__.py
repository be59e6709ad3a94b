"""Sparse, exact frame decoding: only the frames you ask for, from only the bytes they need.

import hwang
with hwang.Decoder("clip.mp4") as decoder:
    frame = decoder[5]                           # uint8 [H, W, 3], RGB
    frames = decoder.frames([0, 100, 5000])      # uint8 [3, H, W, 3]
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from hwang import errors, selections
from hwang.errors import *  # noqa: F403
from hwang.index import VideoIndex
from hwang.plan import Plan, Run, make_plan, slice_into_video_intervals
from hwang.selections import *  # noqa: F403

if TYPE_CHECKING:
    from hwang.decoder import Decoder, DeviceType, index_video
    from hwang.metadata import ColorNames, VideoMetadata
    from hwang.mp4writer import Mp4Writer, can_encode
    from hwang.picture import Planes
    from hwang.request import TimedFrames
    from hwang.session import Stats
    from hwang.sources.local import RangeSource, VideoInput

__version__ = "2.0.0"

__all__ = ["Plan", "Run", "VideoIndex", "__version__", "make_plan", "slice_into_video_intervals"]
__all__ += ["ColorNames", "Decoder", "DeviceType", "Mp4Writer", "Planes", "RangeSource", "Stats", "TimedFrames"]
__all__ += ["VideoInput", "VideoMetadata", "can_encode", "index_video"]
__all__ += errors.__all__
__all__ += selections.__all__

_LATE = {
    **dict.fromkeys(["Decoder", "DeviceType", "index_video"], "decoder"),
    **dict.fromkeys(["ColorNames", "VideoMetadata"], "metadata"),
    **dict.fromkeys(["Mp4Writer", "can_encode"], "mp4writer"),
    "Planes": "picture",
    **dict.fromkeys(["RangeSource", "VideoInput"], "sources.local"),
    "Stats": "session",
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
