"""The function's log, from some time ago, and then as it grows."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from deploy.aws import Account, translated
from deploy.errors import FunctionNotFoundError

_LOOK_SECONDS: Final = 2.0
_LATE_MS: Final = 30_000  # events may arrive out of order by this much


class Line(NamedTuple):
    """A line of the log, without its line end."""

    time: datetime
    stream: str
    text: str


def lines(account: Account, group: str, since_seconds: float, *, follow: bool, pattern: str) -> Iterator[Line]:
    """Yield the lines that have arrived, in the order of their times. Raises FunctionNotFoundError without a log."""
    start = max(int((time.time() - since_seconds) * 1000), 0)
    seen: dict[str, int] = {}
    while True:
        events = [event for event in _events(account, group, start, pattern) if _identity(event) not in seen]
        for event in sorted(events, key=lambda event: event["timestamp"]):
            seen[_identity(event)] = event["timestamp"]
            moment = datetime.fromtimestamp(event["timestamp"] / 1000, UTC)
            yield Line(moment, event.get("logStreamName", ""), event["message"].rstrip("\n"))
        if not follow:
            return
        start = max([start, *(stamp - _LATE_MS for stamp in seen.values())])
        seen = {identity: stamp for identity, stamp in seen.items() if stamp >= start}
        time.sleep(_LOOK_SECONDS)


def _identity(event: Any) -> str:
    """Return the event's id, or all of it: emulators leave the id out."""
    return str(event.get("eventId") or event)


def _events(account: Account, group: str, start: int, pattern: str) -> Iterator[Any]:
    asked: dict[str, Any] = {"filterPattern": pattern} if pattern else {}
    missing = FunctionNotFoundError(
        f"there is no log {group}",
        then="a function writes its first log when it is first invoked, if its role may write logs",
    )
    pages = account.logs.get_paginator("filter_log_events").paginate(logGroupName=group, startTime=start, **asked)
    with translated("ResourceNotFoundException", missing):
        for page in pages:
            yield from page["events"]
