"""The timeline of a job: its parts and their phases as shapes on a time axis.

Sideways everything is a percentage of the width, so that the picture fits any screen while its letters keep their size.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from function.models.job_files import JobManifest, TimelinePart
from function.report.formatting import count, duration, shortened, visible

MAX_LANES: Final = 120
MAX_BARS: Final = 600
SLOWEST: Final = 12
_TICKS: Final = (0.0, 0.25, 0.5, 0.75, 1.0)  # shares of the axis that have a label


@dataclass(frozen=True)
class Bar:
    """A part as a bar in a lane. `phases`: the name of each, its start and its width."""

    lane: int
    x: float
    width: float
    phases: list[tuple[str, float, float]]
    label: str
    title: str
    retried: bool
    failed: bool

    @property
    def label_x(self) -> float:
        """The start of decoding, where there is room for the label."""
        return next((x for phase, x, _ in self.phases if phase == "decode"), self.x)


@dataclass(frozen=True)
class Timeline:
    """Bars in a lane for each worker; or, of too many, the slowest of them, each in a lane of its own.

    `ticks`: place and label of each.
    """

    bars: list[Bar]
    lanes: int
    ticks: list[tuple[float, str]]
    slowest_only: bool = False

    @property
    def lane_px(self) -> int:
        """The height of a lane."""
        if self.slowest_only:
            return 30
        return next((px for lanes, px in ((12, 24), (24, 16), (48, 10)) if self.lanes <= lanes), 6)


def timeline(manifest: JobManifest) -> Timeline | None:
    """The timeline; None if nothing ran."""
    parts = sorted(manifest.timeline, key=lambda part: (part.started, part.part))
    if not parts:
        return None
    start = parts[0].started
    seconds = max(1e-3, *(part.started + part.seconds - start for part in parts))
    ticks = [(100 * share, duration(share * seconds) if share else "0") for share in _TICKS]
    workers = dict.fromkeys(part.worker or f"part {part.part}" for part in parts)
    if len(parts) <= MAX_BARS and len(workers) <= MAX_LANES:
        lanes = {worker: lane for lane, worker in enumerate(workers)}
        bars = [
            _bar(part, lanes[part.worker or f"part {part.part}"], start, seconds, f"{part.part:,}") for part in parts
        ]
        return Timeline(bars, len(lanes), ticks)
    slowest = sorted(slowest_parts(parts, SLOWEST), key=lambda part: (part.started, part.part))
    bars = [
        _bar(part, lane, start, seconds, f"part {part.part:,}, {duration(part.seconds)}")
        for lane, part in enumerate(slowest)
    ]
    return Timeline(bars, len(bars), ticks, slowest_only=True)


def slowest_parts(parts: Iterable[TimelinePart], number: int) -> list[TimelinePart]:
    """The parts that took longest, the slowest first."""
    return sorted(parts, key=lambda part: (-part.seconds, part.part))[:number]


def _percent(seconds: float, whole: float) -> float:
    return round(100 * seconds / whole, 3)


def _phases(part: TimelinePart) -> list[tuple[str, float]]:
    """The seconds of each phase, in order, which add up to the part's own."""
    known = part.milliseconds
    sources = {"open": ("open",), "decode": ("decode",), "write": ("write", "reduce", "combine")}
    phases = {phase: sum(known.get(name, 0.0) for name in names) / 1000 for phase, names in sources.items()}
    total = sum(phases.values())
    scale = min(1.0, part.seconds / total) if total else 0.0
    scaled = [(phase, seconds * scale) for phase, seconds in phases.items()]
    return [*scaled, ("other", max(0.0, part.seconds - total * scale))]


def _bar(part: TimelinePart, lane: int, start: float, whole: float, label: str) -> Bar:
    at = part.started - start
    x, width, shown = _percent(at, whole), max(0.1, _percent(part.seconds, whole)), []
    facts = [f"Part {part.part:,}: {duration(part.seconds)}"]
    facts += [f"predicted {duration(part.predicted_seconds)}"] if part.predicted_seconds else []
    for phase, seconds in _phases(part):
        if seconds > whole * 1e-4:
            shown.append((phase, _percent(at, whole), _percent(seconds, whole)))
        facts += [f"{phase} {duration(seconds)}"] if seconds >= 0.001 else []
        at += seconds
    facts += [count(part.frames, "frame"), count(part.pieces, "piece")]
    facts += [f"{count(part.failed, 'piece')} failed"] if part.failed else []
    facts += [f"attempt {part.attempts}"] if part.attempts > 1 else []
    facts += [f"by {shortened(visible(part.worker))}"] if part.worker else []
    return Bar(lane, x, width, shown, label, ", ".join(facts), part.attempts > 1, part.failed > 0)
