"""The decoded frames of a request: sized, turned, in the order in which they are written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from function.clock import Clock
from function.frames.rows import Rows
from function.frames.tone import ToneMap, is_known
from function.models.form import Size, Treatment
from function.models.incoming import wrong
from hwang.errors import CorruptMediaError
from hwang.index import VideoIndex
from hwang.metadata import VideoMetadata, color_names
from hwang.picture import PixelFormat, Planes, picture_layout

if TYPE_CHECKING:
    from function.frames.shared import SharedDecode
    from hwang.decoder import Decoder

Frames = NDArray[np.uint8]  # [n, H, W, 3] RGB


@dataclass(frozen=True)
class Shape:
    """Size of the decoded frames in pixels, and the degrees clockwise by which they are turned afterwards."""

    decoded_width: int
    decoded_height: int
    rotation: int

    @classmethod
    def of(cls, video_size: tuple[int, int], size: Size | None, rotation: int) -> Self:
        """The shape for a video of (width, height). `size` is that of the turned frame. Raises BadRequest."""
        size = size or Size.model_construct()
        sides = (size.width, size.height)
        width, height = sides[::-1] if rotation % 180 else sides
        try:
            layout = picture_layout(video_size, width, height, size.max_side, "rgb24")
        except ValueError as error:
            raise wrong("size", str(error)) from None
        return cls(layout.width, layout.height, rotation)

    @classmethod
    def of_request(cls, index: VideoIndex, treatment: Treatment, aspect_ratio: Fraction | None = None) -> Self:
        """The shape that a settled request asks for. `aspect_ratio`: of a pixel, if the index does not state it."""
        width, (across, down) = index.width, index.sample_aspect_ratio
        if treatment.square_pixels:
            ratio = Fraction(across, down) if across and down else aspect_ratio or 1
            width = max(1, round(width * ratio))
        return cls.of((width, index.height), treatment.size, index.rotation if treatment.rotate else 0)

    def even(self) -> Shape:
        """The shape with even sides, as clips need; odd sides get a pixel smaller."""
        return Shape(max(2, self.decoded_width & ~1), max(2, self.decoded_height & ~1), self.rotation)

    def within(self, width: int, height: int) -> Shape:
        """The shape whose turned frame fits into so many pixels: never larger than it is, never distorted."""
        scale = min(width / self.width, height / self.height, 1.0)
        size = max(1, round(self.width * scale)), max(1, round(self.height * scale))
        return Shape(*(size[::-1] if self.rotation % 180 else size), self.rotation)

    @property
    def width(self) -> int:
        """Width of the turned frame."""
        return self.decoded_height if self.rotation % 180 else self.decoded_width

    @property
    def height(self) -> int:
        """Height of the turned frame."""
        return self.decoded_width if self.rotation % 180 else self.decoded_height

    @property
    def frame_bytes(self) -> int:
        """Bytes of one frame in RGB."""
        return self.width * self.height * 3


class SizeMisstatedError(Exception):
    """The pictures have another size than the container states. The decoder's index has it now."""


def tone_map(decoder: Decoder) -> ToneMap | None:
    """The conversion to SDR of the video's frames; None if they are not of HDR. Raises SizeMisstatedError.

    If the container does not state the colors of a video that may be of HDR, a picture is decoded for them.
    """
    index = decoder.video_index
    stated = None if is_known(index) else _metadata(decoder)
    colors = stated.color if stated else color_names(index.color)
    return ToneMap.of(colors.transfer, colors.primaries)


def pixel_aspect_ratio(decoder: Decoder) -> Fraction | None:
    """The width of a pixel by its height, for which a picture is decoded if no container states it; None if unknown.

    Raises SizeMisstatedError.
    """
    index = decoder.video_index
    if all(index.sample_aspect_ratio):
        return Fraction(*index.sample_aspect_ratio)
    stated = _metadata(decoder)
    return stated.sample_aspect_ratio if stated else None


def _metadata(decoder: Decoder) -> VideoMetadata | None:
    """The properties that a picture states; None if the first ones cannot be decoded. Raises SizeMisstatedError."""
    index = decoder.video_index
    try:
        metadata = decoder.metadata
    except CorruptMediaError:
        return None
    if (metadata.width, metadata.height) != (index.width, index.height):
        raise SizeMisstatedError
    return metadata


@dataclass
class Pictures:
    """Frames of `rows`, decoded when they are iterated over. Raises SizeMisstatedError before the first one."""

    decoder: Decoder | SharedDecode
    rows: Rows
    shape: Shape
    is_sized: bool  # the size was asked for: frames of another one are scaled, else they are errors
    clock: Clock
    max_bytes: int  # of frames decoded at a time
    tone: ToneMap | None = None

    def __post_init__(self) -> None:
        self._order, self._handed_out = self.rows, 0

    @property
    def undone(self) -> Rows:
        """Rows whose frames have not been handed out yet, duplicates kept."""
        left = self._order[self._handed_out :]
        return left if self._order is self.rows else self.rows[np.isin(self.rows, left)]

    def in_order(self) -> Iterator[Frames]:
        """Frames in the order of `rows`, uint8 [n, H, W, 3]; duplicates of ascending rows are decoded once."""
        steps = np.diff(self.rows)
        if (steps > 0).all() or (steps < 0).any():
            yield from (frames for _, frames in self.batches(self.rows))
            return
        distinct, counts = np.unique(self.rows, return_counts=True)
        for part, frames in self.batches(distinct):
            places = np.repeat(np.arange(len(frames)), counts[part])
            for start in range(0, len(places), len(frames)):  # as many at a time as are decoded
                yield frames[places[start : start + len(frames)]]

    def batches(self, rows: Rows) -> Iterator[tuple[slice, Frames]]:
        """Frames of `rows`, uint8 [n, H, W, 3] RGB, with their positions in it."""
        yield from self._batches(rows, "rgb24")

    def in_batches(self, length: int | None) -> Iterator[tuple[slice, Frames]]:
        """Frames of `in_order`, `length` at a time, fewer only at the end, with their positions; None: as they come."""
        waiting: list[Frames] = []
        done = 0
        for frames in self.in_order():
            waiting.append(frames)
            while sum(map(len, waiting)) >= (length or 1):
                whole = waiting[0] if len(waiting) == 1 else np.concatenate(waiting)
                count = length or len(whole)
                waiting = [whole[count:]] if len(whole) > count else []
                yield slice(done, done + count), whole[:count]
                done += count
        if waiting:
            yield slice(done, len(self.rows)), np.concatenate(waiting)

    def planes(self, rows: Rows) -> Iterator[tuple[slice, Planes]]:
        """Planes of YUV 4:2:0 of `rows`, with their positions in it."""
        yield from self._batches(rows, "yuv420p")

    def _batches(self, rows: Rows, pixel_format: PixelFormat) -> Iterator[tuple[slice, Any]]:
        size = self.shape.decoded_width, self.shape.decoded_height
        index = self.decoder.video_index
        stated = index.width, index.height
        options: Any = {"width": size[0], "height": size[1]} if self.is_sized or size != stated else {}
        batches = self.decoder.batches(rows, self.max_bytes, pixel_format=pixel_format, **options)
        self._order = rows
        for part, frames in self.clock.items("decode", batches):
            index = self.decoder.video_index
            if (index.width, index.height) != stated:
                raise SizeMisstatedError
            self._handed_out = part.start
            if self.tone:
                with self.clock.phase("tone"):
                    self.tone.convert(frames)
            yield part, self._turned(frames)
        self._handed_out = len(rows)

    def _turned(self, frames: Any) -> Any:
        if not self.shape.rotation:
            return frames
        if isinstance(frames, Planes):
            return Planes(*(self._turned(plane) for plane in frames))
        return np.ascontiguousarray(np.rot90(frames, -self.shape.rotation // 90, axes=(1, 2)))
