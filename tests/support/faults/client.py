"""The proxy's remote control, for tests."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from tests.support.faults.rules import Action, Exchange, Match, Rule, Shape

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_SECONDS = 10


class FaultsError(Exception):
    """The proxy does not answer, or does not take what it is told."""


@dataclass(frozen=True)
class Applied:
    """A rule in force."""

    faults: Faults
    number: int

    @property
    def hits(self) -> int:
        """How many requests it has acted on."""
        hits: int = self.faults.call("GET", f"/rules/{self.number}")["hits"]
        return hits

    def exchanges(self) -> list[Exchange]:
        """The requests it has acted on, as far as they have ended or been answered."""
        return [entry for entry in self.faults.log() if entry.rule == self.number]


@dataclass(frozen=True)
class Faults:
    """Tells the proxy what to break. `control` is the address of its control port, like http://127.0.0.1:9001."""

    control: str

    @contextmanager
    def rule(
        self,
        action: Action,
        *,
        method: str = "",
        path: str = "",
        query: str = "",
        headers: Mapping[str, str] | None = None,
        times: int | None = None,
        skip: int = 0,
    ) -> Iterator[Applied]:
        """The rule is in force inside the block: see rules.Rule and rules.Match. The first rule that fits acts."""
        rule = Rule(action, Match(method, path, query, headers or {}), times, skip)
        number = self.call("POST", "/rules", rule.to_json())["number"]
        try:
            yield Applied(self, number)
        finally:
            self.call("DELETE", f"/rules/{number}")

    def shape(self, latency_seconds: float = 0, bytes_per_second: float | None = None) -> None:
        """From now on, for every request this wait, and for every connection this speed in each direction."""
        self.call("PUT", "/shape", asdict(Shape(latency_seconds, bytes_per_second)))

    def log(self, method: str = "", path: str = "", query: str = "") -> list[Exchange]:
        """The requests seen since the last `clear`, oldest first; by method and parts of path and query."""
        entries = [Exchange(**entry) for entry in self.call("GET", "/log")]
        return [e for e in entries if method in ("", e.method) and path in e.path and query in e.query]

    def clear(self) -> None:
        """No rules, no shape, an empty log; exchanges that a rule still holds up are broken off."""
        self.call("DELETE", "")

    def call(self, method: str, path: str, value: object = None) -> Any:
        """The control port's answer. Raises FaultsError."""
        body = None if value is None else json.dumps(value).encode()
        request = urllib.request.Request(f"{self.control}/_faults{path}", data=body, method=method)  # noqa: S310
        try:
            with _DIRECT.open(request, timeout=_SECONDS) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                raise FaultsError(f"{method} {path}: {error.read().decode(errors='replace')}") from error
        except (OSError, ValueError) as error:
            raise FaultsError(f"the proxy's control port does not answer: {error}") from error
