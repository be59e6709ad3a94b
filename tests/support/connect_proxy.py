"""A proxy on the loopback interface: tunnels for CONNECT, and 404 for whole addresses."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class ConnectProxy:
    """A running proxy. `asked` has the request lines and passwords; `status` refuses tunnels unless it is 200.

    `hosts` are names that the proxy alone resolves.
    """

    asked: list[tuple[str, str | None]] = field(default_factory=list)
    hosts: Mapping[str, str] = field(default_factory=dict)
    status: int = 200
    url: str = ""


@contextmanager
def connect_proxy() -> Iterator[ConnectProxy]:
    """A proxy that runs inside the block."""
    proxy = ConnectProxy()

    class Handler(BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            proxy.asked.append((self.requestline, self.headers["Proxy-Authorization"]))
            if proxy.status != 200:
                self.send_error(proxy.status)
                return
            host, _, port = self.path.rpartition(":")
            with socket.create_connection((proxy.hosts.get(host, host), int(port))) as there:
                self.send_response(200)
                self.end_headers()
                back = threading.Thread(target=_pass_on, args=(there, self.connection))
                back.start()
                _pass_on(self.connection, there)
                back.join()

        def do_GET(self) -> None:
            proxy.asked.append((self.requestline, self.headers["Proxy-Authorization"]))
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        proxy.url = f"http://user:pw@127.0.0.1:{server.server_port}"
        yield proxy
        server.shutdown()
        thread.join()


def _pass_on(source: socket.socket, to: socket.socket) -> None:
    try:
        while data := source.recv(1 << 16):
            to.sendall(data)
        to.shutdown(socket.SHUT_WR)
    except OSError:
        pass
