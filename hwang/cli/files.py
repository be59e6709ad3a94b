"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from hwang.cli.exits import UsageError

__all__ = ["refuse_to_overwrite", "replacing"]


def refuse_to_overwrite(targets: Iterable[Path]) -> None:
    """Raise UsageError for the first target that is there."""
    for target in targets:
        if os.path.lexists(target):
            raise UsageError(f"{target} is there already; --force overwrites it")


@contextmanager
def replacing(target: Path) -> Iterator[BinaryIO]:
    """A new file that gets the name `target` when the block ends; if it fails, nothing is left and nothing changed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        with partial.open("w+b") as file:
            yield file
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
