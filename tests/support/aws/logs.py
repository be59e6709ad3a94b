"""CloudWatch's logs: groups, streams in them, and lines in those."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tests.support.aws.errors import AwsError
from tests.support.aws.identities import Identity
from tests.support.aws.shared_state import SharedState

_PAGE: Final = 10_000


@dataclass
class Logs:
    shared_state: SharedState
    _groups: defaultdict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def append(self, group: str, stream: str, lines: Iterable[str]) -> None:
        """Lines of now."""
        now = int(self.shared_state.now() * 1000)
        self._groups[group] += [
            {
                "logStreamName": stream,
                "timestamp": now,
                "ingestionTime": now,
                "message": f"{line}\n",
                "eventId": f"{next(self._numbers):056}",
            }
            for line in lines
        ]

    def filter_log_events(self, asked: Mapping[str, Any], caller: Identity) -> dict[str, Any]:  # noqa: ARG002
        """Patterns are plain words here, all of which must be in the line."""
        group = asked.get("logGroupName", "")
        if group not in self._groups:
            raise AwsError("ResourceNotFoundException", "The specified log group does not exist.")
        words = asked.get("filterPattern", "").replace('"', "").split()
        found = [
            event
            for event in self._groups[group]
            if asked.get("startTime", 0) <= event["timestamp"] <= asked.get("endTime", event["timestamp"])
            and all(word in event["message"] for word in words)
        ]
        start = int(asked.get("nextToken", 0))
        end = start + asked.get("limit", _PAGE)
        more = {"nextToken": str(end)} if end < len(found) else {}
        return {"events": found[start:end], "searchedLogStreams": []} | more
