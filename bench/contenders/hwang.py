"""hwang, with new memory for each answer, as the others."""

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

    def __init__(self, path: str, size: Size | None, options: dict[str, Any]) -> None:  # noqa: ARG002 - has none
        self._decoder = Decoder(path)
        self._arguments: dict[str, Any] = {"width": size[0], "height": size[1]} if size else {}

    def __len__(self) -> int:
        return len(self._decoder)

    def frames(self, rows: Sequence[int]) -> NDArray[np.uint8]:
        """One frame for each of `rows`, in any order: uint8 [N, H, W, 3]."""
        frames: NDArray[np.uint8] = self._decoder.frames(list(rows), **self._arguments)
        return frames

    def close(self) -> None:
        """Closes the decoder and its source."""
        self._decoder.close()
