"""The function's log, from some time ago, and on as it grows."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from botocore.exceptions import ClientError

from deploy.aws import Account, code_of
from deploy.errors import FunctionNotFoundError

_LOOK_SECONDS: Final = 2.0
_LATE_MS: Final = 30_000  # events may arrive out of order by this much


@dataclass(frozen=True)
class Line:
    """`text` is as the function wrote it, without the end of the line."""

    time: datetime
    stream: str
    text: str


def lines(account: Account, group: str, since_seconds: float, *, follow: bool, pattern: str = "") -> Iterator[Line]:
    """In the order of their times, as far as they have arrived. Raises FunctionNotFoundError if there is no log."""
    start = max(int((time.time() - since_seconds) * 1000), 0)
    seen: dict[str, int] = {}
    while True:
        events = [event for event in _events(account, group, start, pattern) if event["eventId"] not in seen]
        for event in sorted(events, key=lambda event: event["timestamp"]):
            seen[event["eventId"]] = event["timestamp"]
            moment = datetime.fromtimestamp(event["timestamp"] / 1000, UTC)
            yield Line(moment, event.get("logStreamName", ""), event["message"].rstrip("\n"))
        if not follow:
            return
        start = max([start, *(stamp - _LATE_MS for stamp in seen.values())])
        seen = {identity: stamp for identity, stamp in seen.items() if stamp >= start}
        time.sleep(_LOOK_SECONDS)


def _events(account: Account, group: str, start: int, pattern: str) -> Iterator[Any]:
    asked: dict[str, Any] = {"logGroupName": group, "startTime": start} | (
        {"filterPattern": pattern} if pattern else {}
    )
    try:
        for page in account.logs.get_paginator("filter_log_events").paginate(**asked):
            yield from page["events"]
    except ClientError as error:
        if code_of(error) != "ResourceNotFoundException":
            raise
        raise FunctionNotFoundError(
            f"there is no log {group}",
            then="a function writes its first log when it is first invoked, if its role may write logs",
        ) from error
