"""How far a job is: bars on a terminal, a line for each step and now and then elsewhere, both on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from function.errors import FunctionError
from function.jobs.local import Heard

_LINE_SECONDS: Final = 5.0
_STEPS: Final = {
    "list": "list videos",
    "survey": "index videos, predict costs",
    "cut": "cut into parts",
    "decode": "decode parts",
    "gather": "gather results",
}


@dataclass
class _Sums:
    """Of the parts so far."""

    frames: int = 0
    bytes_read: int = 0
    retries: int = 0
    failed: int = 0

    def add(self, outcome: dict[str, Any] | FunctionError | None) -> None:
        if isinstance(outcome, FunctionError):
            self.failed += 1
        elif outcome and "attempts" in outcome and "part" in outcome:
            self.frames += outcome["frames"]
            self.bytes_read += int(outcome["counters"].get("bytes_read", 0))
            self.retries += outcome["attempts"] - 1
            self.failed += outcome["failed"]

    def __str__(self) -> str:
        told = [f"{self.frames:,} frames", f"{self.bytes_read / 1e6:,.1f} MB read"] if self.frames else []
        told += [f"{self.retries} retried"] if self.retries else []
        told += [f"{self.failed} failed"] if self.failed else []
        return ", ".join(told)


@contextmanager
def progress() -> Iterator[Heard]:
    sums = _Sums()
    if not sys.stderr.isatty():
        yield _Lines(sums)
        return
    try:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
    except ImportError:
        print("for progress bars: pip install rich", file=sys.stderr)
        yield _Lines(sums)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[told]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as bars:
        tasks: dict[str, Any] = {}

        def heard(step: str, done: int, total: int, outcome: dict[str, Any] | FunctionError | None) -> None:
            sums.add(outcome)
            if step not in tasks:
                tasks[step] = bars.add_task(_STEPS[step], total=total, told="")
            bars.update(tasks[step], completed=done, told=str(sums) if step == "decode" else "")

        yield heard


@dataclass
class _Lines:
    sums: _Sums
    _written: float = field(default_factory=time.monotonic)

    def __call__(self, step: str, done: int, total: int, outcome: dict[str, Any] | FunctionError | None) -> None:
        self.sums.add(outcome)
        now = time.monotonic()
        if done in (0, total) or now - self._written >= _LINE_SECONDS:
            self._written = now
            told = f" ({self.sums})" if step == "decode" and str(self.sums) else ""
            print(f"{_STEPS[step]}: {done:,} of {total:,}{told}", file=sys.stderr, flush=True)
