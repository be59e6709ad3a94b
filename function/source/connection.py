"""HTTP connections that keep time: headers and bodies that only drip are given up, whatever a single read does."""

from __future__ import annotations

import contextlib
import http.client
import math
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

STALL_SECONDS: Final = 3.0
BLOCK_BYTES: Final = 64 * 1024  # of a body, within STALL_SECONDS
MOST_IDLE: Final = 8
MOST_IDLE_SECONDS: Final = 10.0

_USER_AGENT: Final = "hwang-lambda"


class _Timed:
    """Reads end with TimeoutError when `expires`, on the monotonic clock, has passed."""

    expires = math.inf

    def recv_into(self, *arguments: Any) -> int:
        left = self.expires - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer takes too long")
        self.settimeout(min(left, STALL_SECONDS))  # type: ignore[attr-defined]
        count: int = super().recv_into(*arguments)  # type: ignore[misc]
        return count


class TimedSocket(_Timed, socket.socket):
    """A TCP connection."""


class TimedTlsSocket(_Timed, ssl.SSLSocket):
    """A TLS connection."""


def connect(family: int, address: tuple[Any, ...], seconds: float) -> TimedSocket:
    """A TCP connection to exactly this address. Raises OSError."""
    connection = TimedSocket(family, socket.SOCK_STREAM)
    try:
        connection.settimeout(seconds)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.connect(address)
    except BaseException:
        connection.close()
        raise
    return connection


def secure(connection: TimedSocket, host: str, context: ssl.SSLContext) -> TimedTlsSocket:
    """The same connection with TLS, its certificate checked against `host`. Raises ssl.SSLError, OSError."""
    try:
        secured = context.wrap_socket(connection, server_hostname=host)
    except BaseException:
        connection.close()
        raise
    assert isinstance(secured, TimedTlsSocket)
    return secured


def tls_context(authorities: str | None = None) -> ssl.SSLContext:
    """Trusts the system's authorities, or those of the file `authorities`."""
    context = ssl.create_default_context(cafile=authorities)
    context.sslsocket_class = TimedTlsSocket
    return context


class Connection:
    """One HTTP/1.1 connection, for one request at a time."""

    def __init__(self, transport: TimedSocket | TimedTlsSocket, host: str) -> None:
        self._transport = transport
        self._host = host
        self._http = http.client.HTTPConnection("-")
        self._http.auto_open = 0
        self._http.sock = transport

    def get(self, path: str, headers: Mapping[str, str], expires: float) -> http.client.HTTPResponse:
        """The answer's head, which must be there within STALL_SECONDS and before `expires` (monotonic)."""
        self._extend(expires)
        self._http.putrequest("GET", path, skip_host=True)
        for name, value in {"Host": self._host, "User-Agent": _USER_AGENT, **headers}.items():
            self._http.putheader(name, value)
        self._http.endheaders()
        return self._http.getresponse()

    def read_into(self, answer: http.client.HTTPResponse, view: memoryview, expires: float) -> int:
        """Bytes read into `view`: a block of at most BLOCK_BYTES; 0 at the end of the body."""
        self._extend(expires)
        return answer.readinto(view[:BLOCK_BYTES])

    def abort(self) -> None:
        """Ends a read that is going on in another thread."""
        with contextlib.suppress(OSError):
            self._transport.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._http.close()

    def _extend(self, expires: float) -> None:
        self._transport.expires = min(expires, time.monotonic() + STALL_SECONDS)


class Pool:
    """Idle connections to one place, used again while they are likely to be alive. Any number of threads."""

    def __init__(self, open_connection: Callable[[], Connection]) -> None:
        self._open = open_connection
        self._lock = threading.Lock()
        self._idle: list[tuple[float, Connection]] = []

    def take(self) -> tuple[Connection, bool]:
        """A connection, and whether it has been used before. Raises what opening raises."""
        stale: list[Connection] = []
        found: Connection | None = None
        with self._lock:
            while self._idle and found is None:
                since, connection = self._idle.pop()
                # By the clock on the wall: the other one may stand still while Lambda freezes the function.
                if abs(time.time() - since) < MOST_IDLE_SECONDS:
                    found = connection
                else:
                    stale.append(connection)
        for connection in stale:
            connection.close()
        return (found, True) if found else (self._open(), False)

    def give_back(self, connection: Connection) -> None:
        """The last answer must have been read to its end."""
        with self._lock:
            if len(self._idle) < MOST_IDLE:
                self._idle.append((time.time(), connection))
                return
        connection.close()

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for _, connection in idle:
            connection.close()
