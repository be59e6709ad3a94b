"""All that one run has found."""

from __future__ import annotations

from dataclasses import dataclass, field

from bench.accuracy import Verdict
from bench.footprint import Footprint
from bench.record import Record
from bench.remote import Fetched


@dataclass(frozen=True)
class Machine:
    processor: str
    cores: int
    kernel: str
    date: str


@dataclass
class Results:
    machine: Machine
    records: list[Record] = field(default_factory=list)
    footprints: list[Footprint] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    remote: list[Fetched] = field(default_factory=list)
    remote_rows: list[int] = field(default_factory=list)
    remote_floor_bytes: int = 0
    absent: dict[str, str] = field(default_factory=dict)  # who could not take part, and why
