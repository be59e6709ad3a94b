"""A video whose every frame shows a number: the truth that the contenders are held to.

The number is drawn so that it survives coding, conversion and scaling: squares along the top left, white for 1, lowest
bit first, with their complement below. All lengths are parts of the frame's own width and height, so that a scaled
frame is read like the original.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

CONTRAST = 0.35  # least difference, of 1, between a square and its complement: less is a blended or damaged frame


@dataclass(frozen=True)
class Layout:
    """Layout of the squares: `bits` of them, of which `across` would fit side by side and `down` below each other."""

    bits: int
    across: float
    down: float

    def strip_size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height in pixels of the drawn squares on a frame of this size."""
        return round(self.bits * width / self.across), round(2 * height / self.down)

    def patterns(self, count: int) -> NDArray[np.uint8]:
        """The squares of the numbers below `count`, a pixel each: uint8 [count, 2, bits]."""
        bits = (np.arange(count)[:, None] >> np.arange(self.bits) & 1).astype(np.uint8) * 255
        return np.stack([bits, 255 - bits], axis=1)

    def read(self, frame: NDArray[Any]) -> int | None:
        """The number drawn into a uint8 [H, W, 3] frame, whichever way up; None if no clean one is there."""
        for turns in range(4):
            number = self._read_upright(np.rot90(frame, turns))
            if number is not None:
                return number
        return None

    def _read_upright(self, frame: NDArray[Any]) -> int | None:
        height, width = frame.shape[:2]
        x = ((np.arange(self.bits) + 0.5) * width / self.across).astype(int)
        y = (np.array([0.5, 1.5]) * height / self.down).astype(int)
        if x[-1] >= width or y[-1] >= height:
            return None
        direct, complement = frame[y[:, None], x[None, :]].astype(float).mean(axis=2) / 255
        if np.abs(direct - complement).min() < CONTRAST:
            return None
        return int(((direct > complement) << np.arange(self.bits)).sum())


TIMING = Layout(bits=16, across=80, down=45)  # squares of 16 px on 1280x720, of 24 px on 1920x1080


@dataclass(frozen=True)
class Video:
    """A file, or an http URL, and the number that each of its rows shows."""

    path: str
    layout: Layout
    numbers: Sequence[int]  # by row

    def wrong(self, rows: Sequence[int], shown: Sequence[int | None]) -> int:
        """The number of frames returned for `rows` that are not the ones asked for."""
        return sum(self.numbers[row] != number for row, number in zip(rows, shown, strict=True))
