"""HTTP's messages, whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Request:
    """`path` and `query` are as they were sent, percent signs and all; names of headers are in lower case."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def target(self) -> str:
        return f"{self.path}?{self.query}" if self.query else self.path


@dataclass
class Reply:
    """The length is told by the server, unless `headers` have it: the answer to HEAD has a length without a body."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
