"""An upstream on the loopback interface: a directory of real files behind HTTP, and a registry that wants a token."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

TOKEN = "anonymous"  # noqa: S105 - what anyone is given


@dataclass
class Upstream:
    """What is served and what was asked: the files below `root`, their directories as web servers list them."""

    root: Path
    url: str = ""
    manifests: dict[str, bytes] = field(default_factory=dict)  # NAME:TAG
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
        if self.path.startswith("/v2/"):
            self._registry()
        elif self.path.startswith("/token?"):
            self._answer(200, json.dumps({"token": TOKEN}).encode())
        elif self.path in self._upstream.truncated:
            content = (self._upstream.root / self.path[1:]).read_bytes()
            self._answer(200, content[: len(content) // 2], announced=len(content))
        else:
            super().do_GET()

    def _registry(self) -> None:
        name, _, tag = self.path.removeprefix("/v2/").partition("/manifests/")
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            scope = f'realm="{self._upstream.url}/token",service="registry",scope="repository:{name}:pull"'
            self._answer(401, b"{}", challenge=f"Bearer {scope}")
            return
        manifest = self._upstream.manifests.get(f"{name}:{tag}")
        self._answer(200 if manifest else 404, manifest or b"{}")

    def _answer(self, status: int, body: bytes, announced: int | None = None, challenge: str = "") -> None:
        self.send_response(status)
        if challenge:
            self.send_header("WWW-Authenticate", challenge)
        self.send_header("Content-Length", str(len(body) if announced is None else announced))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass
