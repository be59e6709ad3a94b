"""Ctrl-C and SIGTERM as an error where work can be given up, and as nothing where it must be finished."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from deploy.errors import StoppedError

_NUMBERS = (signal.SIGINT, signal.SIGTERM)
_open = False
_postponed: int | None = None


class _Signal(BaseException):
    """Not an Exception: the SDK takes any for the network's, and tries again."""


def _hear(number: int, _: FrameType | None) -> None:
    global _open, _postponed
    if _open:
        _open = False  # what the first signal sets off is not broken off by a second
        raise _Signal(f"stopped by {signal.Signals(number).name}")
    _postponed = number


@contextmanager
def stoppable() -> Iterator[None]:
    """The first signal ends the block with StoppedError; later ones are ignored."""
    global _open
    outside = _open
    handlers = {number: signal.signal(number, _hear) for number in _NUMBERS}
    _open = True
    try:
        yield
    except _Signal as heard:
        raise StoppedError(str(heard), then="the same command starts again") from None
    finally:
        _open = outside
        for number, handler in handlers.items():
            signal.signal(number, handler)


def hold_off() -> None:
    """Signals are ignored from now on, but within a `stoppable`: what comes of a transaction is put back, or told."""
    global _open
    _open = False


@contextmanager
def unstoppable() -> Iterator[None]:
    """What must be done whole: signals are ignored."""
    global _open
    outside, _open = _open, False
    try:
        yield
    finally:
        _open = outside


@contextmanager
def postponed() -> Iterator[None]:
    """For a call that changes something, of which one wants to know how it ended: a signal is heard after the block."""
    global _open, _postponed
    outside, _open, _postponed = _open, False, None
    try:
        yield
    finally:
        _open = outside
        if _open and _postponed is not None:
            _hear(_postponed, None)
