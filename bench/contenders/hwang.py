"""hwang. Option `out`: decode into the same array every time."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.contenders import Size
from hwang import Decoder

VERSION = importlib.metadata.version("hwang")


class Movie:
    """An opened and indexed video."""

    def __init__(self, path: str, size: Size | None, options: dict[str, Any]) -> None:
        self._decoder = Decoder(path)
        index = self._decoder.video_index
        self._arguments: dict[str, Any] = {"width": size[0], "height": size[1]} if size else {}
        self._shape = (*(size or (index.width, index.height))[::-1], 3)
        self._reuse = bool(options.get("out"))

    def __len__(self) -> int:
        return len(self._decoder)

    def reserve(self, count: int) -> None:
        """Makes the array that `count` frames go into."""
        if self._reuse and ("out" not in self._arguments or len(self._arguments["out"]) != count):
            self._arguments["out"] = np.ones((count, *self._shape), np.uint8)

    def frames(self, rows: Sequence[int]) -> NDArray[np.uint8]:
        """One frame for each of `rows`, in any order: uint8 [N, H, W, 3]."""
        self.reserve(len(rows))
        frames: NDArray[np.uint8] = self._decoder.frames(list(rows), **self._arguments)
        return frames

    def close(self) -> None:
        """Closes the decoder and its source."""
        self._decoder.close()
