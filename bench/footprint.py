"""What a contestant weighs: installed bytes, seconds to import beyond numpy."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from pathlib import Path

from bench.contestants import Contestant
from bench.process import ContestantError, Process

IMPORTS = 3


@dataclass(frozen=True)
class Footprint:
    contestant: str
    version: str = ""
    installed_bytes: int = 0  # with numpy, and the libraries it needs beyond the distribution's
    import_seconds: float = 0.0
    error: str = ""


def weigh(contestant: Contestant) -> Footprint:
    try:
        seconds = []
        for _ in range(IMPORTS):
            with Process(contestant) as process:
                process.start()
                seconds.append(process.import_seconds)
                version = process.version
    except ContestantError as error:
        return Footprint(contestant.name, error=str(error))
    size = sum(_size(path) for path in contestant.packages)
    return Footprint(contestant.name, version, size, statistics.median(seconds))


def _size(path: Path) -> int:
    return sum(file.lstat().st_size for file in path.rglob("*") if file.is_file() and not file.is_symlink())
