"""States that take time: how long, and how they end."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Takes:
    """When clients have looked so often and so many seconds have gone by, the next look finds the change done."""

    looks: int = 1
    seconds: float = 0


@dataclass(frozen=True)
class Failure:
    """How a change ends that Lambda cannot carry out: a LastUpdateStatusReasonCode or StateReasonCode, and words."""

    code: str
    reason: str


class Settling:
    """A change under way. `end` is called once."""

    def __init__(self, takes: Takes, end: Callable[[], None]) -> None:
        self._looks = takes.looks
        self._due = time.monotonic() + takes.seconds
        self._end = end
        self.is_done = False

    def look(self) -> None:
        """A client has seen the state as it is."""
        self._looks -= 1

    def tick(self) -> None:
        """Ends the change if its time has come."""
        if not self.is_done and self._looks <= 0 and time.monotonic() >= self._due:
            self.is_done = True
            self._end()


class Pace:
    """By operation: how long its change takes, and how the next ones end."""

    def __init__(self) -> None:
        self._takes: defaultdict[str, Takes] = defaultdict(Takes)
        self._failures: defaultdict[str, list[Failure]] = defaultdict(list)
        self._hurries = False

    def set(self, operation: str, takes: Takes) -> None:
        self._takes[operation] = takes

    def fail_next(self, operation: str, failure: Failure) -> None:
        self._failures[operation].append(failure)

    def begin(self, operation: str, end: Callable[[Failure | None], None]) -> Settling:
        if self._hurries:
            return Settling(Takes(looks=0), lambda: end(None))
        failures = self._failures[operation]
        failure = failures.pop(0) if failures else None
        return Settling(self._takes[operation], lambda: end(failure))

    @contextmanager
    def hurried(self) -> Iterator[None]:
        """Inside, nothing takes time and nothing fails."""
        self._hurries = True
        try:
            yield
        finally:
            self._hurries = False
