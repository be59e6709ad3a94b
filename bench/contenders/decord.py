"""decord2, the maintained fork of decord, with as many threads as it likes."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from typing import Any

import decord
import numpy as np
from numpy.typing import NDArray

from bench.contenders import Size

VERSION = importlib.metadata.version("decord2")


class Movie:
    """An opened and indexed video."""

    def __init__(self, path: str, size: Size | None, options: dict[str, Any]) -> None:
        width, height = size or (-1, -1)
        self._reader = decord.VideoReader(path, ctx=decord.cpu(0), num_threads=0, width=width, height=height, **options)

    def __len__(self) -> int:
        return len(self._reader)

    def frames(self, rows: Sequence[int]) -> list[NDArray[np.uint8]]:
        """One frame for each of `rows`, in any order: uint8 [H, W, 3] each."""
        ascending = sorted(set(rows))  # in another order it would decode most groups of pictures again and again
        frames = dict(zip(ascending, self._reader.get_batch(ascending).asnumpy(), strict=True))
        return [frames[row] for row in rows]

    def close(self) -> None:
        """Closes the file."""
        del self._reader
