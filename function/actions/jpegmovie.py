"""Writes a QuickTime movie of JPEG pictures without FFmpeg, for the self-test of a build that cannot encode."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_QUALITY = 95
_MATRIX = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)


def jpeg_movie(pictures: Sequence[NDArray[np.uint8]], fps: int = 25) -> bytes:
    """The movie's bytes. `pictures` are luma, uint8 [H, W], all of one size; the color is gray."""
    height, width = pictures[0].shape
    samples = [_jpeg(picture) for picture in pictures]
    count = len(samples)
    depth = struct.pack(">H32xHh", 1, 24, -1)
    entry = bytes(6) + struct.pack(">H16x2H3I", 1, width, height, 72 << 16, 72 << 16, 0) + depth
    file_type = _box(b"ftyp", b"qt  ", _u32(0), b"qt  ")
    tables = (
        _full(b"stsd", _u32(1), _box(b"jpeg", entry)),
        _full(b"stts", _u32(1, count, 1)),
        _full(b"stsc", _u32(1, 1, count, 1)),
        _full(b"stsz", _u32(0, count, *map(len, samples))),
        _full(b"stco", _u32(1, len(file_type) + 8)),  # the first sample is the first of mdat
    )
    data_here = _box(b"dinf", _full(b"dref", _u32(1), _full(b"url ", flags=1)))
    media = _box(
        b"mdia",
        _full(b"mdhd", _u32(0, 0, fps, count), struct.pack(">2H", 0x55C4, 0)),
        _full(b"hdlr", bytes(4), b"vide", bytes(13)),
        _box(b"minf", _full(b"vmhd", bytes(8), flags=1), data_here, _box(b"stbl", *tables)),
    )
    shown = _u32(0, 0, 1, 0, count), bytes(16), _MATRIX, _u32(width << 16, height << 16)
    movie = _u32(0, 0, fps, count, 0x10000, 0x1000000), bytes(8), _MATRIX, bytes(24), _u32(2)
    track = _box(b"trak", _full(b"tkhd", *shown, flags=3), media)
    return file_type + _box(b"mdat", *samples) + _box(b"moov", _full(b"mvhd", *movie), track)


def _jpeg(luma: NDArray[np.uint8]) -> bytes:
    from PIL import Image

    brightness = Image.fromarray(luma)
    gray = Image.new("L", brightness.size, 128)
    file = io.BytesIO()
    Image.merge("YCbCr", (brightness, gray, gray)).save(file, "JPEG", quality=_QUALITY)
    return file.getvalue()


def _box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def _full(kind: bytes, *parts: bytes, flags: int = 0) -> bytes:
    return _box(kind, _u32(flags), *parts)


def _u32(*numbers: int) -> bytes:
    return struct.pack(f">{len(numbers)}I", *numbers)
