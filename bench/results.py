"""The results of a run, and their medians."""

from __future__ import annotations

import platform
import statistics
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Kind = Literal["warm", "cold", "exact", "remote"]
Figure = Literal["wall", "cpu"]
Cell = tuple[str, str]  # clip, workload


@dataclass(frozen=True)
class Record:
    """One answer: seconds and bytes. An error leaves the figures 0."""

    kind: Kind
    clip: str
    workload: str
    contender: str
    variant: str = ""
    wall: float = 0.0
    cpu: float = 0.0
    open_wall: float = 0.0  # open and index, part of wall unless the video was open
    peak_bytes: int = 0
    output_bytes: int = 0
    read_bytes: int = 0  # remote: as the server counts
    requests: int = 0  # remote
    wrong: int = 0  # frames
    error: str = ""


@dataclass(frozen=True)
class Footprint:
    """The weight of a contender: installed bytes, and seconds to import it beyond numpy."""

    contender: str
    version: str = ""
    installed_bytes: int = 0  # with numpy, and the libraries it needs beyond the distribution's
    import_seconds: float = 0.0
    error: str = ""


@dataclass
class Results:
    """All of one run, and the machine it ran on."""

    processor: str
    cores: int
    kernel: str
    date: str
    records: list[Record] = field(default_factory=list)
    footprints: list[Footprint] = field(default_factory=list)
    remote_floor_bytes: int = 0
    absent: dict[str, str] = field(default_factory=dict)  # why a contender could not take part

    def of(self, kind: Kind) -> list[Record]:
        """The records of one kind, in the order of measuring."""
        return [record for record in self.records if record.kind == kind]


@dataclass(frozen=True)
class Median:
    """One contender in one cell, over the rounds of its fastest variant."""

    wall: float
    cpu: float
    rounds: int
    variant: str


def processor() -> str:
    """Return this machine's processor, as it calls itself."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())


def medians(records: Iterable[Record]) -> dict[Cell, dict[str, Median]]:
    """Medians by cell and contender. Failed runs are left out; a variant is judged by the time on the clock."""
    runs: dict[tuple[str, str, str, str], list[Record]] = defaultdict(list)
    for record in records:
        if not record.error:
            runs[record.clip, record.workload, record.contender, record.variant].append(record)
    found: dict[Cell, dict[str, Median]] = defaultdict(dict)
    for (clip, workload, name, variant), each in runs.items():
        wall, cpu = statistics.median(run.wall for run in each), statistics.median(run.cpu for run in each)
        other = found[clip, workload].get(name)
        if not other or (len(each), -wall) > (other.rounds, -other.wall):  # the one that went on has most rounds
            found[clip, workload][name] = Median(wall, cpu, len(each), variant)
    return dict(found)


def best(cell: dict[str, Median], names: Iterable[str], figure: Figure = "wall") -> tuple[str, float] | None:
    """The one of these contenders that needs least, and how much; None if none of them answered."""
    there = [(name, float(getattr(cell[name], figure))) for name in names if name in cell]
    return min(there, key=lambda item: item[1]) if there else None


def ratio(cell: dict[str, Median], name: str, others: Iterable[str], figure: Figure) -> float | None:
    """The need of one contender in units of that of the best of `others`; None if either is missing."""
    ours, theirs = best(cell, (name,), figure), best(cell, others, figure)
    return ours[1] / theirs[1] if ours and theirs and theirs[1] else None
