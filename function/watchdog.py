"""For calls that neither end nor can be ended, such as a server that answers with a byte a second."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from function.errors import FunctionError

give_up: Callable[[FunctionError], None] | None = None
"""Ends this process, after telling why; set by a worker. Without it calls take as long as they take."""


@contextmanager
def watched(seconds: float, error: FunctionError) -> Iterator[None]:
    """Gives up with the error if the block takes longer."""
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
