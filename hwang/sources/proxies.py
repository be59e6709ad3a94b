"""Connections through the proxies that the environment names: HTTPS_PROXY, HTTP_PROXY, NO_PROXY."""

from __future__ import annotations

import base64
import http.client
import time
import urllib.request
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final
from urllib.parse import unquote, urlsplit

from hwang.sources import connection
from hwang.sources.connection import STALL_SECONDS, Connection, Server, SocketAddress, TimedSocket, lookup, secure

_PORT: Final = 8080
_PASSING: Final = frozenset([429, 500, 502, 503, 504])  # of a proxy that does not reach the server now


class ProxyRefusal(Exception):  # noqa: N818 - becomes the error of the video
    """A proxy that will not open a connection, or that cannot be used. `cause` is its status, or "proxy"."""

    def __init__(self, message: str, cause: str = "proxy") -> None:
        super().__init__(message)
        self.cause = cause


class ProxyConnectionError(ConnectionError):
    """A proxy that is not there, or does not reach the server, at the moment."""


def connect(
    server: Server, authorities: str | None = None, addresses: Sequence[SocketAddress] | None = None
) -> Connection:
    """Open a connection to a server, for https by a tunnel through its proxy, which resolves the host name itself.

    addresses: those to connect to if there is no proxy, by default those of the server's host.
    Raises OSError, ProxyRefusal.
    """
    proxy = proxy_of(server)
    if not proxy:
        there = lookup(server.host, server.port) if addresses is None else addresses
        return Connection.to(server, there, authorities)
    parts = urlsplit(proxy)
    if parts.scheme != "http":
        raise ProxyRefusal(f"proxies are reached by http:// alone, not by {parts.scheme}://")
    try:
        transport = connection.connect(lookup(parts.hostname or "", parts.port or _PORT))
    except TimeoutError:
        raise
    except OSError as error:
        raise ProxyConnectionError(f"the proxy cannot be reached: {type(error).__name__}") from error
    if server.scheme != "https":
        return Connection(transport, server.authority)
    try:
        _open_tunnel(transport, server, credentials("Proxy-Authorization", proxy))
    except BaseException:
        transport.close()
        raise
    return Connection(secure(transport, server.host, authorities), server.authority)


def request_to(server: Server, path: str) -> tuple[str, dict[str, str]]:
    """Return the path to ask for, and headers: a proxy for http takes whole addresses."""
    proxy = proxy_of(server) if server.scheme == "http" else None
    return (f"http://{server.authority}{path}", credentials("Proxy-Authorization", proxy)) if proxy else (path, {})


def credentials(header: str, url: str) -> dict[str, str]:
    """Return a header with the address's user name and password, if it has them."""
    parts = urlsplit(url)
    if parts.username is None:
        return {}
    text = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return {header: f"Basic {base64.b64encode(text.encode()).decode()}"}


def proxy_of(server: Server) -> str | None:
    """Return the address of the proxy for a server; None if it is reached directly."""
    proxy = urllib.request.getproxies().get(server.scheme)
    if not proxy or urllib.request.proxy_bypass(server.authority):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _open_tunnel(transport: TimedSocket, server: Server, headers: Mapping[str, str]) -> None:
    place = f"{server.authority.removesuffix(f':{server.port}')}:{server.port}"
    lines = [f"CONNECT {place} HTTP/1.1", f"Host: {place}", *(f"{name}: {value}" for name, value in headers.items())]
    transport.expires = time.monotonic() + STALL_SECONDS
    transport.sendall("\r\n".join([*lines, "", ""]).encode())
    with http.client.HTTPResponse(transport, method="CONNECT") as answer:
        answer.begin()
        if answer.status in _PASSING:
            raise ProxyConnectionError(f"the proxy does not reach {place}: status {answer.status}")
        if answer.status != HTTPStatus.OK:
            cause = f"status {answer.status}"
            raise ProxyRefusal(f"the proxy refuses connections to {place} ({cause})", cause)
