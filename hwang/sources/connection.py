"""HTTP connections with a time limit for headers and bodies, also against servers that send a byte at a time."""

from __future__ import annotations

import contextlib
import functools
import http.client
import math
import os
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

CONNECT_SECONDS: Final = 3.0
STALL_SECONDS: Final = 3.0
BLOCK_BYTES: Final = 64 * 1024  # of a body, within STALL_SECONDS
MAX_IDLE: Final = 8
MAX_IDLE_SECONDS: Final = 10.0
PORTS: Final = {"https": 443, "http": 80}

_USER_AGENT: Final = "hwang"

SocketAddress = tuple[socket.AddressFamily, tuple[Any, ...]]


class Server(NamedTuple):
    """A scheme, a host (an IPv6 address without brackets) and a port."""

    scheme: str
    host: str
    port: int

    @property
    def authority(self) -> str:
        """The value of the Host header: with the port only if it is not the scheme's default."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


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


def connect(addresses: Iterable[SocketAddress]) -> TimedSocket:
    """Open a TCP connection to the first of exactly these addresses that accepts one. Raises OSError."""
    failure: OSError = OSError("the name has no address")
    for family, address in addresses:
        connection = TimedSocket(family, socket.SOCK_STREAM)
        try:
            connection.settimeout(CONNECT_SECONDS)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.connect(address)
        except OSError as error:
            connection.close()
            failure = error
            continue
        except BaseException:
            connection.close()
            raise
        return connection
    raise failure


def lookup(host: str, port: int) -> list[SocketAddress]:
    """Return the addresses of a host, in the resolver's order. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [(family, address) for family, _, _, _, address in found]


def secure(connection: TimedSocket, host: str, authorities: str | None = None) -> TimedTlsSocket:
    """Start TLS on the connection and check its certificate against `host`. Raises ssl.SSLError, OSError.

    authorities: a file of certificates to trust instead of the system's (SSL_CERT_FILE and SSL_CERT_DIR name others).
    """
    try:
        secured = _tls(authorities).wrap_socket(connection, server_hostname=host)
    except BaseException:
        connection.close()
        raise
    assert isinstance(secured, TimedTlsSocket)
    return secured


@functools.cache
def _tls(authorities: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=authorities)
    context.sslsocket_class = TimedTlsSocket
    return context


class Connection:
    """One HTTP/1.1 connection, for one request at a time. `host` is the value of the Host header."""

    def __init__(self, transport: TimedSocket | TimedTlsSocket, host: str) -> None:
        self._transport = transport
        self._host = host
        self._http = http.client.HTTPConnection("-")
        self._http.auto_open = 0
        self._http.sock = transport

    @classmethod
    def to(cls, server: Server, addresses: Iterable[SocketAddress], authorities: str | None = None) -> Connection:
        """Connect to a server at the first of these addresses that accepts. Raises OSError."""
        transport, tls = connect(addresses), server.scheme == "https"
        return cls(secure(transport, server.host, authorities) if tls else transport, server.authority)

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
    """Keeps idle connections, MAX_IDLE in all, for reuse while they are likely to be alive. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[tuple[float, Server, Connection]] = []  # the oldest first

    def take(self, server: Server) -> Connection | None:
        """Return the connection to this server that was used last, if there is one."""
        found: Connection | None = None
        with self._lock:
            # Wall-clock time: the monotonic clock may stand still while Lambda freezes the function.
            now = time.time()
            stale = [entry for entry in self._idle if abs(now - entry[0]) >= MAX_IDLE_SECONDS]
            self._idle = [entry for entry in self._idle if abs(now - entry[0]) < MAX_IDLE_SECONDS]
            for at in reversed(range(len(self._idle))):
                if self._idle[at][1] == server:
                    found = self._idle.pop(at)[2]
                    break
        for _, _, connection in stale:
            connection.close()
        return found

    def give_back(self, server: Server, connection: Connection) -> None:
        """Keep a connection for reuse; its last answer must have been read to the end."""
        with self._lock:
            self._idle.append((time.time(), server, connection))
            oldest = self._idle.pop(0)[2] if len(self._idle) > MAX_IDLE else None
        if oldest:
            oldest.close()

    def close(self, server: Server | None = None) -> None:
        """Close the idle connections to this server, or to all."""
        with self._lock:
            closed = [entry for entry in self._idle if server in (None, entry[1])]
            self._idle = [entry for entry in self._idle if entry not in closed]
        for _, _, connection in closed:
            connection.close()

    def forget(self) -> None:
        """Leave the connections to the parent process: called in a forked child."""
        idle, self._lock, self._idle = self._idle, threading.Lock(), []
        for _, _, connection in idle:
            connection.close()


POOL: Final = Pool()
"""Connections of the process, kept between videos: a handshake costs more than a small read."""

os.register_at_fork(after_in_child=POOL.forget)
