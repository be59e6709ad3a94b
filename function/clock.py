"""Time spent in each phase of a request."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


class Clock:
    """Adds up wall time by phase, from its creation on. A nested phase stops the outer one. For one thread."""

    def __init__(self) -> None:
        self._start = self._last = time.perf_counter()
        self._seconds: dict[str, float] = {}
        self._open: list[str] = []

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Charge the time inside the block to the phase `name`."""
        self._charge()
        self._open.append(name)
        try:
            yield
        finally:
            self._charge()
            self._open.pop()

    def items(self, name: str, items: Iterable[T]) -> Iterator[T]:
        """Yield the items; charge the time it takes to produce them, not to use them, to the phase."""
        iterator = iter(items)
        while True:
            with self.phase(name):
                item = next(iterator, None)
            if item is None:
                return
            yield item

    def milliseconds(self) -> dict[str, float]:
        """Return the time of each phase, and "total", in milliseconds rounded to 0.1."""
        seconds = self._seconds | {"total": time.perf_counter() - self._start}
        return {name: round(value * 1000, 1) for name, value in seconds.items()}

    def _charge(self) -> None:
        now = time.perf_counter()
        if self._open:
            self._seconds[self._open[-1]] = self._seconds.get(self._open[-1], 0.0) + now - self._last
        self._last = now
