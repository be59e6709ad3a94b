"""OpenCV: a seek to each row, in ascending order, unless it is just ahead. Its frames stay BGR, as it likes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.contenders import Size

VERSION = cv2.__version__
NEAR = 16  # frames: up to here, going through them is cheaper than a seek


class Movie:
    """An opened and indexed video."""

    def __init__(self, path: str, size: Size | None, options: dict[str, Any]) -> None:  # noqa: ARG002 - has none
        self._capture = cv2.VideoCapture(path, cv2.CAP_FFMPEG)
        if not self._capture.isOpened():
            raise ValueError(f"{path} cannot be opened")
        self._size = size
        self._next = 0

    def __len__(self) -> int:
        return int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))

    def frames(self, rows: Sequence[int]) -> list[NDArray[np.uint8]]:
        """One frame for each of `rows`, in any order: uint8 [H, W, 3] each, BGR."""
        found: dict[int, NDArray[np.uint8]] = {}
        for row in sorted(set(rows)):
            if 0 <= row - self._next <= NEAR:
                for _ in range(row - self._next):
                    self._capture.grab()
            else:
                self._capture.set(cv2.CAP_PROP_POS_FRAMES, row)
            there, picture = self._capture.read()
            if not there:
                raise ValueError(f"row {row} cannot be read")
            found[row] = cv2.resize(picture, self._size) if self._size else picture
            self._next = row + 1
        return [found[row] for row in rows]

    def close(self) -> None:
        """Closes the file."""
        self._capture.release()
