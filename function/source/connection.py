"""HTTP connections with a time limit for headers and bodies, also against servers that send a byte at a time."""

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
MAX_IDLE: Final = 8
MAX_IDLE_SECONDS: Final = 10.0

_USER_AGENT: Final = "hwang-lambda"


class _Timed:
    """Mixin: reads raise TimeoutError after `expires` on the monotonic clock."""

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
    """Open a TCP connection to exactly this address. Raises OSError."""
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
    """Start TLS on the connection and check its certificate against `host`. Raises ssl.SSLError, OSError."""
    try:
        secured = context.wrap_socket(connection, server_hostname=host)
    except BaseException:
        connection.close()
        raise
    assert isinstance(secured, TimedTlsSocket)
    return secured


def tls_context(authorities: str | None = None) -> ssl.SSLContext:
    """Return a context that trusts the system's authorities, or those of the file `authorities`."""
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
        """Send a GET and return the answer's head. Raises TimeoutError after STALL_SECONDS or at `expires`."""
        self._extend(expires)
        self._http.putrequest("GET", path, skip_host=True)
        for name, value in {"Host": self._host, "User-Agent": _USER_AGENT, **headers}.items():
            self._http.putheader(name, value)
        self._http.endheaders()
        return self._http.getresponse()

    def read_into(self, answer: http.client.HTTPResponse, view: memoryview, expires: float) -> int:
        """Read at most BLOCK_BYTES of the body into `view`; return their number, 0 at the end."""
        self._extend(expires)
        return answer.readinto(view[:BLOCK_BYTES])

    def abort(self) -> None:
        """Interrupt a read in another thread."""
        with contextlib.suppress(OSError):
            self._transport.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def _extend(self, expires: float) -> None:
        self._transport.expires = min(expires, time.monotonic() + STALL_SECONDS)


class Pool:
    """Keeps idle connections to one server for reuse while they are likely to be alive. Thread-safe."""

    def __init__(self, open_connection: Callable[[], Connection]) -> None:
        self._open = open_connection
        self._lock = threading.Lock()
        self._idle: list[tuple[float, Connection]] = []

    def take(self) -> tuple[Connection, bool]:
        """Return a connection and True if it has been used before. Raises the errors of opening one."""
        stale: list[Connection] = []
        found: Connection | None = None
        with self._lock:
            while self._idle and found is None:
                since, connection = self._idle.pop()
                # Wall-clock time: the monotonic clock may stand still while Lambda freezes the function.
                if abs(time.time() - since) < MAX_IDLE_SECONDS:
                    found = connection
                else:
                    stale.append(connection)
        for connection in stale:
            connection.close()
        return (found, True) if found else (self._open(), False)

    def give_back(self, connection: Connection) -> None:
        """Keep a connection for reuse; its last answer must have been read to the end."""
        with self._lock:
            if len(self._idle) < MAX_IDLE:
                self._idle.append((time.time(), connection))
                return
        connection.close()

    def close(self) -> None:
        """Close the idle connections."""
        with self._lock:
            idle, self._idle = self._idle, []
        for _, connection in idle:
            connection.close()
