"""What is in force and what was seen: shared by the proxy's connections and its control port."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.support.faults.http1 import Head
from tests.support.faults.rules import Exchange, Rule, Shape, cut_signatures


@dataclass
class Active:
    """A rule in force. `hits` counts the requests that it acted on."""

    number: int
    rule: Rule
    seen: int = 0
    hits: int = 0

    def take(self, head: Head) -> bool:
        if self.rule.times is not None and self.hits >= self.rule.times:
            return False
        if not self.rule.match.fits(head):
            return False
        self.seen += 1
        if self.seen <= self.rule.skip:
            return False
        self.hits += 1
        return True

    def give_back(self) -> None:
        """The action did not apply: another request may have it."""
        self.hits -= 1


class Board:
    def __init__(self) -> None:
        self.rules: dict[int, Active] = {}
        self.log: list[Exchange] = []
        self.shape = Shape()
        self._numbers = itertools.count(1)
        self._stops: dict[int, Callable[[], object]] = {}  # ends an exchange that a rule acts on

    def add(self, rule: Rule) -> int:
        number = next(self._numbers)
        self.rules[number] = Active(number, rule)
        return number

    def take(self, head: Head) -> Active | None:
        """The first rule that wants this request."""
        return next((active for active in self.rules.values() if active.take(head)), None)

    def begin(self, connection: int, head: Head) -> Exchange:
        path, _, query = head.target.partition("?")
        ranged, if_match = head.get("Range"), head.get("If-Match")
        entry = Exchange(connection, head.method, path, cut_signatures(query), ranged, if_match, time.time())
        self.log.append(entry)
        return entry

    def stop_with(self, connection: int, stop: Callable[[], object] | None) -> None:
        """How to end what a rule does to this connection, for when everything is cleared; None when it is done."""
        if stop:
            self._stops[connection] = stop
        else:
            self._stops.pop(connection, None)

    def clear(self) -> None:
        """No rules, no shape, an empty log; what a rule is still doing is ended."""
        self.rules.clear()
        self.log.clear()
        self.shape = Shape()
        for stop in [*self._stops.values()]:
            stop()
