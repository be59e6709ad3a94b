"""An upstream on the loopback interface: a directory of real files behind HTTP."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass
class Upstream:
    """What is served and what was asked: the files below `root`, their directories as web servers list them."""

    root: Path
    url: str = ""
    truncated: set[str] = field(default_factory=set)  # paths of which half is sent
    asked: list[str] = field(default_factory=list)

    def put(self, path: str, content: bytes) -> bytes:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        return content


@contextmanager
def serve(root: Path) -> Iterator[Upstream]:
    upstream = Upstream(root)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, upstream))
    upstream.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield upstream
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(SimpleHTTPRequestHandler):
    def __init__(self, upstream: Upstream, *arguments: object) -> None:
        self._upstream = upstream
        super().__init__(*arguments, directory=str(upstream.root))  # type: ignore[arg-type]

    def do_GET(self) -> None:
        self._upstream.asked.append(self.path)
        if self.path in self._upstream.truncated:
            content = (self._upstream.root / self.path[1:]).read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2])
        else:
            super().do_GET()

    def log_message(self, *_: object) -> None:
        pass
