"""The place of a remote object: what is sent there, and what its server's refusals mean."""

from __future__ import annotations

import html
import http.client
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from hwang.sources.connection import Connection, Pool, Server
from hwang.sources.faults import Fault, classify

_CODE, _MESSAGE = re.compile(rb"<Code>([\w.]+)</Code>"), re.compile(rb"<Message>([^<]*)</Message>")
_REGION = re.compile(rb"<Region>([^<]*)</Region>|expecting (?:'|&apos;|&#39;)([^'&]*)")
_REGION_NAME = re.compile(r"[a-z0-9-]{1,63}")


@dataclass(frozen=True)
class Request:
    """The target of a GET: a server, path with query, and headers beside Range and If-Match."""

    server: Server
    path: str
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Refusal:
    """An HTTP answer without the requested bytes."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes  # the first few kilobytes
    request: Request

    @property
    def fault(self) -> tuple[Fault, str]:
        """The fault that it means, by S3's error code if the body has one, and its cause."""
        code, message = _CODE.search(self.body), _MESSAGE.search(self.body)
        stated = html.unescape(message[1].decode(errors="replace")) if message else ""
        deleted = self.headers.get("x-amz-delete-marker") == "true"
        return classify(code[1].decode() if code else "", stated, self.status, deleted=deleted)

    @property
    def region(self) -> str | None:
        """The region in which S3 says that the bucket is; None if it says nothing."""
        found = _REGION.search(self.body)
        stated = self.headers.get("x-amz-bucket-region") or (found and (found[1] or found[2]).decode(errors="replace"))
        return stated if stated and _REGION_NAME.fullmatch(stated) else None


class Origin(Protocol):
    """The place of an object; `request` and `follow` are called by one thread at a time."""

    shown: str  # in messages, without secrets
    version: str  # before it in some messages, or empty
    pool: Pool

    def request(self) -> Request:
        """Return what to send."""
        ...

    def connect(self, server: Server) -> Connection:
        """Open a connection to the server of a request. Raises OSError."""
        ...

    def follow(self, refusal: Refusal) -> bool:
        """Follow a redirect or renew the request; return True if it shall be sent again."""
        ...
