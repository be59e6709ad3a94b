"""An index for tests that need no video."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass
class StandInIndex:
    """As much of an index as resolving rows needs."""

    frame_count: int
    rate: float = 24.0
    start_seconds: float = 0.0
    gop: int = 12

    @property
    def order(self) -> NDArray[np.uint32]:
        return np.arange(self.frame_count, dtype=np.uint32)[::-1].copy()

    @property
    def sync(self) -> NDArray[np.bool_]:
        return np.array([row % self.gop == 0 for row in reversed(range(self.frame_count))], dtype=np.bool_)

    def __len__(self) -> int:
        return self.frame_count

    def timestamps(self) -> NDArray[np.float64]:
        return self.start_seconds + np.arange(self.frame_count) / self.rate

    def fps(self) -> float:
        return self.rate
