"""A web server for tests: files with ranges and ETags over HTTP and HTTPS, and a set of bad habits, by path.

python -m tests.support.faults.web --certificates DIR --host web --port http=8000 --port good=8443 --port control=8001 …

A port's kind is `http`, `canary`, `control` or the name of a certificate (authority.py makes them into DIR).

/files/NAME        ranges, strong ETag, If-Match, If-Range
/no-ranges/NAME    200 to a ranged request       /no-etag/NAME, /weak-etag/NAME    without one; with W/
/chunked/NAME      without a length              /head-lies/NAME?size=N            HEAD alone says this size
/endless           zeros without end             /redirect?to=URL&status=302&hops=1; /redirect/loop, /empty, /none
/status/CODE       that status                   /canary                           what nobody should ask for

At the control port: PUT /files/NAME stores a file; GET /counts tells {connections by kind, requests, canary};
DELETE /counts starts anew. Every request at a canary port is a hit of the canary.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import socket
import ssl
import threading
import urllib.parse
from collections import Counter
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.support.faults import authority


@dataclass
class Site:
    """The files, and what was counted."""

    files: dict[str, bytes] = field(default_factory=dict)
    connections: Counter[str] = field(default_factory=Counter)
    requests: list[dict[str, str]] = field(default_factory=list)
    canary: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def counts(self) -> dict[str, object]:
        with self.lock:
            return {"connections": dict(self.connections), "requests": list(self.requests), "canary": self.canary}

    def reset(self) -> None:
        with self.lock:
            self.connections.clear()
            self.requests.clear()
            self.canary = 0


class Server(ThreadingHTTPServer):
    """One port of the site. With a certificate, TLS is spoken in the connection's own thread."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], kind: str, site: Site, certificate: Path | None = None) -> None:
        self.kind = kind
        self.site = site
        self.tls: ssl.SSLContext | None = None
        if certificate:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(certificate)
        super().__init__(address, Habits)

    def finish_request(self, request: Any, client_address: Any) -> None:
        with self.site.lock:
            self.site.connections[self.kind] += 1
        try:
            wrapped = self.tls.wrap_socket(request, server_side=True) if self.tls else request
            with wrapped:
                super().finish_request(wrapped, client_address)
        except OSError:
            pass  # the client went away, or does not trust the certificate

    def shutdown_request(self, request: Any) -> None:
        request.close()


class Habits(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def do_GET(self) -> None:
        address = urllib.parse.urlsplit(self.path)
        if self.server.kind == "control":
            self._control(address.path)
        else:
            self._count(address.path)
            self._visit(address.path, dict(urllib.parse.parse_qsl(address.query, keep_blank_values=True)))

    do_HEAD = do_GET  # noqa: N815 - http.server's name
    do_DELETE = do_GET  # noqa: N815

    def do_PUT(self) -> None:
        data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.server.kind != "control":
            return self._reply(HTTPStatus.METHOD_NOT_ALLOWED)
        self.server.site.files[urllib.parse.unquote(self.path.removeprefix("/files/"))] = data
        return self._reply(HTTPStatus.CREATED)

    def _count(self, path: str) -> None:
        site, kind = self.server.site, self.server.kind
        ranged = self.headers.get("Range", "")
        with site.lock:
            seen = {"kind": kind, "method": self.command, "path": self.path, "range": ranged}
            site.requests.append({**seen, "host": self.headers["Host"], "token": self.headers.get("X-Token", "")})
            site.canary += kind == "canary" or path == "/canary"

    def _visit(self, path: str, query: dict[str, str]) -> None:
        habit, _, name = path.removeprefix("/").partition("/")
        data = self.server.site.files.get(urllib.parse.unquote(name))
        match habit:
            case "canary" | "status":
                self._reply(HTTPStatus(int(name) if name.isdecimal() else 200), b"seen\n")
            case "redirect":
                self._redirect(name, query)
            case "endless":
                self._endless()
            case _ if data is not None:
                self._file(habit, data, query)
            case _:
                self._reply(HTTPStatus.NOT_FOUND, b"not here\n")

    def _control(self, path: str) -> None:
        if path != "/counts":
            return self._reply(HTTPStatus.NOT_FOUND)
        if self.command == "DELETE":
            self.server.site.reset()
        return self._reply(HTTPStatus.OK, json.dumps(self.server.site.counts()).encode())

    def _file(self, habit: str, data: bytes, query: dict[str, str]) -> None:
        etag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
        headers = {"Content-Type": "video/mp4", "Accept-Ranges": "bytes", "ETag": etag}
        match habit:
            case "no-ranges" | "chunked":
                del headers["Accept-Ranges"]
                return self._reply(HTTPStatus.OK, data, headers, chunked=habit == "chunked")
            case "no-etag":
                del headers["ETag"]
            case "weak-etag":
                headers["ETag"] = f"W/{etag}"
            case "head-lies" if self.command == "HEAD":
                return self._reply(HTTPStatus.OK, b"", headers | {"Content-Length": query["size"]})
        if self.headers.get("If-Match", etag) not in (etag, "*"):
            return self._reply(HTTPStatus.PRECONDITION_FAILED)
        span = self._span(len(data)) if self.headers.get("If-Range", etag) == etag else None
        if span is None:
            return self._reply(HTTPStatus.OK, data, headers)
        if not span:
            return self._reply(
                HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, b"", {"Content-Range": f"bytes */{len(data)}"}
            )
        headers["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{len(data)}"
        return self._reply(HTTPStatus.PARTIAL_CONTENT, data[span.start : span.stop], headers)

    def _span(self, size: int) -> range | None:
        """What is asked for: empty if there is nothing there, None for the whole, as for what is no single range."""
        match = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        if not match or match[0] == "bytes=-":
            return None
        if not match[1]:
            return range(max(size - int(match[2]), 0), size)
        return range(int(match[1]), min(int(match[2]) + 1 if match[2] else size, size))

    def _redirect(self, name: str, query: dict[str, str]) -> None:
        hops, to = int(query.get("hops", 1)), query.get("to", "/files/")
        more = urllib.parse.urlencode({"hops": hops - 1, "to": to})
        location = {"loop": "/redirect/loop", "empty": "", "none": None}.get(
            name, f"/redirect?{more}" if hops > 1 else to
        )
        self._reply(HTTPStatus(int(query.get("status", 302))), b"", {} if location is None else {"Location": location})

    def _endless(self) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while self.command != "HEAD":
            self._chunk(b"\0" * 65536)

    def _reply(
        self, status: HTTPStatus, data: bytes = b"", headers: dict[str, str] | None = None, chunked: bool = False
    ) -> None:
        length = {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": str(len(data))}
        self.send_response(status)
        for name, value in (length | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if chunked:
            for start in range(0, len(data), 65536):
                self._chunk(data[start : start + 65536])
            self._chunk(b"")
        else:
            self.wfile.write(data)

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        pass  # what matters is counted


def start(certificates: Path, hosts: list[str], ports: dict[str, int], interface: str = "") -> dict[str, Server]:
    """The servers by kind, each answering in a thread of its own."""
    authority.make(certificates, hosts)
    site, servers = Site(), {}
    for kind, port in ports.items():
        certificate = None if kind in ("http", "canary", "control") else certificates / f"{kind}.pem"
        servers[kind] = Server((interface, port), kind, site, certificate)
        threading.Thread(target=servers[kind].serve_forever, name=kind).start()
    return servers


def _port(text: str) -> tuple[str, int]:
    kind, _, port = text.partition("=")
    return kind, int(port)


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.support.faults.web", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--certificates", type=Path, required=True, metavar="DIR")
    parser.add_argument("--host", action="append", required=True, help="a name that the certificates are for")
    parser.add_argument("--port", type=_port, action="append", required=True, metavar="KIND=PORT")
    options = parser.parse_args()
    servers = start(options.certificates, [*options.host, socket.gethostname()], dict(options.port))
    print(*(f"{kind}={server.server_address[1]}" for kind, server in servers.items()), flush=True)


if __name__ == "__main__":
    main()
