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
_TICKS: Final = (0.0, 0.25, 0.5, 0.75, 1.0)  # shares of the axis that have a label
_PHASES: Final = {"open": ("open",), "decode": ("decode",), "write": ("write", "reduce", "combine")}


@dataclass(frozen=True)
class Bar:
    """A part as a bar in a lane. `phases`: the name of each, its start and its width."""

    lane: int
    x: float
    width: float
    phases: list[tuple[str, float, float]]
    title: str
    retried: bool
    failed: bool


@dataclass(frozen=True)
class Timeline:
    """Bars in a lane for each worker. `ticks`: place and label of each."""

    bars: list[Bar]
    lanes: int
    ticks: list[tuple[float, str]]

    @property
    def lane_px(self) -> int:
        """The height of a lane."""
        return next((px for lanes, px in ((12, 24), (24, 16), (48, 10)) if self.lanes <= lanes), 6)


def timeline(manifest: JobManifest) -> Timeline | None:
    """The timeline of all parts, or of the longest if they are too many to be drawn; None if nothing ran."""
    parts = manifest.timeline
    if not parts:
        return None
    if len(parts) > MAX_BARS or len(set(map(_worker, parts))) > MAX_LANES:
        parts = tuple(slowest_parts(parts, MAX_LANES))
    parts = tuple(sorted(parts, key=lambda part: (part.started, part.part)))
    start = min(part.started for part in manifest.timeline)
    seconds = max(1e-3, *(part.started + part.seconds - start for part in manifest.timeline))
    ticks = [(100 * share, duration(share * seconds) if share else "0") for share in _TICKS]
    lanes = {worker: lane for lane, worker in enumerate(dict.fromkeys(map(_worker, parts)))}
    return Timeline([_bar(part, lanes[_worker(part)], start, seconds) for part in parts], len(lanes), ticks)


def slowest_parts(parts: Iterable[TimelinePart], number: int) -> list[TimelinePart]:
    """The parts that took longest, the slowest first."""
    return sorted(parts, key=lambda part: (-part.seconds, part.part))[:number]


def _worker(part: TimelinePart) -> str:
    return part.worker or f"part {part.part}"


def _percent(seconds: float, whole: float) -> float:
    return round(100 * seconds / whole, 3)


def _phases(part: TimelinePart) -> list[tuple[str, float]]:
    """The seconds of each phase, in order; together no more than the part's own."""
    known = part.milliseconds
    phases = [(phase, sum(known.get(name, 0.0) for name in names) / 1000) for phase, names in _PHASES.items()]
    total = sum(seconds for _, seconds in phases)
    scale = min(1.0, part.seconds / total) if total else 0.0
    return [(phase, seconds * scale) for phase, seconds in phases]


def _bar(part: TimelinePart, lane: int, start: float, whole: float) -> Bar:
    at = part.started - start
    x, width, shown = _percent(at, whole), max(0.1, _percent(part.seconds, whole)), []
    facts = [f"Part {part.part:,}: {duration(part.seconds)}"]
    facts += [f"predicted {duration(part.predicted_seconds)}"] if part.predicted_seconds else []
    for phase, seconds in _phases(part):
        shown.append((phase, _percent(at, whole), _percent(seconds, whole)))
        facts.append(f"{phase} {duration(seconds)}")
        at += seconds
    facts += [count(part.frames, "frame"), count(part.pieces, "piece")]
    facts += [f"{count(part.failed, 'piece')} failed"] if part.failed else []
    facts += [f"attempt {part.attempts}"] if part.attempts > 1 else []
    facts += [f"by {shortened(visible(part.worker))}"] if part.worker else []
    return Bar(lane, x, width, shown, ", ".join(facts), part.attempts > 1, part.failed > 0)
