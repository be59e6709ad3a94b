"""When each part ran and what it did then, as shapes on a time axis.

Sideways everything is a percentage of the width, so that the picture fits any screen while its letters keep their size.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from function.report.manifest import Manifest, Part
from function.report.wording import count, duration, shortened, tick, time_steps, visible

MOST_LANES: Final = 120
MOST_BARS: Final = 600
SLOWEST: Final = 12
PHASES: Final = ("open", "decode", "write", "other")
_BINS: Final = 240
_CURVE_HEIGHT: Final = 1000  # units of the curve's own coordinates, as is its width
_TICKS: Final = 6


@dataclass(frozen=True)
class Segment:
    """A phase, percent of the width."""

    phase: str
    x: float
    width: float


@dataclass(frozen=True)
class Bar:
    """A part: in which lane, its phases, and what is noteworthy about it."""

    lane: int
    x: float
    width: float
    segments: tuple[Segment, ...]
    label: str
    title: str
    retried: bool
    failed: bool

    @property
    def label_x(self) -> float:
        """Where there is room in it: where decoding begins."""
        return next((segment.x for segment in self.segments if segment.phase == "decode"), self.x)


@dataclass(frozen=True)
class Tick:
    x: float
    label: str


@dataclass(frozen=True)
class Layer:
    """How many parts are in this phase, over time: an area on those below it, as a path's data."""

    phase: str
    path: str


@dataclass(frozen=True)
class Timeline:
    """Bars in a lane for each worker; or, of too many, how many ran at a time (`layers`) and the slowest of them."""

    bars: tuple[Bar, ...]
    lanes: int
    ticks: tuple[Tick, ...]
    layers: tuple[Layer, ...] = ()
    peak: float = 0

    @property
    def is_summed(self) -> bool:
        return bool(self.layers)

    @property
    def lane_px(self) -> int:
        if self.is_summed:
            return 30
        return next((px for most, px in ((12, 24), (24, 16), (48, 10)) if self.lanes <= most), 6)

    @cached_property
    def phases(self) -> tuple[str, ...]:
        """Those that are to be seen."""
        seen = {segment.phase for bar in self.bars for segment in bar.segments} | {layer.phase for layer in self.layers}
        return tuple(phase for phase in PHASES if phase in seen)


def timeline(manifest: Manifest) -> Timeline | None:
    """None if nothing ran."""
    parts = sorted(manifest.timeline, key=lambda part: (part.started, part.part))
    if not parts:
        return None
    axis = _Axis(parts[0].started, max(part.started + part.seconds for part in parts))
    workers = list(dict.fromkeys(_worker(part) for part in parts))
    if len(parts) <= MOST_BARS and len(workers) <= MOST_LANES:
        lanes = {worker: lane for lane, worker in enumerate(workers)}
        bars = tuple(_bar(part, lanes[_worker(part)], axis, f"{part.part:,}") for part in parts)
        return Timeline(bars, len(workers), axis.ticks)
    slowest = sorted(slowest_parts(parts, SLOWEST), key=lambda part: (part.started, part.part))
    labels = [f"part {part.part:,}, {duration(part.seconds)}" for part in slowest]
    bars = tuple(_bar(part, lane, axis, labels[lane]) for lane, part in enumerate(slowest))
    layers, peak = _running(parts, axis)
    return Timeline(bars, len(bars), axis.ticks, layers, peak)


def slowest_parts(parts: Iterable[Part], most: int) -> list[Part]:
    return sorted(parts, key=lambda part: (-part.seconds, part.part))[:most]


@dataclass(frozen=True)
class _Axis:
    start: float
    end: float

    @property
    def seconds(self) -> float:
        return max(self.end - self.start, 1e-3)

    def percent(self, seconds: float) -> float:
        """Of a length of time."""
        return round(100 * seconds / self.seconds, 3)

    @property
    def ticks(self) -> tuple[Tick, ...]:
        places = time_steps(self.seconds, _TICKS)
        step = places[1] if len(places) > 1 else self.seconds
        return tuple(Tick(self.percent(place), tick(place, step)) for place in places)


def _worker(part: Part) -> str:
    return part.worker or f"part {part.part}"


def _phases(part: Part) -> list[tuple[str, float]]:
    """Seconds of each phase, in order, adding up to the part's own."""
    known = {name: milliseconds / 1000 for name, milliseconds in part.milliseconds.items() if name != "total"}
    grouped = {
        "open": known.pop("open", 0.0),
        "decode": known.pop("decode", 0.0),
        "write": sum(known.pop(name, 0.0) for name in ("write", "reduce", "combine")),
    }
    total = sum(grouped.values())
    scale = min(1.0, part.seconds / total) if total else 0.0
    scaled = [(name, seconds * scale) for name, seconds in grouped.items()]
    return [*scaled, ("other", max(0.0, part.seconds - total * scale))]


def _bar(part: Part, lane: int, axis: _Axis, label: str) -> Bar:
    segments, at = [], part.started - axis.start
    for phase, seconds in _phases(part):
        if seconds > axis.seconds * 1e-4:
            segments.append(Segment(phase, axis.percent(at), axis.percent(seconds)))
        at += seconds
    told = [f"Part {part.part:,}: {duration(part.seconds)}"]
    if part.predicted_seconds:
        told.append(f"predicted {duration(part.predicted_seconds)}")
    told += [f"{phase} {duration(seconds)}" for phase, seconds in _phases(part) if seconds >= 0.001]
    told += [count(part.frames, "frame"), count(part.pieces, "piece")]
    if part.failed:
        told.append(f"{count(part.failed, 'piece')} failed")
    if part.attempts > 1:
        told.append(f"attempt {part.attempts}")
    if part.worker:
        told.append(f"by {shortened(visible(part.worker))}")
    x, width = axis.percent(part.started - axis.start), max(0.1, axis.percent(part.seconds))
    return Bar(lane, x, width, tuple(segments), label, ", ".join(told), part.attempts > 1, part.failed > 0)


def _running(parts: Sequence[Part], axis: _Axis) -> tuple[tuple[Layer, ...], float]:
    """Layers, and how many parts ran at most: exact averages over short times."""
    lengths = np.array([[seconds for _, seconds in _phases(part)] for part in parts])
    starts = (
        np.array([part.started - axis.start for part in parts])[:, np.newaxis] + np.cumsum(lengths, axis=1) - lengths
    )
    edges = np.linspace(0, axis.seconds, _BINS + 1)
    done = np.array([np.clip(edge - starts, 0, lengths).sum(axis=0) for edge in edges])
    averages = np.diff(done, axis=0) / (axis.seconds / _BINS)
    tops = np.concatenate([np.zeros((_BINS, 1)), np.cumsum(averages, axis=1)], axis=1)
    peak = float(tops[:, -1].max()) or 1.0
    heights = np.rint(_CURVE_HEIGHT * (1 - tops / peak)).astype(int)
    layers = [
        Layer(phase, _area(heights[:, i], heights[:, i + 1])) for i, phase in enumerate(PHASES) if lengths[:, i].any()
    ]
    return tuple(layers), peak


def _area(below: NDArray[np.int_], above: NDArray[np.int_]) -> str:
    """Between two curves of steps, all of it `_CURVE_HEIGHT` wide."""
    edges = np.rint(np.linspace(0, _CURVE_HEIGHT, len(above) + 1)).astype(int)
    forth = [f"V{y}H{x}" for y, x in zip(above, edges[1:], strict=True)]
    back = [f"V{y}H{x}" for y, x in zip(below[::-1], edges[-2::-1], strict=True)]
    return "".join([f"M0 {above[0]}", *forth, *back, "Z"])
