"""Facts about a video: those of its index, and those that only a picture states."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from hwang.index import Color, VideoIndex
from hwang.timeline import mean_interval


class ColorNames(NamedTuple):
    """Names of the colors, as FFmpeg has them: "bt709", "smpte2084", "unknown"; a number that has no name is itself."""

    primaries: str
    transfer: str
    matrix: str
    range: str
    """"limited", "full" or "unknown"."""


@dataclass(frozen=True, slots=True)
class VideoMetadata:
    """Facts about a video. Times and rates of a raw stream, which states none, are NaN."""

    codec: str  # FFmpeg's name: "h264", "hevc", "av1", ...
    width: int  # pixels of the frames, before rotation
    height: int
    num_frames: int  # rows
    average_fps: float
    duration_seconds: float  # from the first row's appearance to the last one's end
    begin_seconds: float  # the first row's appearance
    pixel_format: str  # as coded, in FFmpeg's words: "yuv420p", "yuv420p10le", ...
    bit_depth: int  # bits of a channel, as coded
    rotation: int  # degrees clockwise to turn the frames by for display: 0, 90, 180, 270
    sample_aspect_ratio: Fraction | None  # width of a pixel by its height; None if not stated
    color: ColorNames
    is_hdr: bool  # PQ or HLG


def describe(
    index: VideoIndex, pixel_format: str, bit_depth: int, aspect_ratio: tuple[int, int], color: Color
) -> VideoMetadata:
    """Return the facts of an index, and of a picture, which states those that no container does."""
    across, down = index.sample_aspect_ratio if all(index.sample_aspect_ratio) else aspect_ratio
    duration = mean_interval(index) * len(index)
    if index.container == "mov" and index.duration_ticks:  # it states for how long the last frame stays
        duration = index.duration() / index.timescale()
    names = color_names(color)
    return VideoMetadata(
        codec=index.codec,
        width=index.width,
        height=index.height,
        num_frames=len(index),
        average_fps=len(index) / duration if duration else math.nan,
        duration_seconds=duration,
        begin_seconds=float(index.timestamps()[0]),
        pixel_format=pixel_format,
        bit_depth=bit_depth,
        rotation=index.rotation,
        sample_aspect_ratio=Fraction(across, down) if across > 0 and down > 0 else None,
        color=names,
        is_hdr=names.transfer in ("smpte2084", "arib-std-b67"),
    )


def _numbered(names: str) -> dict[int, str]:
    """The names in `names` by their place, from 0 on; a reserved number is a dash."""
    return {number: name for number, name in enumerate(names.split()) if name != "-"}


# The numbers of ITU-T H.273, as the ffmpeg tool names them.
_COLORS = (
    _numbered(
        "- bt709 unknown - bt470m bt470bg smpte170m smpte240m film bt2020 smpte428 smpte431 smpte432"
        " - - - - - - - - - ebu3213"
    ),
    _numbered(
        "- bt709 unknown - bt470m bt470bg smpte170m smpte240m linear log100 log316 iec61966-2-4 bt1361e iec61966-2-1"
        " bt2020-10 bt2020-12 smpte2084 smpte428 arib-std-b67"
    ),
    _numbered(
        "gbr bt709 unknown - fcc bt470bg smpte170m smpte240m ycgco bt2020nc bt2020c smpte2085"
        " chroma-derived-nc chroma-derived-c ictcp"
    ),
    _numbered("unknown limited full"),
)


def color_names(color: Color) -> ColorNames:
    """Return the names of FFmpeg's numbers; a number that has none as it is."""
    return ColorNames(*(names.get(number, str(number)) for number, names in zip(color, _COLORS, strict=True)))
