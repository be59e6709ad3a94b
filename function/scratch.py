"""Temporary storage: one folder for each request, removed after it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_PREFIX: Final = "hwang-"


@contextmanager
def folder() -> Iterator[Path]:
    """Create a folder, and make it the place of temporary files inside the block."""
    made = tempfile.mkdtemp(prefix=_PREFIX)
    before, tempfile.tempdir = tempfile.tempdir, made
    try:
        yield Path(made)
    finally:
        tempfile.tempdir = before
        shutil.rmtree(made, ignore_errors=True)


def clean() -> None:
    """Remove the folders of processes that were killed in the middle of a request."""
    for left in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        shutil.rmtree(left, ignore_errors=True)
