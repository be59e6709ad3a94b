"""The web server with bad habits: right where it should be, wrong as it is asked to be."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.faults import authority, web

DATA = bytes(range(256)) * 40
KINDS = ("http", "canary", "control", *(certificate.name for certificate in authority.CERTIFICATES))


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("authority")


@pytest.fixture(scope="module")
def servers(certificates: Path) -> Iterator[dict[str, web.Server]]:
    started = web.start(certificates, ["localhost", "127.0.0.1"], dict.fromkeys(KINDS, 0), "127.0.0.1")
    started["http"].site.files["clip.mp4"] = DATA
    yield started
    for server in started.values():
        server.shutdown()
        server.server_close()


@pytest.fixture
def ports(servers: dict[str, web.Server]) -> dict[str, int]:
    servers["http"].site.reset()
    return {kind: int(server.server_address[1]) for kind, server in servers.items()}


def ask(port: int, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, dict(answer.headers), answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("ranged", "status", "body", "content_range"),
    [
        ("bytes=10-19", 206, DATA[10:20], "bytes 10-19/10240"),
        ("bytes=10230-99999", 206, DATA[10230:], "bytes 10230-10239/10240"),
        ("bytes=10230-", 206, DATA[10230:], "bytes 10230-10239/10240"),
        ("bytes=-5", 206, DATA[-5:], "bytes 10235-10239/10240"),
        ("bytes=10240-", 416, b"", "bytes */10240"),
        ("bytes=0-1,5-6", 200, DATA, None),
    ],
)
def test_ranges_are_right(
    ranged: str, status: int, body: bytes, content_range: str | None, ports: dict[str, int]
) -> None:
    got = ask(ports["http"], "/files/clip.mp4", Range=ranged)
    assert (got[0], got[2], got[1].get("Content-Range")) == (status, body, content_range)


def test_conditions_are_kept(ports: dict[str, int]) -> None:
    etag = ask(ports["http"], "/files/clip.mp4")[1]["ETag"]
    assert ask(ports["http"], "/files/clip.mp4", If_Match=etag, Range="bytes=0-0")[0] == 206
    assert ask(ports["http"], "/files/clip.mp4", If_Match='"other"')[0] == 412
    assert ask(ports["http"], "/files/clip.mp4", If_Range='"other"', Range="bytes=0-0")[0] == 200


def test_habits(ports: dict[str, int]) -> None:
    port = ports["http"]
    assert ask(port, "/no-ranges/clip.mp4", Range="bytes=0-0")[::2] == (200, DATA)
    assert "ETag" not in ask(port, "/no-etag/clip.mp4")[1]
    assert ask(port, "/weak-etag/clip.mp4")[1]["ETag"].startswith('W/"')
    chunked = ask(port, "/chunked/clip.mp4")
    assert (chunked[1].get("Content-Length"), chunked[2]) == (None, DATA)
    assert ask(port, "/head-lies/clip.mp4?size=7", "HEAD")[1]["Content-Length"] == "7"
    assert ask(port, "/status/503")[0] == 503
    assert ask(port, "/files/none")[0] == 404


def test_redirects(ports: dict[str, int]) -> None:
    def location(path: str) -> tuple[int, str | None]:
        status, headers, _ = ask(ports["http"], path)
        return status, headers.get("Location")

    assert location("/redirect?to=http%3A%2F%2Fhost%2Fx&status=307") == (307, "http://host/x")
    assert location("/redirect?hops=2&to=/files/clip.mp4") == (302, "/redirect?hops=1&to=%2Ffiles%2Fclip.mp4")
    assert location("/redirect/loop") == (302, "/redirect/loop")
    assert location("/redirect/empty") == (302, "")
    assert location("/redirect/none") == (302, None)


def test_connections_and_the_canarys_hits_are_counted(ports: dict[str, int]) -> None:
    ask(ports["http"], "/files/clip.mp4")
    ask(ports["http"], "/canary")
    ask(ports["canary"], "/anything")
    counts = json.loads(ask(ports["control"], "/counts")[2])
    assert (counts["connections"]["http"], counts["connections"]["canary"], counts["canary"]) == (2, 1, 2)
    assert [request["path"] for request in counts["requests"]] == ["/files/clip.mp4", "/canary", "/anything"]
    ask(ports["control"], "/counts", "DELETE")
    assert json.loads(ask(ports["control"], "/counts")[2])["canary"] == 0


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("good", None),
        ("expired", "certificate has expired"),
        ("not-yet", "certificate is not yet valid"),
        ("wrong-host", "IP address mismatch"),
        ("self-signed", "self-signed certificate"),
    ],
)
def test_certificates_are_as_good_as_they_say(
    kind: str, reason: str | None, ports: dict[str, int], certificates: Path
) -> None:
    context = ssl.create_default_context(cafile=str(certificates / "ca.crt"))
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    connection = http.client.HTTPSConnection("127.0.0.1", ports[kind], timeout=10, context=context)
    try:
        if reason:
            with pytest.raises(ssl.SSLCertVerificationError, match=reason):
                connection.request("GET", "/files/clip.mp4")
        else:
            connection.request("GET", "/files/clip.mp4")
            assert connection.getresponse().read() == DATA
    finally:
        connection.close()


def test_certificates_are_made_without_any_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "no-programs"))
    authority.make(tmp_path, ["localhost"])
    made = {f"{certificate.name}.pem" for certificate in authority.CERTIFICATES}
    assert {path.name for path in tmp_path.iterdir()} == {"ca.crt", *made}
