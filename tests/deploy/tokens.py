"""A server of bearer tokens for docker-registry: signed as it wants them, for who knows the password."""

from __future__ import annotations

import base64
import json
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509 import load_pem_x509_certificate

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
        certificate = load_pem_x509_certificate(self._pem()).public_bytes(Encoding.DER)
        head = {"typ": "JWT", "alg": "ES256", "x5c": [base64.b64encode(certificate).decode()]}
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
        """The two numbers of the signature, 32 bytes each."""
        key = load_pem_private_key(self._pem(), password=None)
        assert isinstance(key, EllipticCurvePrivateKey)
        return b"".join(number.to_bytes(32) for number in decode_dss_signature(key.sign(data, ECDSA(SHA256()))))

    def _pem(self) -> bytes:
        return (self.certificates / "good.pem").read_bytes()


@contextmanager
def serving(certificates: Path) -> Iterator[Tokens]:
    tokens = Tokens(certificates)
    with listening(tokens.answer) as port:
        tokens.port = port
        yield tokens


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
