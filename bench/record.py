"""One measured answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Record:
    """Seconds and bytes. An error leaves the figures 0."""

    clip: str
    workload: str
    contestant: str
    kind: Literal["warm", "cold"]
    variant: str = ""
    wall: float = 0.0
    cpu: float = 0.0
    open_wall: float = 0.0  # cold: open and index, part of wall
    peak_bytes: int = 0
    output_bytes: int = 0
    read_bytes: int = 0
    wrong: int = 0  # frames
    error: str = ""
