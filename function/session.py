"""What one request has at hand: the S3 client, its deadline, its clock, and who hears how far it is."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from function.clock import Clock
from function.deadline import NEVER, Deadline

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client


def _nobody(_: dict[str, Any]) -> None:
    """Hears nothing."""


def _nothing() -> dict[str, Any]:
    """Tells nothing."""
    return {}


@dataclass
class Session:
    """`run` is of this request alone, never the same twice. `tell` hears of each object begun and each finished.

    `progress` tells, also to another thread, what of the request is done; as detail of an error it has to be JSON.
    """

    client: S3Client
    deadline: Deadline = NEVER
    tell: Callable[[dict[str, Any]], None] = _nobody
    progress: Callable[[], dict[str, Any]] = _nothing
    clock: Clock = field(default_factory=Clock)
    run: str = field(default_factory=lambda: uuid.uuid4().hex)
