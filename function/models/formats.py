"""The output formats, one row each: everything that depends on a format's name reads this table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

Format = Literal["npy", "npz", "jsonl", "jpeg", "png", "webp", "tiff", "tar", "sheet", "mp4", "inline"]
Picture = Literal["jpeg", "png", "webp"]  # in a shard
Writer = Literal["array", "archive", "lines", "pictures", "shards", "contact_sheet", "clip", "answer"]


@dataclass(frozen=True)
class OutputFormat:
    """Facts about one format: how its objects are named, which fields it takes, what it costs.

    A frame's bytes are height * width * 3, a megapixel is a million pixels that are written.
    """

    writer: Writer  # the function of function/output/formats.py that writes it
    content_type: str = ""
    extensions: tuple[str, ...] = ()  # lower case; the first is the one that the function itself appends
    needs_extension: bool = False  # a key must end in one of them, even if the event states the format
    divisible: bool = True  # a job may write a video's frames as several results
    takes_quality: bool = False
    takes_fps: bool = False
    takes_reduction: bool = False
    takes_apply: bool = False  # results of own code
    takes_frames: bool = True
    takes_shards: bool = False  # `picture` and `shard_mb`
    is_answer: bool = False  # without an output: a part of the answer, of one frame if it is a picture
    raw: bool = False  # holds the frames' bytes as they are, so the size is known beforehand
    max_frames: int | None = None
    copies: int = 0  # of the whole result in memory, or of one part of it if it is streamed
    buffer_bytes: int = 0  # of parts on their way to S3, beyond what any format needs
    memory_per_frame_byte: int = 0  # held while one frame is encoded
    seconds_per_megapixel: float = 0.002  # of one core
    save_options: Mapping[str, int | str] = field(default_factory=dict)  # Pillow's

    @property
    def many(self) -> bool:
        """True if it is an object for each frame, or for some of them; False if one for all."""
        return self.writer in ("pictures", "shards")

    @property
    def is_picture(self) -> bool:
        """True if an object is a picture of one frame."""
        return self.writer == "pictures"

    @property
    def is_viewed(self) -> bool:
        """True if it is made to be looked at, False for arrays and numbers."""
        return self.writer in ("pictures", "shards", "contact_sheet", "clip")

    @property
    def states_tone(self) -> bool:
        """True if it carries the video's transfer function, so that players show PQ and HLG as what they are."""
        return self.writer == "clip"

    @property
    def is_streamed(self) -> bool:
        """True if the frames' bytes go to S3 as they come."""
        return self.raw and self.is_stored

    @property
    def is_stored(self) -> bool:
        """True if it is written to an output, False if it is part of the answer."""
        return self.writer != "answer"


def _pictures(
    name: str,
    *extensions: str,
    seconds: float,
    save: Mapping[str, int | str],
    takes_quality: bool = False,
    is_answer: bool = True,
) -> OutputFormat:
    """A format of pictures that Pillow encodes; `seconds` for each megapixel."""
    return OutputFormat(
        writer="pictures",
        content_type=f"image/{name.lower()}",
        extensions=extensions,
        takes_quality=takes_quality,
        is_answer=is_answer,
        memory_per_frame_byte=2,
        seconds_per_megapixel=seconds,
        save_options=save,
    )


FORMATS: Final[Mapping[Format, OutputFormat]] = {
    "npy": OutputFormat(
        writer="array",
        content_type="application/octet-stream",
        extensions=("npy",),
        takes_reduction=True,
        takes_apply=True,
        raw=True,
        copies=2,
    ),
    "npz": OutputFormat(
        writer="archive",
        content_type="application/zip",
        extensions=("npz",),
        takes_apply=True,
        raw=True,
        copies=2,
        seconds_per_megapixel=0.1,
    ),
    "jsonl": OutputFormat(
        writer="lines",
        content_type="application/jsonl",
        extensions=("jsonl",),
        takes_apply=True,
        takes_frames=False,
    ),
    "jpeg": _pictures("JPEG", "jpg", "jpeg", seconds=0.013, takes_quality=True, save={"quality": 90}),
    "png": _pictures("PNG", "png", seconds=0.13, save={"compress_level": 3}),
    "webp": _pictures("WebP", "webp", seconds=0.11, takes_quality=True, save={"quality": 85, "method": 3}),
    "tiff": _pictures("TIFF", "tiff", "tif", seconds=0.09, is_answer=False, save={"compression": "tiff_adobe_deflate"}),
    "tar": OutputFormat(
        writer="shards",
        content_type="application/x-tar",
        extensions=("tar",),
        takes_quality=True,
        takes_shards=True,
        buffer_bytes=4 * 48 << 20,  # one part that is filled, three that are sent
        memory_per_frame_byte=2,
        seconds_per_megapixel=0.013,
    ),
    "sheet": OutputFormat(
        writer="contact_sheet",
        extensions=("jpg", "jpeg", "png"),  # of the pictures that a sheet may be
        needs_extension=True,
        divisible=False,
        takes_quality=True,
        max_frames=400,
        copies=3,  # thumbnails, canvas, encoded
    ),
    "mp4": OutputFormat(
        writer="clip",
        content_type="video/mp4",
        extensions=("mp4",),
        divisible=False,
        takes_quality=True,
        takes_fps=True,
        memory_per_frame_byte=30,  # x264's look-ahead and references: 60 frames of 8-bit 4:2:0
        seconds_per_megapixel=0.04,
    ),
    "inline": OutputFormat(writer="answer", is_answer=True, takes_reduction=True, takes_apply=True, raw=True, copies=4),
}
REDUCTION_FORMAT: Final[Format] = "npy"  # of a reduction that is stored
APPLIED_FORMAT: Final[Format] = "npz"  # of own code's results below a prefix, if the event states none
SHARD_PICTURE: Final[Picture] = "jpeg"
PREFIX_FORMAT: Final[Format] = "jpeg"  # below a prefix, if the event states none


def formats_of(extension: str) -> list[Format]:
    """Formats whose objects may end in `extension` (lower case, without the dot); empty if there are none."""
    return [name for name, facts in FORMATS.items() if extension in facts.extensions]


def picture_format(extension: str) -> Format | None:
    """The format of a single picture that ends in `extension`, None for anything else."""
    return next((name for name in formats_of(extension) if FORMATS[name].is_picture), None)
