"""Layout of the pictures of a request: pixel format, size, and the arrays that hold them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from hwang.errors import LimitExceededError

if TYPE_CHECKING:
    from hwang import _core

PixelFormat = Literal["rgb24", "bgr24", "gray8", "rgb48", "yuv420p"]
"""rgb24, bgr24: uint8 [N, H, W, 3]; rgb48: uint16 [N, H, W, 3]; gray8: uint8 [N, H, W]; yuv420p: Planes."""

Axes = Literal["NHWC", "NCHW"]
"""NHWC: the channels of a pixel side by side; NCHW: each channel a picture of its own."""

MAX_SIDE = 16_384
"""Limit in pixels of the width and height of pictures, decoded or returned."""

_ALIGNMENT = 64  # bytes: the widest vector that the conversion writes
_CHANNELS = {"rgb24": (3,), "bgr24": (3,), "gray8": (), "rgb48": (3,)}


class Planes(NamedTuple):
    """YUV 4:2:0 with the matrix and range of the video: uint8 [N, H, W] and twice [N, ceil(H/2), ceil(W/2)]."""

    y: NDArray[np.uint8]
    u: NDArray[np.uint8]
    v: NDArray[np.uint8]


Arrays = NDArray[Any] | Planes
AnyArrays = Arrays | list[Arrays]
"""Pictures in one layout, or the same pictures in several."""


@dataclass(frozen=True, slots=True)
class PictureLayout:
    """Pixel format, size and arrangement of the pictures that a request returns."""

    pixel_format: PixelFormat
    width: int  # pixels, before the turn
    height: int
    any_size: bool = False  # pictures of another size than the video's are scaled as well, as the size is asked for
    turn: int = 0  # degrees clockwise: 0, 90, 180, 270
    axes: Axes = "NHWC"

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shapes of one picture's array, or of its three planes."""
        sides = _turned((self.height, self.width), self.turn)
        if self.pixel_format == "yuv420p":
            chroma = ((sides[0] + 1) // 2, (sides[1] + 1) // 2)
            return sides, chroma, chroma
        channels = _CHANNELS[self.pixel_format]
        return ((*(channels or (1,)), *sides) if self.axes == "NCHW" else (*sides, *channels),)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Data type of the arrays."""
        return np.dtype(np.uint16 if self.pixel_format == "rgb48" else np.uint8)

    @property
    def picture_bytes(self) -> int:
        """Bytes of one picture."""
        return sum(self._plane_bytes())

    def _plane_bytes(self) -> list[int]:
        return [int(np.prod(shape)) * self.dtype.itemsize for shape in self.shapes]

    def core(self) -> _core.Layout:
        """Return the layout in the core's terms."""
        from hwang import _core  # sizes are available without it

        pixel_format, is_planar = getattr(_core.PixelFormat, self.pixel_format), self.axes == "NCHW"
        return _core.Layout(pixel_format, self.width, self.height, self.any_size, self.turn, is_planar)

    def empty(self, count: int, page_pool: _core.PagePool) -> Arrays:
        """Return uninitialized arrays for `count` pictures.

        Raises LimitExceededError for more than the machine's memory.
        """
        sizes = [-(-count * size // _ALIGNMENT) * _ALIGNMENT for size in self._plane_bytes()]
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        if sum(sizes) > memory:
            raise LimitExceededError(
                f"{count} pictures need {sum(sizes)} bytes, this machine has {memory}: ask for fewer or smaller ones, "
                "or take them one after another with iter_frames()"
            )
        block, planes, start = page_pool.take(sum(sizes)), [], 0
        for size, plane_bytes, shape in zip(sizes, self._plane_bytes(), self.shapes, strict=True):
            plane = block[start : start + count * plane_bytes].view(self.dtype)
            planes.append(plane.reshape(count, *shape))
            start += size
        return Planes(*planes) if len(planes) > 1 else planes[0]

    def check(self, name: str, pictures: Arrays, count: int) -> None:
        """Raise ValueError unless the arrays are C-contiguous and writable, for `count` pictures."""
        arrays = planes_of(pictures)
        for array in arrays:
            if not isinstance(array, np.ndarray) or not array.flags.c_contiguous or not array.flags.writeable:
                raise ValueError(f"{name} must be C-contiguous, writable numpy arrays")
        self.check_shape(name, arrays, count)

    def check_shape(self, name: str, arrays: Sequence[NDArray[Any]], count: int) -> None:
        """Raise ValueError unless the arrays have the shape and dtype of `count` pictures."""
        expected = [(count, *shape) for shape in self.shapes]
        found = [array.shape for array in arrays]
        if found != expected or any(array.dtype != self.dtype for array in arrays):
            dtypes = [str(array.dtype) for array in arrays]
            raise ValueError(f"{name} must be {self.dtype} of shape {expected}, not {dtypes} of shape {found}")

    def bytes_of(self, pictures: AnyArrays) -> list[NDArray[np.uint8]]:
        """Return the arrays in the core's shape: uint8 [count, bytes of the plane], sharing memory."""
        return [
            plane.view(np.uint8).reshape(len(plane), size)
            for plane, size in zip(planes_of(pictures), self._plane_bytes(), strict=True)
        ]


@dataclass(frozen=True, slots=True)
class PictureLayouts:
    """Several layouts of the same pictures, each of which is converted to all of them."""

    layouts: tuple[PictureLayout, ...]

    @property
    def any_size(self) -> bool:
        """True if pictures of another size than the video's fit all of the layouts."""
        return all(layout.any_size for layout in self.layouts)

    @property
    def picture_bytes(self) -> int:
        """Bytes of one picture in all layouts together."""
        return sum(layout.picture_bytes for layout in self.layouts)

    def core(self) -> list[_core.Layout]:
        """Return the layouts in the core's terms."""
        return [layout.core() for layout in self.layouts]

    def empty(self, count: int, page_pool: _core.PagePool) -> list[Arrays]:
        """Return uninitialized arrays for `count` pictures in each layout. Raises LimitExceededError."""
        return [layout.empty(count, page_pool) for layout in self.layouts]

    def bytes_of(self, pictures: AnyArrays) -> list[NDArray[np.uint8]]:
        """Return the arrays of all layouts in the core's shape: uint8 [count, bytes of the plane], sharing memory."""
        assert isinstance(pictures, list)
        pairs = zip(self.layouts, pictures, strict=True)
        return [plane for layout, arrays in pairs for plane in layout.bytes_of(arrays)]


AnyLayout = PictureLayout | PictureLayouts


def planes_of(pictures: AnyArrays) -> tuple[NDArray[Any], ...]:
    """Return the planes, or the only array."""
    if isinstance(pictures, list):
        return tuple(plane for arrays in pictures for plane in planes_of(arrays))
    return tuple(pictures) if isinstance(pictures, Planes) else (pictures,)


@overload
def part_of(pictures: Arrays, part: slice | int) -> Arrays: ...
@overload
def part_of(pictures: AnyArrays, part: slice | int) -> AnyArrays: ...
def part_of(pictures: AnyArrays, part: slice | int) -> AnyArrays:
    """Return some of the pictures, or one, sharing memory."""
    if isinstance(pictures, list):
        return [part_of(arrays, part) for arrays in pictures]
    return Planes(*(plane[part] for plane in pictures)) if isinstance(pictures, Planes) else pictures[part]


def picture_layout(
    video_size: tuple[int, int],
    width: int | None,
    height: int | None,
    max_side: int | None,
    pixel_format: str,
    *,
    turn: int = 0,
    axes: str = "NHWC",
) -> PictureLayout:
    """Return the layout of a request for a video of (width, height) pixels.

    turn: degrees clockwise; the sizes asked for are those of the turned picture.
    If only one of `width` and `height` is given, the other follows from the aspect ratio; `max_side` shrinks larger
    pictures only. Raises ValueError.
    """
    if pixel_format not in (*_CHANNELS, "yuv420p"):
        known = ", ".join((*_CHANNELS, "yuv420p"))
        raise ValueError(f"pixel_format {pixel_format!r} is not known; there are {known}")
    for name, value in (("width", width), ("height", height), ("max_side", max_side)):
        if value is not None and not (isinstance(value, int) and 1 <= value <= MAX_SIDE):
            raise ValueError(f"{name} must be a number of pixels from 1 to {MAX_SIDE}, not {value!r}")
    if max_side is not None and (width is not None or height is not None):
        raise ValueError("give max_side, or width and height, not both")
    if axes not in ("NHWC", "NCHW"):
        raise ValueError(f"layout {axes!r} is not known; there are NHWC and NCHW")
    if axes == "NCHW" and pixel_format == "yuv420p":
        raise ValueError("yuv420p has planes instead of channels: layout must be NHWC")
    full_width, full_height = _turned(video_size, turn)
    any_size = not (width is None and height is None and max_side is None)
    if max_side is not None:
        scale = min(1.0, max_side / max(video_size))
        width, height = round(full_width * scale), round(full_height * scale)
    elif width is not None and height is None:
        height = round(full_height * width / full_width)
    elif height is not None and width is None:
        width = round(full_width * height / full_height)
    size = (max(1, width or full_width), max(1, height or full_height))
    if max(size) > MAX_SIDE:
        raise ValueError(f"pictures of {size[0]}x{size[1]} pixels; at most {MAX_SIDE} on either side are possible")
    return PictureLayout(pixel_format, *_turned(size, turn), any_size, turn, axes)  # type: ignore[arg-type]


def _turned(sides: tuple[int, int], turn: int) -> tuple[int, int]:
    return sides[::-1] if turn % 180 else sides


def check_picture_size(width: int, height: int, max_pixels: int) -> None:
    """Raise LimitExceededError for pictures that are larger than allowed."""
    if width * height > max_pixels or max(width, height) > MAX_SIDE:
        raise LimitExceededError(
            f"pictures of {width}x{height} pixels; at most {max_pixels} pixels, and {MAX_SIDE} on a side, are decoded: "
            "the header is damaged, or give max_pixels"
        )
