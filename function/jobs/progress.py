"""Writes to standard error how far a job is: one line that renews itself on a terminal, else a line every 5 s."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from typing import Final

from function.errors import FunctionError
from function.jobs.local import Answer
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


@dataclass
class Progress:
    """Listener of a Runner that writes lines."""

    _sums: _Sums = field(default_factory=_Sums)
    _written: float = field(default_factory=time.monotonic)

    def __call__(self, step: str, done: int, total: int, outcome: Answer | FunctionError | None) -> None:
        """Write the state of a step; called at its start and after each item."""
        self._sums.add(step, outcome)
        now, terminal = time.monotonic(), sys.stderr.isatty()
        if terminal or done in (0, total) or now - self._written >= _LINE_SECONDS:
            self._written = now
            sums = f" ({self._sums})" if step == "decode" and str(self._sums) else ""
            line = f"{_STEPS[step]}: {done:,} of {total:,}{sums}"
            begin, end = ("\r", "\033[K" if done < total else "\033[K\n") if terminal else ("", "\n")
            print(f"{begin}{line}", end=end, file=sys.stderr, flush=True)
