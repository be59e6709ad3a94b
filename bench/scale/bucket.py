"""A rate with a burst, as services throttle."""

from __future__ import annotations

from math import inf


class Bucket:
    """`rate` a second, `burst` at once after a pause. Either may be `inf`; seconds count from 0."""

    __slots__ = ("_due", "_interval", "_slack")

    def __init__(self, rate: float, burst: float) -> None:
        self._interval = 0.0 if rate == inf else 1 / rate
        self._slack = 0.0 if rate == inf else (max(burst, 1.0) - 1) * self._interval
        self._due = -inf  # when the next would come if all came evenly

    def free_at(self) -> float:
        """When the next may be taken."""
        return self._due - self._slack

    def take(self, now: float) -> None:
        """One, at `now`, which is not before `free_at()`."""
        self._due = (now if now > self._due else self._due) + self._interval
