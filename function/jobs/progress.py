"""Shows on standard error how far a job is: bars on a terminal; elsewhere a line for each step and now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from function.errors import FunctionError
from function.jobs.local import Answer, Listener
from function.models.part_messages import PartAnswer

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
    """Sums over the parts so far."""

    frames: int = 0
    bytes_read: int = 0
    retries: int = 0
    failed: int = 0

    def add(self, step: str, outcome: Answer | FunctionError | None) -> None:
        if isinstance(outcome, FunctionError):
            self.failed += 1
        elif outcome and step == "decode":
            part = PartAnswer.model_validate(outcome)
            self.frames += part.frames
            self.bytes_read += part.counters.bytes_read
            self.retries += part.attempts - 1
            self.failed += part.failed

    def __str__(self) -> str:
        shown = [f"{self.frames:,} frames", f"{self.bytes_read / 1e6:,.1f} MB read"] if self.frames else []
        shown += [f"{self.retries} retried"] if self.retries else []
        shown += [f"{self.failed} failed"] if self.failed else []
        return ", ".join(shown)


@contextmanager
def progress() -> Iterator[Listener]:
    """A listener for a Runner, until the block ends."""
    if not sys.stderr.isatty():
        yield _Lines()
        return
    try:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
    except ImportError:
        print("for progress bars: pip install rich", file=sys.stderr)
        yield _Lines()
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[sums]}"),
    )
    sums = _Sums()
    with Progress(*columns, console=Console(stderr=True)) as bars:
        tasks: dict[str, Any] = {}

        def listen(step: str, done: int, total: int, outcome: Answer | FunctionError | None) -> None:
            sums.add(step, outcome)
            if step not in tasks:
                tasks[step] = bars.add_task(_STEPS[step], total=total, sums="")
            bars.update(tasks[step], completed=done, sums=str(sums) if step == "decode" else "")

        yield listen


@dataclass
class _Lines:
    _sums: _Sums = field(default_factory=_Sums)
    _written: float = field(default_factory=time.monotonic)

    def __call__(self, step: str, done: int, total: int, outcome: Answer | FunctionError | None) -> None:
        self._sums.add(step, outcome)
        now = time.monotonic()
        if done in (0, total) or now - self._written >= _LINE_SECONDS:
            self._written = now
            sums = f" ({self._sums})" if step == "decode" and str(self._sums) else ""
            print(f"{_STEPS[step]}: {done:,} of {total:,}{sums}", file=sys.stderr, flush=True)
