"""Guards calls that neither return nor can be cancelled, such as a server that sends one byte a second."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from function.errors import FunctionError

give_up: Callable[[FunctionError], None] | None = None
"""Reports the error and ends this process; set by a worker. None: calls may take any time."""


@contextmanager
def watched(seconds: float, error: FunctionError) -> Iterator[None]:
    """Call `give_up(error)` if the block takes longer than `seconds`."""
    if give_up is None:
        yield
        return
    timer = threading.Timer(seconds, give_up, [error])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
