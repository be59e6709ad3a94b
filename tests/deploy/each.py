"""The same test for many cases, several at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
# A test waits for its process most of the time; with several workers there is something else to do meanwhile.
_AT_ONCE = 1 if "PYTEST_XDIST_WORKER" in os.environ else 3


def each(cases: Mapping[str, T], test: Callable[[str, T], None]) -> None:
    """Raises an ExceptionGroup of all that failed, each with a note of its case's name."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        running = {name: pool.submit(test, name, case) for name, case in cases.items()}
    failures = []
    for name, ended in running.items():
        if error := ended.exception():
            error.add_note(f"case: {name}")
            failures.append(error)
    if failures:
        raise BaseExceptionGroup(f"{len(failures)} of {len(cases)} cases failed", failures)
