"""What the proxy is told to do: which requests a rule is for, and the one thing that happens to them."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, TypeAlias

from tests.support.faults.http1 import Head


@dataclass(frozen=True)
class Match:
    """Requests by regular expressions: of the whole method, of a part of the rest. What is empty matches everything.

    The path and the query are searched as they were sent, percent signs and all. A header that is absent is "".
    """

    method: str = ""
    path: str = ""
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    def fits(self, head: Head) -> bool:
        path, _, query = head.target.partition("?")
        return (
            re.fullmatch(self.method or ".*", head.method) is not None
            and re.search(self.path, path) is not None
            and re.search(self.query, query) is not None
            and all(re.search(pattern, head.get(name)) for name, pattern in self.headers.items())
        )


@dataclass(frozen=True)
class Delay:
    """The request waits before it is forwarded."""

    seconds: float


@dataclass(frozen=True)
class Answer:
    """This instead of forwarding; the request's body is read and thrown away."""

    status: int
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Drop:
    """The connection is reset before a byte of the answer."""


@dataclass(frozen=True)
class LoseAnswer:
    """The request has its effect, but the connection is reset before a byte of the answer."""


@dataclass(frozen=True)
class CutRequest:
    """Both connections are reset after so many bytes of the request's body. Not for bodies that are shorter."""

    after: int


@dataclass(frozen=True)
class Reset:
    """The connection is reset (TCP RST) when the client has got so many bytes of the body. Not for shorter bodies."""

    after: int


@dataclass(frozen=True)
class Truncate:
    """The connection is closed in good order after so many bytes of the body. Not for shorter bodies."""

    after: int


@dataclass(frozen=True)
class SlowHead:
    """The answer's head arrives at this speed."""

    bytes_per_second: float = 1


@dataclass(frozen=True)
class SlowBody:
    """The answer's body arrives at this speed."""

    bytes_per_second: float


@dataclass(frozen=True)
class SetHeaders:
    """These headers of the answer are replaced or added; `remove` are taken away. The body stays."""

    headers: Mapping[str, str] = field(default_factory=dict)
    remove: tuple[str, ...] = ()


@dataclass(frozen=True)
class WrongLength:
    """Content-Length is wrong by `difference`; the body comes whole, then the connection is closed."""

    difference: int


@dataclass(frozen=True)
class WrongRange:
    """Content-Range says another start and end, and another size of the whole. Only for answers that have one."""

    shift: int = 0
    size_difference: int = 0


@dataclass(frozen=True)
class IgnoreRange:
    """The whole object with status 200. Only for a Range header that is not signed."""


@dataclass(frozen=True)
class Chunked:
    """The body comes in chunks, without Content-Length."""


@dataclass(frozen=True)
class ReplaceBody:
    """The request has its effect, but this is the answer's body. The status stays."""

    body: str


Action: TypeAlias = (
    Delay
    | Answer
    | Drop
    | LoseAnswer
    | CutRequest
    | Reset
    | Truncate
    | SlowHead
    | SlowBody
    | SetHeaders
    | WrongLength
    | WrongRange
    | IgnoreRange
    | Chunked
    | ReplaceBody
)
ACTIONS: dict[str, type[Action]] = {kind.__name__: kind for kind in Action.__args__}


@dataclass(frozen=True)
class Rule:
    """After `skip` matching requests, the action for the next `times` of them; None is for all."""

    action: Action
    match: Match = Match()
    times: int | None = None
    skip: int = 0

    def to_json(self) -> dict[str, Any]:
        return {
            "action": {"kind": type(self.action).__name__, **asdict(self.action)},
            "match": asdict(self.match),
            "times": self.times,
            "skip": self.skip,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Rule:
        """Raises TypeError, KeyError or ValueError for what is no rule."""
        arguments = dict(value["action"])
        action = ACTIONS[arguments.pop("kind")](**arguments)
        match = Match(**value["match"])
        for pattern in (match.method, match.path, match.query, *match.headers.values()):
            re.compile(pattern)
        return cls(action, match, value["times"], value["skip"])


@dataclass(frozen=True)
class Shape:
    """For every request: a wait before it is forwarded, and for every connection a speed in each direction."""

    latency_seconds: float = 0
    bytes_per_second: float | None = None


@dataclass
class Exchange:
    """A request that the proxy saw and how it ended. Times are seconds since the epoch, `end` 0 while it lasts.

    `rule` is the number of the rule that acted on it. `status` is 0 if no answer was begun, `response_bytes` counts
    the body alone. `outcome` is "ok" or tells what ended the exchange.
    """

    connection: int
    method: str
    path: str
    query: str
    range: str
    if_match: str
    start: float
    end: float = 0
    status: int = 0
    request_bytes: int = 0
    response_bytes: int = 0
    rule: int | None = None
    outcome: str = ""


_SECRETS = {"x-amz-signature", "x-amz-credential", "x-amz-security-token"}


def cut_signatures(query: str) -> str:
    """The query without what authorises it."""
    parts = [part.partition("=") for part in query.split("&")] if query else []
    return "&".join(
        f"{name}=…" if urllib.parse.unquote(name).lower() in _SECRETS else f"{name}{equals}{value}"
        for name, equals, value in parts
    )
