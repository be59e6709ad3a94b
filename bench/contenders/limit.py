"""The limit: the least that a program over hwang's own libraries needs (bench/limit, in C++).

Options: `decoders` at work at the same time, `threads` of each. hwang's index says where the samples are. What is to be
decoded is known, and the memory for the frames is there, before the clock starts.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.contenders import HOME, Size
from hwang import index_video

VERSION = ""
ALIGNMENT = 64  # bytes
_LIBRARY = ctypes.CDLL(str(HOME / "limit.so"))
_LIBRARY.limit_frames.restype = ctypes.c_char_p


class Movie:
    """An opened and indexed video."""

    def __init__(self, path: str, size: Size | None, options: dict[str, Any]) -> None:
        self._index = index = index_video(path)
        self._file = Path(path).open("rb")  # noqa: SIM115 - closed by close
        self._size = size or (index.width, index.height)
        self._options = options
        columns = (index.sample_offset, index.sample_size, index.pts, index.sync)
        self._samples = np.stack([column.astype(np.int64) for column in columns], axis=1)
        self._syncs = np.flatnonzero(index.sync)
        self._syncs = self._syncs[np.argsort(index.pts[self._syncs], kind="stable")]
        self._pitch = (self._size[0] * self._size[1] * 3 // ALIGNMENT + 2) * ALIGNMENT  # whole vectors are written
        self._memory = np.zeros(0, np.uint8)

    def __len__(self) -> int:
        return len(self._index)

    def prepare(self, rows: Sequence[int]) -> None:
        """Plans the groups of pictures of `rows`, the longest first, and makes memory for the frames."""
        asked = self._index.order[list(rows)].astype(np.int64)
        pts, times = self._index.pts[asked], self._index.pts[self._syncs]
        starts = self._syncs[np.maximum(np.searchsorted(times, pts, "right") - 1, 0)]
        places = np.lexsort((pts, starts))
        found, first, count = np.unique(starts[places], return_index=True, return_counts=True)
        ends = np.maximum.reduceat(asked[places], first) + 1
        groups = np.stack([found, ends, first, first + count], axis=1)
        self._groups = groups[np.argsort(found - ends, kind="stable")]
        self._wanted = np.stack([pts[places], places], axis=1)
        if self._memory.size < self._pitch * len(rows) + ALIGNMENT:
            self._memory = np.ones(self._pitch * len(rows) + ALIGNMENT, np.uint8)

    def frames(self, rows: Sequence[int]) -> NDArray[np.uint8]:
        """One frame for each of the rows that were prepared: uint8 [N, H, W, 3], valid until the next call."""
        width, height = self._size
        start = -self._memory.ctypes.data % ALIGNMENT
        frames = self._memory[start : start + self._pitch * len(rows)].reshape(len(rows), self._pitch)
        codec, extradata = self._index.codec.encode(), self._index.extradata
        planned = [ctypes.c_void_p(table.ctypes.data) for table in (self._samples, self._wanted, self._groups)]
        output = ctypes.c_void_p(frames.ctypes.data), ctypes.c_int64(self._pitch), width, height
        how = self._options.get("decoders", 1), self._options.get("threads", 1)
        video = self._file.fileno(), codec, extradata, len(extradata)
        if problem := _LIBRARY.limit_frames(*video, *planned, len(self._groups), *output, *how):
            raise ValueError(problem.decode())
        return frames[:, : width * height * 3].reshape(len(rows), height, width, 3)

    def close(self) -> None:
        """Closes the file."""
        self._file.close()
