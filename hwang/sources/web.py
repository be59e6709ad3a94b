"""Objects behind web addresses: the parts of an address, and the redirects that it leads to."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urljoin, urlsplit

from hwang.errors import SourceError
from hwang.sources import proxies
from hwang.sources.connection import POOL, PORTS, Connection, Pool, Server
from hwang.sources.faults import Fault, MakeError, source_error
from hwang.sources.origin import Refusal, Request
from hwang.sources.remote import RemoteSource

MAX_REDIRECTS: Final = 4
_REDIRECTS: Final = frozenset([301, 302, 303, 307, 308])
_RETURN_SECONDS: Final = 60.0
_AS_IT_IS: Final = "!$%&'()*+,/:;=?@[]~"  # in a path with its query


@dataclass(frozen=True)
class Target:
    """The target of a request.

    `host` is in lower case, an IP address in its one canonical form and without brackets. `path` holds the query.
    `shown` is the address for messages, without query and fragment.
    """

    scheme: str
    host: str
    port: int
    path: str
    shown: str

    @property
    def server(self) -> Server:
        """The server to connect to."""
        return Server(self.scheme, self.host, self.port)

    @property
    def url(self) -> str:
        """The whole address with its query: not for messages."""
        return f"{self.scheme}://{self.server.authority}{self.path}"


class WebOrigin(ABC):
    """An object behind a web address. Subclasses say which redirects may be followed, and connect."""

    version = ""

    def __init__(self, target: Target, pool: Pool, make_error: MakeError) -> None:
        self.shown = target.shown
        self.pool = pool
        self._make_error = make_error
        self._redirects = 0
        self._go_to(target)

    def request(self) -> Request:
        """Return the request to the current target."""
        return self._request

    def follow(self, refusal: Refusal) -> bool:
        """Follow a redirect. Raises errors of `redirected`, and after too many of them."""
        if refusal.request is not self._request:
            return True  # another thread has followed it
        if refusal.status not in _REDIRECTS:
            return self._start_again()
        self._redirects += 1
        if self._redirects > MAX_REDIRECTS:
            message = f"{self.shown} redirects more than {MAX_REDIRECTS} times"
            raise self._make_error(Fault.BLOCKED, message, self.shown)
        self._go_to(self.redirected(self._target, refusal.headers.get("Location", "")))
        return True

    def _go_to(self, target: Target) -> None:
        self._target = target
        self._request = self.request_to(target)

    def request_to(self, target: Target) -> Request:
        """Return the request to a target, or to the proxy of its server."""
        path, headers = proxies.request_to(target.server, target.path)
        return Request(target.server, path, headers)

    def _start_again(self) -> bool:
        """Return to the first target if that may help."""
        return False

    @abstractmethod
    def redirected(self, source: Target, location: str) -> Target:
        """Return the target of a redirect, whose location may be relative. Raises an error if it is not allowed."""

    @abstractmethod
    def connect(self, server: Server) -> Connection:
        """Open a connection to the server of a request. Raises OSError."""


class OpenOrigin(WebOrigin):
    """Any address of any server, through the proxies that the environment names; user name and password are sent."""

    def __init__(self, url: str) -> None:
        self._start = _target(url)
        self._headers = proxies.credentials("Authorization", url)
        self._may_return_at = 0.0
        super().__init__(self._start, POOL, source_error)

    def request_to(self, target: Target) -> Request:
        """Return the request to a target; the password is for the first one's server only."""
        request = super().request_to(target)
        if target.server != self._start.server:
            return request
        return Request(request.server, request.path, {**request.headers, **self._headers})

    def redirected(self, source: Target, location: str) -> Target:
        """Return the target of a redirect. Raises SourceError for one from https to http."""
        target = _target(location, source.url)
        if not location or (source.scheme == "https" and target.scheme != "https"):
            raise SourceError(f"{self.shown} redirects to {target.shown if location else 'nowhere'}: not followed")
        return target

    def connect(self, server: Server) -> Connection:
        """Open a connection to a server, or to its proxy. Raises OSError."""
        return proxies.connect(server)

    def _start_again(self) -> bool:
        """The address that a redirect led to may have expired."""
        if self._target is self._start or time.monotonic() < self._may_return_at:
            return False
        self._may_return_at, self._redirects = time.monotonic() + _RETURN_SECONDS, 0
        self._go_to(self._start)
        return True


def open_web(url: str) -> RemoteSource:
    """Return the source at an https:// or http:// address. Raises SourceError if it is malformed."""
    return RemoteSource(OpenOrigin(url), source_error)


def _target(url: str, base: str = "") -> Target:
    try:
        parts = urlsplit(urljoin(base, url))
        host, port = (parts.hostname or "").encode("idna").decode(), parts.port or PORTS[parts.scheme]
        if not host:
            raise ValueError
    except (ValueError, KeyError):
        raise SourceError("the address is malformed, or none of https:// and http://") from None
    path = quote(parts.path or "/", safe=_AS_IT_IS)
    shown = f"{parts.scheme}://{Server(parts.scheme, host, port).authority}{path}"
    query = f"?{quote(parts.query, safe=_AS_IT_IS)}" if parts.query else ""
    return Target(parts.scheme, host, port, path + query, shown)
