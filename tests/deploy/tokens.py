"""A server of bearer tokens for docker-registry: signed as it wants them, for who knows the password."""

from __future__ import annotations

import base64
import json
import subprocess
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from tests.deploy.debianregistry import PASSWORD, USER
from tests.deploy.web import listening

_SERVICE = "tests"


@dataclass
class Tokens:
    """`granted` has the scopes of the tokens given so far; `certificates` is a directory made by authority.make."""

    certificates: Path
    port: int = 0
    granted: list[str] = field(default_factory=list)

    @property
    def auth(self) -> list[str]:
        """For the registry's configuration."""
        return [
            "token:",
            f"  realm: http://127.0.0.1:{self.port}/token",
            f"  service: {_SERVICE}",
            f"  issuer: {_SERVICE}",
            f"  rootcertbundle: {self.certificates / 'ca.crt'}",
        ]

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        basic = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(request.path).query))
        if request.headers["Authorization"] != f"Basic {basic}" or query.get("service") != _SERVICE:
            status, body = 401, b""
        else:
            self.granted.append(query["scope"])
            status, body = 200, json.dumps({"token": self._token(query["scope"])}).encode()
        request.send_response(status)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    def _token(self, scope: str) -> str:
        kind, name, actions = scope.split(":")
        now = int(time.time())
        certificate = "".join((self.certificates / "good.crt").read_text().splitlines()[1:-1])
        head = {"typ": "JWT", "alg": "ES256", "x5c": [certificate]}
        claims = {
            "iss": _SERVICE,
            "sub": USER,
            "aud": _SERVICE,
            "nbf": now - 5,
            "exp": now + 60,
            "jti": str(now),
            "access": [{"type": kind, "name": name, "actions": actions.split(",")}],
        }
        signed = f"{_encoded(json.dumps(head).encode())}.{_encoded(json.dumps(claims).encode())}"
        return f"{signed}.{_encoded(self._signature(signed.encode()))}"

    def _signature(self, data: bytes) -> bytes:
        """Two numbers of 32 bytes; openssl packs them into ASN.1."""
        command = ["openssl", "dgst", "-sha256", "-sign", str(self.certificates / "good.key")]
        packed = subprocess.run(command, input=data, capture_output=True, check=True).stdout
        first = packed[4 : 4 + packed[3]]
        second = packed[4 + packed[3] + 2 :]
        return b"".join(number[-32:].rjust(32, b"\0") for number in (first, second))


@contextmanager
def serving(certificates: Path) -> Iterator[Tokens]:
    tokens = Tokens(certificates)
    with listening(tokens.answer) as port:
        tokens.port = port
        yield tokens


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
