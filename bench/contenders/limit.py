"""The limit: the least that a program over hwang's own libraries needs (bench/limit, in C++).

Options: `decoders` at work at the same time, `threads` of each. Frames go into the same memory every time.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.contenders import HOME, Size

VERSION = ""
ALIGNMENT = 64  # bytes
_LIBRARY = ctypes.CDLL(str(HOME / "limit.so"))
_LIBRARY.limit_open.restype = ctypes.c_void_p
_LIBRARY.limit_error.restype = ctypes.c_char_p
_LIBRARY.limit_bytes.restype = ctypes.c_int64
_LIBRARY.limit_close.restype = None


class Movie:
    """An opened and indexed video."""

    def __init__(self, path: str, size: Size | None, options: dict[str, Any]) -> None:
        shape = (ctypes.c_int * 3)()
        self._movie = ctypes.c_void_p(_LIBRARY.limit_open(path.encode(), shape))
        if not self._movie:
            raise _error()
        self._frames, width, height = shape
        self._size = size or (width, height)
        self._options = options
        self._pitch = (self._size[0] * self._size[1] * 3 // ALIGNMENT + 2) * ALIGNMENT  # whole vectors are written
        self._memory = np.zeros(0, np.uint8)

    def __len__(self) -> int:
        return int(self._frames)

    def reserve(self, count: int) -> None:
        """Makes the memory that `count` frames go into, each at a multiple of ALIGNMENT."""
        if self._memory.size < self._pitch * count + ALIGNMENT:
            self._memory = np.ones(self._pitch * count + ALIGNMENT, np.uint8)

    def frames(self, rows: Sequence[int]) -> NDArray[np.uint8]:
        """One frame for each of `rows`, in any order: uint8 [N, H, W, 3], valid until the next call."""
        self.reserve(len(rows))
        width, height = self._size
        start = -self._memory.ctypes.data % ALIGNMENT
        frames = self._memory[start : start + self._pitch * len(rows)].reshape(len(rows), self._pitch)
        out, pitch = ctypes.c_void_p(frames.ctypes.data), ctypes.c_int64(self._pitch)
        decoders, threads = self._options.get("decoders", 1), self._options.get("threads", 1)
        if _LIBRARY.limit_frames(self._movie, *_array(rows), out, pitch, width, height, decoders, threads):
            raise _error()
        return frames[:, : width * height * 3].reshape(len(rows), height, width, 3)

    def needed_bytes(self, rows: Sequence[int]) -> int:
        """The bytes of every group of pictures that `rows` need, up to its last row."""
        return int(_LIBRARY.limit_bytes(self._movie, *_array(rows)))

    def close(self) -> None:
        """Closes the file and the decoders."""
        _LIBRARY.limit_close(self._movie)


def _array(rows: Sequence[int]) -> tuple[Any, int]:
    return (ctypes.c_int * len(rows))(*rows), len(rows)


def _error() -> ValueError:
    return ValueError(_LIBRARY.limit_error().decode())
