"""How long something is tried: so many failures in a row, pauses that grow and are not in step, an end in time."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


class TransientError(Exception):
    """Something that may work the next time. `after_seconds` is what the other side asked to wait."""

    def __init__(self, why: str, after_seconds: float | None = None) -> None:
        super().__init__(why)
        self.after_seconds = after_seconds


@dataclass(frozen=True)
class RetryPolicy:
    """All in seconds but `failures`, after which, in a row, it is given up. `total` is for one request or one blob."""

    failures: int = 6
    first_pause: float = 0.25
    max_pause: float = 20
    connect: float = 10
    read: float = 60
    total: float = 1800


class Attempts:
    """The tries of one thing, from now on."""

    def __init__(self, retry_policy: RetryPolicy) -> None:
        self._retry_policy = retry_policy
        self._deadline = time.monotonic() + retry_policy.total
        self._failures = 0

    def check(self) -> None:
        """Raises TransientError when the time is up."""
        if time.monotonic() > self._deadline:
            raise TransientError(f"it is not done after {self._retry_policy.total:.0f} s")

    def progressed(self) -> None:
        """Something was achieved that stays achieved: failures count from zero again."""
        self._failures = 0

    def pause(self, failure: TransientError) -> None:
        """Waits until the next try. Raises the failure where there is none left, or no time for it."""
        self._failures += 1
        retry_policy = self._retry_policy
        longest = min(retry_policy.max_pause, retry_policy.first_pause * 2 ** (self._failures - 1))
        seconds = max(random.uniform(longest / 2, longest), failure.after_seconds or 0)  # noqa: S311 - it hides nothing
        if self._failures >= retry_policy.failures or time.monotonic() + seconds > self._deadline:
            raise failure
        time.sleep(seconds)


def retry(retry_policy: RetryPolicy, attempt: Callable[[Attempts], T]) -> T:
    """What the attempt returns, tried again after each TransientError. Raises the last of them."""
    attempts = Attempts(retry_policy)
    while True:
        try:
            return attempt(attempts)
        except TransientError as failure:
            attempts.pause(failure)
