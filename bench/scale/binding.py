"""What a job waits for."""

from __future__ import annotations

from enum import Enum


class Binding(Enum):
    """The value is what a reader is told."""

    __hash__ = object.__hash__  # Enum's own is slow, and there is one of each

    PLAN = "planning"
    MAP_RUN = "Map Runs' own time"
    STARTS = "starts of children"
    ENVIRONMENTS = "new environments"
    INVOCATIONS = "invocations a second"
    CONCURRENCY = "concurrency"
    GETS = "S3 reads"
    PUTS = "S3 writes"
    LAST = "the last parts"
    GATHER = "gathering"
