"""Writes to standard error how far a job is: one line that renews itself on a terminal, else a line every 5 s."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from typing import Final

from function.errors import FunctionError
from function.jobs.local import Answer

_LINE_SECONDS: Final = 5.0
_STEPS: Final = {
    "list": "list videos",
    "survey": "index videos, predict costs",
    "cut": "cut into parts",
    "decode": "decode parts",
    "gather": "gather results",
}


@dataclass
class Progress:
    """Listener of a Runner that writes lines."""

    frames: int = 0
    failed: int = 0  # pieces, and parts that raised
    _written: float = field(default_factory=time.monotonic)

    def __call__(self, step: str, done: int, total: int, outcome: Answer | FunctionError | None) -> None:
        """Write the state of a step; called at its start and after each item."""
        line = f"{_STEPS[step]}: {done:,} of {total:,}"
        if step == "decode":
            if isinstance(outcome, FunctionError):
                self.failed += 1
            elif outcome:
                self.frames += outcome["frames"]
                self.failed += outcome["failed"]
            line += f" ({self.frames:,} frames, {self.failed:,} failed)"
        now, terminal = time.monotonic(), sys.stderr.isatty()
        if terminal or done in (0, total) or now - self._written >= _LINE_SECONDS:
            self._written = now
            begin, end = ("\r", "\033[K" if done < total else "\033[K\n") if terminal else ("", "\n")
            print(f"{begin}{line}", end=end, file=sys.stderr, flush=True)
