"""A web server on the loopback interface that answers as its script says: well, badly, slowly, or not at all."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close by a reset


@dataclass
class ArchiveServer:
    """The n-th request for a path is answered by the n-th entry of its script, later ones by the last."""

    context: ssl.SSLContext | None = None
    scripts: dict[str, Sequence[Answer]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)  # paths
    headers: list[dict[str, str]] = field(default_factory=list)  # names in lower case
    sent: threading.Event = field(default_factory=threading.Event)  # some of a body
    closing: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.url = f"{'https' if self.context else 'http'}://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.set()
        self._socket.close()

    def serve(self, path: str, *script: Answer) -> str:
        """The address of the path."""
        self.scripts[path] = script
        return self.url + path

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                threading.Thread(target=self._handle, args=(connection,), daemon=True).start()

    def _handle(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            if self.context:
                connection = self.context.wrap_socket(connection, server_side=True)
            with connection, connection.makefile("rb") as lines:
                head = list(iter(lambda: lines.readline().decode().strip(), ""))
                path = head[0].split()[1]
                self.asked.append(path)
                self.headers.append(
                    {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:])}
                )
                script = self.scripts[path]
                script[min(self.asked.count(path), len(script)) - 1](self, connection)


Answer = Callable[[ArchiveServer, socket.socket], None]


def answer(body: bytes, status: str = "200 OK", length: int | None = None, **headers: str) -> Answer:
    """`length` is what Content-Length says, if that is not the length of the body; -1 for none at all."""

    def send(_: ArchiveServer, connection: socket.socket) -> None:
        connection.sendall(_head(status, len(body) if length is None else length, headers) + body)

    return send


def reset_after(count: int, body: bytes) -> Answer:
    def send(server: ArchiveServer, connection: socket.socket) -> None:
        connection.sendall(_head("200 OK", len(body), {}) + body[:count])
        server.closing.wait(0.05)  # a reset overtakes what is still on its way
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)

    return send


def drip(body: bytes, *, headers: bool = False, pause: float = 0.02) -> Answer:
    """A byte now and then, of the headers or of the body, until the other side has enough."""

    def send(server: ArchiveServer, connection: socket.socket) -> None:
        head = _head("200 OK", len(body), {})
        if not headers:
            connection.sendall(head)
        for byte in head + body if headers else body:
            connection.sendall(bytes([byte]))
            server.sent.set()
            if server.closing.wait(pause):
                return

    return send


def silent(server: ArchiveServer, _: socket.socket) -> None:
    server.closing.wait(10)


def hang_up(_: ArchiveServer, __: socket.socket) -> None:
    """Closes without an answer."""


def chunks(*parts: bytes, end: bool) -> Answer:
    """The body in chunks, with the last one missing unless it is to `end`."""

    def send(_: ArchiveServer, connection: socket.socket) -> None:
        body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
        connection.sendall(
            _head("200 OK", -1, {"Transfer_Encoding": "chunked"}) + body + (b"0\r\n\r\n" if end else b"")
        )

    return send


def _head(status: str, length: int, headers: dict[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status}", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    if length >= 0:
        lines.append(f"Content-Length: {length}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
