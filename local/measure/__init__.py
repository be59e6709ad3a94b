"""Measures the numbers that the README and docs/jobs.md state, on this machine: see __main__.py."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cloud.stack import RESULTS, FaultStack, Limits

IMAGE = "hwang-lambda:latest"
Row = tuple[str, str, str]  # what, the limit or nothing, what was measured


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
