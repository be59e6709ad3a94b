"""An HTTP server of one file, on the loopback interface, that counts requests and the bytes it sends."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self

CHUNK = 1 << 16


@dataclass
class Counters:
    requests: int = 0
    sent_bytes: int = 0


class RangeServer:
    """While entered, `url` answers HEAD and GET, with or without a range."""

    def __init__(self, file: Path) -> None:
        self.counters = Counters()
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler(file))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/{file.name}"

    def reset(self) -> None:
        with self._lock:
            self.counters = Counters()

    def _count(self, requests: int = 0, sent_bytes: int = 0) -> None:
        with self._lock:
            self.counters.requests += requests
            self.counters.sent_bytes += sent_bytes

    def _handler(self, file: Path) -> type[BaseHTTPRequestHandler]:
        count, size = self._count, file.stat().st_size

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self) -> None:
                self._head()

            def do_GET(self) -> None:
                start, end = self._head()
                with file.open("rb") as stream:
                    stream.seek(start)
                    while start < end and (chunk := stream.read(min(CHUNK, end - start))):
                        try:
                            self.wfile.write(chunk)
                        except OSError:  # the client has had enough
                            self.close_connection = True
                            return
                        start += len(chunk)
                        count(sent_bytes=len(chunk))

            def _head(self) -> tuple[int, int]:
                count(requests=1)
                asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
                start = int(asked[1]) if asked else 0
                end = min(int(asked[2]) + 1, size) if asked and asked[2] else size
                self.send_response(206 if asked else 200)
                self.send_header("Accept-Ranges", "bytes")
                self.send_header("Content-Length", str(end - start))
                if asked:
                    self.send_header("Content-Range", f"bytes {start}-{end - 1}/{size}")
                if self.close_connection:  # as the client asked; one that is not told so may go on asking here
                    self.send_header("Connection", "close")
                self.end_headers()
                return start, end

            def log_message(self, *_: object) -> None:
                pass

        return Handler

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
