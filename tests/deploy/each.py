"""The same test for many cases: `cases` for those that are known beforehand, `each` for those that a test finds."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest

T = TypeVar("T")
# A test waits for its process most of the time; with several workers there is something else to do meanwhile.
_AT_ONCE = 1 if "PYTEST_XDIST_WORKER" in os.environ else 3


def cases(argument: str, mapping: Mapping[str, object]) -> pytest.MarkDecorator:
    """A test of its own for each of them: its arguments `name` and this one are a key and its value."""
    return pytest.mark.parametrize(("name", argument), mapping.items(), ids=mapping)


def each(mapping: Mapping[str, T], test: Callable[[str, T], None]) -> None:
    """Raises an ExceptionGroup of all that failed, each with a note of its case's name."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        running = {name: pool.submit(test, name, case) for name, case in mapping.items()}
    failures = []
    for name, ended in running.items():
        if error := ended.exception():
            error.add_note(f"case: {name}")
            failures.append(error)
    if failures:
        raise BaseExceptionGroup(f"{len(failures)} of {len(mapping)} cases failed", failures)
