"""HTTP/1.1 on a free port of the loopback interface: a thread for each connection, and resets on command."""

from __future__ import annotations

import os
import socket
import struct
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from tests.support.aws.errors import BrokenError
from tests.support.aws.messages import Reply, Request

_POLL_SECONDS: Final = 0.02
_RESET: Final = struct.pack("ii", 1, 0)  # linger for no time


class Server(ThreadingHTTPServer):
    """Answers until it is closed. What goes wrong in `handle` itself is told to `complain`."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, handle: Callable[[Request], Reply], complain: Callable[[str], object]) -> None:
        self.handle = handle
        self.complain = complain
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), Connection)
        self._thread = threading.Thread(target=self.serve_forever, args=(_POLL_SECONDS,), name="aws", daemon=True)
        self._thread.start()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - http.server's names
        if not isinstance(sys.exception(), OSError):  # clients that go away are no error
            self.complain(traceback.format_exc())

    def close(self) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()
        for request in [*self._open]:
            with suppress(OSError):  # gone already
                request.shutdown(socket.SHUT_RDWR)


class Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: Server

    def _do(self) -> None:
        path, _, query = self.path.partition("?")
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, path, query, headers, self._body())
        try:
            reply = self.server.handle(request)
        except BrokenError:
            self._reset()
            return
        self.send_response(reply.status)
        length = {} if "Content-Length" in reply.headers or reply.status == 204 else {"Content-Length": len(reply.body)}
        for name, value in {**reply.headers, **length}.items():
            self.send_header(name, str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)
        self.wfile.flush()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _do  # noqa: N815 - http.server's names

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = bytearray()
        while size := int(self.rfile.readline().partition(b";")[0] or b"0", 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():  # trailers
            pass
        return bytes(body)

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.close_connection = True
        os.close(self.connection.detach())

    def handle_expect_100(self) -> bool:
        going_on = super().handle_expect_100()
        self.wfile.flush()
        return going_on

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        pass  # calls are logged by what they mean
