"""The log of calls: what was asked for, by whom, and how it ended."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

_READS: Final = ("Get", "List", "Describe", "BatchGet", "BatchCheck", "Filter", "Head", "Ping")


@dataclass
class Call:
    """`service` is lambda, ecr, registry, logs, cloudwatch, sts or s3; `number` counts all calls from 1.

    `status` is 0 while the call lasts and if its connection was broken off; `code` is that of an error answer.
    `rule` is the number of the rule that acted on it.
    """

    number: int
    service: str
    operation: str
    parameters: Mapping[str, Any] = field(repr=False)
    caller: str = ""
    status: int = 0
    code: str = ""
    outcome: str = "under way"
    rule: int | None = None

    @property
    def reads(self) -> bool:
        """Whether the operation changes nothing."""
        return self.operation.startswith(_READS)

    def __str__(self) -> str:
        shown = " ".join(f"{name}={str(value)[:120]}" for name, value in self.parameters.items())
        ended = f"{self.status or ''} {self.code}".strip() or self.outcome
        by_rule = f" (rule {self.rule})" if self.rule else ""
        return f"{self.number:4} {self.service}:{self.operation} {shown} → {ended}{by_rule}"


class Calls:
    """All calls, oldest first."""

    def __init__(self) -> None:
        self._calls: list[Call] = []
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def begin(self, service: str, operation: str, parameters: Mapping[str, Any]) -> Call:
        with self._lock:
            call = Call(next(self._numbers), service, operation, parameters)
            self._calls.append(call)
            return call

    def seen(self) -> list[Call]:
        with self._lock:
            return [*self._calls]

    def clear(self) -> None:
        with self._lock:
            self._calls.clear()
            self._numbers = itertools.count(1)
