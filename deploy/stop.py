"""Ctrl-C and SIGTERM as an error where work can be given up, and as a note where it must be finished."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from deploy.errors import StoppedError

_held = 0


@contextmanager
def stoppable() -> Iterator[None]:
    """A signal raises StoppedError, unless it comes within `unstoppable`."""

    def stop(number: int, _: FrameType | None) -> None:
        if not _held:
            raise StoppedError(f"stopped by {signal.Signals(number).name}", then="the same command starts again")

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def unstoppable() -> Iterator[None]:
    """What is put back is put back whole: signals are ignored."""
    global _held
    _held += 1
    try:
        yield
    finally:
        _held -= 1
