"""The moment by which a request must be answered."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from function.errors import DeadlineExceeded

TOO_LATE: Final = "the function's time was up; ask for fewer frames, or give the function more time"


class Deadline:
    """A moment on the monotonic clock, which all processes of the machine share; by default it never comes."""

    def __init__(self, at: float = math.inf) -> None:
        self.at = at

    @classmethod
    def within(cls, seconds: float) -> Deadline:
        """Return the deadline that is `seconds` from now."""
        return cls(time.monotonic() + seconds)

    @property
    def seconds_left(self) -> float:
        """Seconds until the deadline: at least 0, infinite if there is none."""
        return max(0.0, self.at - time.monotonic())

    def earlier(self, seconds: float) -> Deadline:
        """Return the deadline that leaves these seconds, or half of what is left, to what comes after."""
        return Deadline(self.at - min(seconds, self.seconds_left / 2))

    @property
    def has_passed(self) -> bool:
        """True once the deadline has passed."""
        return time.monotonic() >= self.at

    @contextmanager
    def alarm(self, ring: Callable[[], object]) -> Iterator[None]:
        """Call `ring` from another thread if the deadline passes inside the block."""
        if math.isinf(self.at):
            yield
            return
        timer = threading.Timer(self.seconds_left, ring)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()

    def check(self) -> None:
        """Raise DeadlineExceeded if the deadline has passed."""
        if self.has_passed:
            raise DeadlineExceeded(TOO_LATE)


NEVER: Final = Deadline()
