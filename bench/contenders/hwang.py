"""hwang. Options: `out` to decode into the same array every time."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.contenders.base import Size
from hwang import Decoder
from hwang.source import RangeSource

VERSION = importlib.metadata.version("hwang")


class Movie:
    def __init__(self, path: str, size: Size | None, options: dict[str, Any]) -> None:
        self._decoder = Decoder(_over_http(path) if path.startswith("http:") else path)
        self._scale = {"width": size[0], "height": size[1]} if size else {}
        self._reuse = bool(options.get("out"))
        self._out: NDArray[np.uint8] | None = None
        index = self._decoder.video_index
        self._shape = (*(size or (index.width, index.height))[::-1], 3)

    def __len__(self) -> int:
        return len(self._decoder)

    def frames(self, rows: Sequence[int]) -> NDArray[np.uint8]:
        arguments: dict[str, Any] = dict(self._scale)
        if self._reuse:
            shape = (len(rows), *self._shape)
            if self._out is None or self._out.shape != shape:
                self._out = np.zeros(shape, np.uint8)
            arguments["out"] = self._out
        frames: NDArray[np.uint8] = self._decoder.frames(list(rows), **arguments)
        return frames

    def close(self) -> None:
        self._decoder.close()


def _over_http(url: str) -> RangeSource:
    from bench.rangesource import HttpSource  # not what importing hwang costs

    return HttpSource(url)
