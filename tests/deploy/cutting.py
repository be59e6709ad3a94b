"""The engine's socket at another path, and a cut in what it answers."""

from __future__ import annotations

import os
import socket
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

_ENGINE = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://")


class CutEngine:
    """Relays connections to the engine until, once, an answer has gone on for too long."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._left: int | None = None
        self._listener = socket.socket(socket.AF_UNIX)

    def cut_after(self, count: int) -> None:
        """Closes the connection on which this many bytes more have been answered; later ones are whole again."""
        self._left = count

    def __enter__(self) -> Self:
        self._listener.bind(str(self.path))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            engine = socket.socket(socket.AF_UNIX)
            engine.connect(_ENGINE)
            threading.Thread(target=self._relay, args=(client, engine, False), daemon=True).start()
            threading.Thread(target=self._relay, args=(engine, client, True), daemon=True).start()

    def _relay(self, source: socket.socket, sink: socket.socket, counted: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if counted and self._left is not None:
                    self._left -= len(data)
                    if self._left < 0:
                        self._left = None
                        break
                sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        if counted:
            source.close()
            sink.close()
