"""The context of one request: S3 client, deadline, clock, journal and progress callbacks."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from function.clock import Clock
from function.deadline import NEVER, Deadline

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client


@dataclass
class Session:
    """The context of one request.

    `run` is a random id of this request. `record` is called with an entry before each object is begun and after it is
    finished. `progress`, also called from another thread, returns JSON values that say how much is done; `tell` sends
    them at once. `local_files`: a video may be a path of this machine. `left`: journal entries of objects that this
    request could not take back in time; `objects_left` counts also those that it may not delete.
    """

    client: S3Client
    deadline: Deadline = NEVER
    record: Callable[[dict[str, Any]], None] = lambda _: None
    progress: Callable[[], dict[str, Any]] = dict
    tell: Callable[[], None] = lambda: None
    local_files: bool = False
    clock: Clock = field(default_factory=Clock)
    run: str = field(default_factory=lambda: uuid.uuid4().hex)
    left: list[dict[str, Any]] = field(default_factory=list)
    objects_left: int = 0

    def leave(self, entries: list[dict[str, Any]], objects: int) -> None:
        """Note the journal entries of objects that remain, and the number of objects that do."""
        self.left += entries
        self.objects_left += objects
