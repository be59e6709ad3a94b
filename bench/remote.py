"""A file behind HTTP, as few bytes of which as possible are to be read: a server that counts, and what must be read."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import BinaryIO

CHUNK = 1 << 16


@dataclass
class Served:
    """A served file: its address, and counts of the requests and bytes that clients got."""

    url: str
    requests: int = 0
    sent_bytes: int = 0


@contextmanager
def range_server(file: Path) -> Iterator[Served]:
    """Serves the file on the loopback interface: HEAD and GET, with or without a range."""
    size, lock = file.stat().st_size, threading.Lock()

    class Handler(SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def send_head(self) -> BinaryIO:
            """Answers with headers; returns the file at the first byte asked for, and remembers the last."""
            with lock:
                served.requests += 1
            asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
            start = int(asked[1]) if asked else 0
            self.end = min(int(asked[2]) + 1, size) if asked and asked[2] else size
            self.send_response(206 if asked else 200)
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Length", str(self.end - start))
            if asked:
                self.send_header("Content-Range", f"bytes {start}-{self.end - 1}/{size}")
            if self.close_connection:  # a client that asked for it and is not told may go on asking here
                self.send_header("Connection", "close")
            self.end_headers()
            stream = file.open("rb")
            stream.seek(start)
            return stream

        def copyfile(self, source: BinaryIO, outputfile: BinaryIO) -> None:  # type: ignore[override]
            """Sends the bytes that were asked for, as long as the client takes them."""
            try:
                while chunk := source.read(min(CHUNK, self.end - source.tell())):
                    outputfile.write(chunk)
                    with lock:
                        served.sent_bytes += len(chunk)
            except OSError:  # the client has had enough
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Nothing is logged."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = False  # so that all is counted when the server is closed
        served = Served(f"http://127.0.0.1:{server.server_port}/{file.name}")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield served
        server.shutdown()


def index_bytes(file: Path) -> int:
    """Bytes of an MP4 file that are not in its mdat box, but for that box's header."""
    total, position = 0, 0
    with file.open("rb") as stream:
        while header := stream.read(16):
            size, kind = int.from_bytes(header[:4]), header[4:8]
            if size == 1:
                size = int.from_bytes(header[8:16])
            total += len(header) if kind == b"mdat" else size
            position += size
            stream.seek(position)
    return total
