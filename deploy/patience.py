"""How long something is tried: so many failures in a row, pauses that grow and are not in step, an end in time."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass


class TransientError(Exception):
    """Something that may work the next time. `after_seconds` is what the other side asked to wait."""

    def __init__(self, why: str, after_seconds: float | None = None) -> None:
        super().__init__(why)
        self.after_seconds = after_seconds


@dataclass(frozen=True)
class Patience:
    """All in seconds but `failures`, after which, in a row, it is given up. `total` is for one request or one blob."""

    failures: int = 6
    first_pause: float = 0.25
    longest_pause: float = 20
    connect: float = 10
    read: float = 60
    total: float = 1800


class Tries:
    """The tries of one thing, from now on."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._deadline = time.monotonic() + patience.total
        self._failures = 0

    @property
    def seconds_left(self) -> float:
        return self._deadline - time.monotonic()

    def progressed(self) -> None:
        """Something was achieved that stays achieved: failures count from zero again."""
        self._failures = 0

    def pause(self, failure: TransientError) -> None:
        """Waits until the next try. Raises the failure where there is none left, or no time for it."""
        self._failures += 1
        patience = self._patience
        longest = min(patience.longest_pause, patience.first_pause * 2 ** (self._failures - 1))
        seconds = random.uniform(longest / 2, longest)  # noqa: S311 - it hides nothing
        if failure.after_seconds is not None:
            seconds = max(seconds, failure.after_seconds)
        if self._failures >= patience.failures or seconds >= self.seconds_left:
            raise failure
        time.sleep(seconds)
