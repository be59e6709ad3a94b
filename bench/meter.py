"""What a call costs this process: time on the clock, time on the cores, memory, bytes read."""

from __future__ import annotations

import re
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

PROCESS = Path("/proc/self")
T = TypeVar("T")


@dataclass(frozen=True)
class Cost:
    """Seconds and bytes. `peak_bytes` is the most that was resident at once, not what the call added."""

    wall: float
    cpu: float
    peak_bytes: int
    read_bytes: int


def measure(call: Callable[[], T]) -> tuple[T, Cost]:
    """The call's result and its cost, over all threads of the process."""
    _reset_peak()
    read = _read_bytes()
    used, start = _cpu_seconds(), time.perf_counter()
    result = call()
    wall, cpu = time.perf_counter() - start, _cpu_seconds() - used
    return result, Cost(wall, cpu, _peak_bytes(), _read_bytes() - read)


def _cpu_seconds() -> float:
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def _reset_peak() -> None:
    (PROCESS / "clear_refs").write_text("5")


def _peak_bytes() -> int:
    return _field(PROCESS / "status", "VmHWM") * 1024


def _read_bytes() -> int:
    """Bytes that this process's read calls have returned, from the disk or the page cache."""
    return _field(PROCESS / "io", "rchar")


def _field(file: Path, name: str) -> int:
    found = re.search(rf"^{name}:\s*(\d+)", file.read_text(), re.MULTILINE)
    if not found:
        raise OSError(f"{file} tells no {name}")
    return int(found[1])
