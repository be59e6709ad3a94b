"""How well the cut into parts of equal cost has come out: predicted against worked seconds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, pstdev
from typing import Final

from function.report.manifest import Manifest, Part
from function.report.wording import duration, tick, time_steps

MOST_POINTS: Final = 500
_CELLS: Final = (96, 64)  # across and up, where points are counted
_TICKS: Final = 4
_LEVELS: Final = 4
_FEW: Final = 100
_WORDS: Final = ((0.15, "even"), (0.3, "fairly even"), (0.6, "uneven"))


@dataclass(frozen=True)
class Point:
    """Percent of the width and, from above, of the height. `level`, 1 to 4, tells how many parts it stands for."""

    x: float
    y: float
    level: int
    title: str


@dataclass(frozen=True)
class Mark:
    at: float
    label: str


@dataclass(frozen=True)
class Spread:
    """Both axes have one scale."""

    points: tuple[Point, ...]
    marks: tuple[Mark, ...]
    text: str

    @property
    def radius_px(self) -> float:
        return 4 if len(self.points) <= _FEW else 2.5


def spread(manifest: Manifest) -> Spread | None:
    """None where there is nothing to compare: fewer than two parts, or none with a prediction."""
    parts = [part for part in manifest.timeline if part.predicted_seconds]
    if len(parts) < 2:
        return None
    longest = max(max(part.predicted_seconds, part.worked_seconds) for part in parts) * 1.05
    places = time_steps(longest, _TICKS)
    step = places[1] if len(places) > 1 else longest
    marks = tuple(Mark(_percent(place, longest), tick(place, step)) for place in places[1:])
    return Spread(_points(parts, longest), marks, in_words(parts))


def in_words(parts: Sequence[Part]) -> str:
    worked = [part.worked_seconds for part in parts]
    mean, predicted = fmean(worked), sum(part.predicted_seconds for part in parts)
    variation = pstdev(worked) / mean if mean else 0.0
    word = next((word for most, word in _WORDS if variation <= most), "very uneven")
    return (
        f"A part worked {duration(mean)} on average, {duration(min(worked))} to {duration(max(worked))}: {word}, with "
        f"a coefficient of variation of {variation:.2f}. Together they took {sum(worked) / predicted:.2f} of what was "
        "predicted."
    )


def _points(parts: Sequence[Part], longest: float) -> tuple[Point, ...]:
    if len(parts) <= MOST_POINTS:
        return tuple(
            Point(
                _percent(part.predicted_seconds, longest),
                100 - _percent(part.worked_seconds, longest),
                _LEVELS if len(parts) <= _FEW else 2,
                f"Part {part.part:,}: predicted {duration(part.predicted_seconds)}, "
                f"worked {duration(part.worked_seconds)}",
            )
            for part in sorted(parts, key=lambda part: part.part)
        )
    across, up = _CELLS
    cells = Counter(
        (int(part.predicted_seconds / longest * across), int(part.worked_seconds / longest * up)) for part in parts
    )
    most = max(cells.values())
    return tuple(
        Point(
            round(100 * (x + 0.5) / across, 2),
            round(100 - 100 * (y + 0.5) / up, 2),
            1 + int((_LEVELS - 1) * (number / most) ** 0.5),
            f"{number:,} parts" if number > 1 else "1 part",
        )
        for (x, y), number in sorted(cells.items())
    )


def _percent(seconds: float, longest: float) -> float:
    return round(100 * seconds / longest, 2)
