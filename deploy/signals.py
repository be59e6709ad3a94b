"""Ctrl-C, SIGTERM and a closed terminal: an error while work can be given up, ignored while it must be finished."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from deploy.errors import StoppedError

_NUMBERS = [signal.SIGINT, signal.SIGTERM]
if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # not on Windows, nor under nohup
    _NUMBERS.append(signal.SIGHUP)
_open = False
_postponed: int | None = None


class _Signal(BaseException):
    """Signal as an error. Not an Exception: the SDK would treat that as the network's, and try again."""


def _handle(number: int, _: FrameType | None) -> None:
    global _open, _postponed
    if _open:
        _open = False  # a second signal does not interrupt the work of the first
        raise _Signal(f"stopped by {signal.Signals(number).name}")
    _postponed = number


@contextmanager
def stoppable() -> Iterator[None]:
    """End the block with StoppedError at the first signal; later ones are ignored."""
    global _open
    outside = _open
    handlers = {number: signal.signal(number, _handle) for number in _NUMBERS}
    _open = True
    try:
        yield
    except _Signal as signaled:
        raise StoppedError(str(signaled), then="the same command starts again") from None
    finally:
        _open = outside
        for number, handler in handlers.items():
            signal.signal(number, handler)


def hold_off() -> None:
    """Ignore signals from now on, except within a `stoppable`: a transaction ends with its undo."""
    global _open
    _open = False


@contextmanager
def postponed() -> Iterator[None]:
    """Delay a signal until the end of the block: a call that changes something, whose result matters."""
    global _open, _postponed
    outside, _open, _postponed = _open, False, None
    try:
        yield
    finally:
        _open = outside
        if _open and _postponed is not None:
            _handle(_postponed, None)
