"""Medians of records and their ratios."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from bench.record import Record

T = TypeVar("T")
Figure = Literal["wall", "cpu"]
Cell = tuple[str, str]  # clip, workload


@dataclass(frozen=True)
class Median:
    """Of one contestant in one cell, over the rounds of its fastest variant."""

    wall: float
    cpu: float
    rounds: int
    variant: str


def rotated(items: Sequence[T], by: int) -> list[T]:
    """The items, beginning with another one each time."""
    start = by % len(items) if items else 0
    return [*items[start:], *items[:start]]


def medians(records: Iterable[Record], kind: str = "warm") -> dict[Cell, dict[str, Median]]:
    """By cell and contestant. Failed runs are left out; a variant is judged by the time on the clock."""
    walls: dict[tuple[Cell, str], dict[str, list[Record]]] = defaultdict(lambda: defaultdict(list))
    for record in records:
        if record.kind == kind and not record.error:
            walls[(record.clip, record.workload), record.contestant][record.variant].append(record)
    found: dict[Cell, dict[str, Median]] = defaultdict(dict)
    for (cell, contestant), variants in walls.items():
        candidates = [
            Median(
                statistics.median(record.wall for record in runs),
                statistics.median(record.cpu for record in runs),
                len(runs),
                variant,
            )
            for variant, runs in variants.items()
        ]
        rounds = max(candidate.rounds for candidate in candidates)
        found[cell][contestant] = min(
            (candidate for candidate in candidates if candidate.rounds == rounds), key=lambda median: median.wall
        )
    return dict(found)


def best(cell: dict[str, Median], names: Iterable[str], figure: Figure = "wall") -> tuple[str, float] | None:
    """Who of these contestants needs least, and how much; None if none of them answered."""
    there = [(name, float(getattr(cell[name], figure))) for name in names if name in cell]
    return min(there, key=lambda item: item[1]) if there else None


def ratio(
    cell: dict[str, Median], names: Iterable[str], others: Iterable[str], figure: Figure = "wall"
) -> float | None:
    """What the best of `names` needs, in units of what the best of `others` needs."""
    ours, theirs = best(cell, names, figure), best(cell, others, figure)
    return ours[1] / theirs[1] if ours and theirs and theirs[1] else None
