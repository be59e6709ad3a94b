"""Measures the numbers of docs/numbers.md on this machine: see __main__.py."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.cloud.stack import RESULTS, FaultStack, Limits

IMAGE = "hwang-lambda:latest"


@dataclass(frozen=True)
class Number:
    """A measured number. With `guarded` it stands on the page's second part, else among those that users decide by."""

    what: str
    value: float
    unit: str = ""
    limit: float | None = None  # the highest value that is right
    guarded: bool = False

    @property
    def exceeds(self) -> bool:
        """True if the limit does not hold."""
        return self.limit is not None and self.value > self.limit


@contextmanager
def running_stack() -> Iterator[FaultStack]:
    """The function behind the fault proxy, with time enough, keeping its indexes in S3."""
    with tempfile.TemporaryDirectory() as scratch:
        limits = Limits(timeout_seconds=900, environment={"HWANG_INDEX_CACHE": f"s3://{RESULTS}/indexes/"})
        stack = FaultStack(f"hwang-measure-{os.getpid()}", scratch=Path(scratch), limits=limits)
        try:
            stack.up()
            yield stack
        finally:
            stack.down()
