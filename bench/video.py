"""A video to ask for frames of, and the number that each of its rows shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.barcode import Layout


@dataclass(frozen=True)
class Video:
    path: str  # or an http URL
    layout: Layout
    numbers: Sequence[int]  # by row

    def wrong(self, rows: Sequence[int], shown: Sequence[int | None]) -> int:
        """How many of the frames returned for `rows` are not the ones asked for."""
        return sum(self.numbers[row] != number for row, number in zip(rows, shown, strict=True))
