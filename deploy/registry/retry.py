"""Trying something again: a number of failures in a row, growing random pauses, and a limit of time."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


class TransientError(Exception):
    """A failure that may not occur the next time. `after_seconds` is the pause that the other side asked for."""

    def __init__(self, why: str, after_seconds: float | None = None) -> None:
        super().__init__(why)
        self.after_seconds = after_seconds


@dataclass(frozen=True)
class RetryPolicy:
    """Limits, in seconds except `failures` in a row. `total` is for one request or one blob."""

    failures: int = 6
    first_pause: float = 0.25
    max_pause: float = 20
    connect: float = 10
    read: float = 60
    total: float = 1800


class Attempts:
    """The attempts at one thing, beginning now."""

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy
        self._deadline = time.monotonic() + policy.total
        self._failures = 0

    def check(self) -> None:
        """Raises TransientError when the time is up."""
        if time.monotonic() > self._deadline:
            raise TransientError(f"it is not done after {self._policy.total:.0f} s")

    def progressed(self) -> None:
        """Count failures from zero again: something was achieved that stays achieved."""
        self._failures = 0

    def pause(self, failure: TransientError) -> None:
        """Wait until the next attempt. Raises the failure if there is none left, or no time for it."""
        self._failures += 1
        longest = min(self._policy.max_pause, self._policy.first_pause * 2 ** (self._failures - 1))
        seconds = max(random.uniform(longest / 2, longest), failure.after_seconds or 0)  # noqa: S311 - it hides nothing
        if self._failures >= self._policy.failures or time.monotonic() + seconds > self._deadline:
            raise failure
        time.sleep(seconds)


def retry(policy: RetryPolicy, attempt: Callable[[Attempts], T]) -> T:
    """Return the attempt's result, trying again after each TransientError. Raises the last of them."""
    attempts = Attempts(policy)
    while True:
        try:
            return attempt(attempts)
        except TransientError as failure:
            attempts.pause(failure)
