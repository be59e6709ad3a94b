"""How far it is: a bar on a terminal, a line now and then elsewhere, both on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["progress"]

_LINE_SECONDS = 5.0

Advance = Callable[[int], None]
"""Takes the number of frames that were done since."""


@contextmanager
def progress(total: int) -> Iterator[Advance]:
    if not sys.stderr.isatty():
        yield _lines(total)
        return
    try:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
    except ImportError:
        print("hwang: for a progress bar: pip install 'hwang[cli]'", file=sys.stderr)
        yield _lines(total)
        return
    columns = (TextColumn("frames"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("frames", total=total)
        yield lambda done: bar.advance(task, done)


def _lines(total: int) -> Advance:
    written, done = time.monotonic(), 0

    def advance(count: int) -> None:
        nonlocal written, done
        done += count
        if done < total and time.monotonic() - written >= _LINE_SECONDS:
            written = time.monotonic()
            print(f"hwang: {done:,} of {total:,} frames", file=sys.stderr, flush=True)

    return advance
