"""What a contender is asked to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.uint8] | list[NDArray[np.uint8]]  # uint8 [N, H, W, 3], or N of [H, W, 3]
Size = tuple[int, int]  # width, height


class Movie(Protocol):
    """An opened and indexed video."""

    def __init__(self, path: str, size: Size | None, options: dict[str, Any]) -> None:
        """path: of a file, or an http URL. size: of the output, if not the video's own."""

    def __len__(self) -> int: ...

    def frames(self, rows: Sequence[int]) -> Frames:
        """One frame for each of `rows`, in any order."""
        ...

    def close(self) -> None: ...
