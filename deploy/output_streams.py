"""Standard output and standard error, which may be closed at any time: a command that has begun must still end."""

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
    """Spell out everything in the text that a terminal would obey instead of showing it."""
    return _ORDERS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def take_any_text() -> None:
    """Spell out characters that the streams' encoding lacks, from now on."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextmanager
def outlasting(stream: TextIO) -> Iterator[None]:
    """Ignore a closed stream in the block; everything that is written to it later is lost as well."""
    try:
        yield
        stream.flush()
    except OSError:
        lose(stream)


def lose(stream: TextIO) -> None:
    """Discard everything that is written to the stream, its buffer included."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
