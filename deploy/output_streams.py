"""Standard output and standard error, whatever becomes of them: what has been begun must be ended all the same."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from typing import Final, TextIO

# Control characters but for tab and line feed, and those that turn the direction of reading.
_ORDERS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def harmless(text: str) -> str:
    """The text with everything spelled out that a terminal would obey instead of showing it."""
    return _ORDERS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def take_any_text() -> None:
    """From now on, what the streams' encoding lacks is spelled out as well."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextmanager
def outlasting(stream: TextIO) -> Iterator[None]:
    """What is written to the stream within is lost if nobody reads it any more, and so is all that comes later."""
    try:
        yield
        stream.flush()
    except OSError:
        lose(stream)


def lose(stream: TextIO) -> None:
    """Leads the stream to nowhere, with what is still in its buffer."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
