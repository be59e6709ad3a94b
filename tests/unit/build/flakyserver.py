"""An HTTP server for one object that serves it as told: well, badly, slowly, or not at all."""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close by a reset


@dataclass(frozen=True)
class Asked:
    """A request: its range (both ends included) and headers in lower case."""

    first: int
    last: int
    headers: dict[str, str]


Behaviour = Callable[["FlakyServer", socket.socket, Asked], bool]  # whether the connection goes on


@dataclass
class FlakyServer:
    """Listens on the loopback interface. The n-th request is answered by the n-th of `script`, later ones well."""

    content: bytes
    script: list[Behaviour] = field(default_factory=list)
    etag: str = '"one"'
    asked: list[Asked] = field(default_factory=list)
    connections: int = 0

    def __enter__(self) -> Self:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()
        self.drop_connections()

    @property
    def port(self) -> int:
        port: int = self._socket.getsockname()[1]
        return port

    def drop_connections(self) -> None:
        """As a server does with those that are idle for long."""
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._open.clear()

    def head(self, asked: Asked, status: str = "206 Partial Content", **changes: str) -> bytes:
        last = min(asked.last, len(self.content) - 1)
        headers = {
            "Content-Length": str(last - asked.first + 1),
            "Content-Range": f"bytes {asked.first}-{last}/{len(self.content)}",
            "ETag": self.etag,
        }
        headers |= {name.replace("_", "-"): value for name, value in changes.items()}
        lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers.items() if value)]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def body(self, asked: Asked) -> bytes:
        return self.content[asked.first : asked.last + 1]

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as lines:
            try:
                while (request := _read(lines)) is not None:
                    self.asked.append(request)
                    behaviour = self.script.pop(0) if self.script else well
                    if not behaviour(self, connection, request):
                        return
            except OSError:
                return


def _read(lines: object) -> Asked | None:
    head = list(iter(lambda: lines.readline().decode().strip(), ""))  # type: ignore[attr-defined]
    if not head:
        return None
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:])}
    span = re.fullmatch(r"bytes=(\d+)-(\d+)", headers["range"])
    assert span
    return Asked(int(span[1]), int(span[2]), headers)


def well(server: FlakyServer, connection: socket.socket, asked: Asked) -> bool:
    pinned = asked.headers.get("if-match", server.etag)
    if pinned != server.etag:
        connection.sendall(b"HTTP/1.1 412 Precondition Failed\r\nContent-Length: 0\r\n\r\n")
        return True
    if not server.content:
        connection.sendall(
            b"HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */0\r\nContent-Length: 0\r\n\r\n"
        )
        return True
    connection.sendall(server.head(asked) + server.body(asked))
    return True


def reset_after(count: int) -> Behaviour:
    """Sends `count` bytes of the body, then resets the connection."""

    def behave(server: FlakyServer, connection: socket.socket, asked: Asked) -> bool:
        connection.sendall(server.head(asked) + server.body(asked)[:count])
        time.sleep(0.01)  # a reset overtakes what is still on its way
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        return False

    return behave


def answer(status: str, body: bytes = b"", **headers: str) -> Behaviour:
    def behave(_: FlakyServer, connection: socket.socket, __: Asked) -> bool:
        lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        head = "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *lines])
        connection.sendall(head.encode() + b"\r\n\r\n" + body)
        return True

    return behave


def with_headers(status: str = "206 Partial Content", **changes: str) -> Behaviour:
    """Right but for some headers."""

    def behave(server: FlakyServer, connection: socket.socket, asked: Asked) -> bool:
        connection.sendall(server.head(asked, status, **changes) + server.body(asked))
        return False

    return behave


def drip(seconds: float, *, headers: bool) -> Behaviour:
    """A byte now and then, of the headers or of the body, until the other side has enough."""

    def behave(server: FlakyServer, connection: socket.socket, asked: Asked) -> bool:
        head = server.head(asked)
        if not headers:
            connection.sendall(head)
        for byte in head if headers else server.body(asked):
            connection.sendall(bytes([byte]))
            time.sleep(seconds)
        return False

    return behave
