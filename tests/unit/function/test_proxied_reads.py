"""Videos behind a proxy: what it is asked for, what is checked before, and what its refusals are called."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from function import s3
from function.deadline import NEVER
from function.errors import FunctionError, SourceBlocked, SourceForbidden, SourceUnavailable
from function.models.places import S3Object, Url
from function.source import addresses, networks
from function.source.origins import origin_of, source_error
from hwang.sources import connection
from hwang.sources.connection import POOL
from hwang.sources.ranged_object import RemoteObject
from tests.support.connect_proxy import ConnectProxy, connect_proxy
from tests.support.faults import web
from tests.unit.function.objectserver import object_server

CONTENT = random.Random(3).randbytes(300_000)  # noqa: S311
PASSWORD = "Basic dXNlcjpwdw=="  # noqa: S105
HOST = "films.example"
_getaddrinfo = socket.getaddrinfo


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("hwang.sources.backoff._FIRST_PAUSE_SECONDS", 0.01)
    yield
    POOL.close()


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[ConnectProxy]:
    with connect_proxy() as running:
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        for name in ("http_proxy", "https_proxy"):
            monkeypatch.setenv(name, running.url)
        yield running
        POOL.close()


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[web.Server]:
    started = web.start(tmp_path, ["127.0.0.1", HOST], dict.fromkeys(["http", "good"], 0), "127.0.0.1")
    started["http"].site.files["clip.mp4"] = CONTENT
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "ca.crt"))
    monkeypatch.setattr(addresses, "refusal", _refusal)
    yield started["good"]
    for running in started.values():
        running.shutdown()
        running.server_close()


def _refusal(address: networks.Address, opened: Iterable[networks.Network]) -> str | None:
    """Refuse what the policy does, except addresses of this machine, which no configuration opens."""
    return None if str(address) == "127.0.0.1" else networks.refusal(address, opened)


def resolves(monkeypatch: pytest.MonkeyPatch, address: str | None) -> None:
    """HOST has this address here, or none."""

    def lookup(host: str, port: int) -> Any:
        if host == HOST and address is None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return _getaddrinfo(address if host == HOST else host, port, type=socket.SOCK_STREAM)

    monkeypatch.setattr(addresses, "_lookup", lookup)
    monkeypatch.setattr(addresses.resolve, "__defaults__", (lookup,))


def read(video: S3Object | Url, client: Any = None) -> bytes:
    remote = RemoteObject(origin_of(client, video), source_error, NEVER)
    try:
        remote.open()
        return bytes(remote.read(0, len(CONTENT)))
    finally:
        remote.close()


def url(server: web.Server, host: str = "127.0.0.1") -> Url:
    return Url(url=f"https://{host}:{server.server_address[1]}/files/clip.mp4")


def test_a_video_behind_an_address_is_read_through_a_tunnel(proxy: ConnectProxy, server: web.Server) -> None:
    assert read(url(server)) == CONTENT
    assert set(proxy.asked) == {(f"CONNECT 127.0.0.1:{server.server_address[1]} HTTP/1.1", PASSWORD)}


def test_a_video_in_s3_is_read_through_the_proxy(proxy: ConnectProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"AWS_ACCESS_KEY_ID": "me", "AWS_SECRET_ACCESS_KEY": "mine", "AWS_REGION": "us-east-1"}.items():
        monkeypatch.setenv(name, value)
    with object_server({}) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
        s3._client.cache_clear()
        with pytest.raises(FunctionError):
            read(S3Object(bucket="films", key="clip.mp4"), s3.client())
        s3._client.cache_clear()
        assert proxy.asked[0][0].startswith(f"GET {endpoint}/films/clip.mp4?X-Amz-Algorithm=")
        assert proxy.asked[0][1] == PASSWORD


def test_no_proxy_leads_past_it(proxy: ConnectProxy, server: web.Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert read(url(server)) == CONTENT
    assert not proxy.asked


@pytest.mark.parametrize("address", ["10.1.2.3", "169.254.169.254"])
def test_a_proxy_is_not_asked_for_what_an_event_may_not_name(
    address: str, proxy: ConnectProxy, server: web.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolves(monkeypatch, address)
    for host in (address, HOST):
        with pytest.raises(SourceBlocked):
            read(url(server, host))
    monkeypatch.setenv("HWANG_HTTPS_HOSTS", "other.example")
    with pytest.raises(SourceBlocked, match="HWANG_HTTPS_HOSTS"):
        read(url(server, HOST))
    monkeypatch.delenv("HWANG_HTTPS_HOSTS")
    resolves(monkeypatch, "127.0.0.1")
    to = f"https://127.0.0.1:{server.server_address[1]}/redirect?to=https://169.254.169.254/latest"
    with pytest.raises(SourceBlocked, match="redirects"):
        read(Url(url=to))
    assert not [line for line, _ in proxy.asked if "169.254" in line or "10.1" in line]


def test_a_name_that_only_the_proxy_knows_is_left_to_it(
    proxy: ConnectProxy, server: web.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolves(monkeypatch, None)
    proxy.hosts = {HOST: "127.0.0.1"}
    assert read(url(server, HOST)) == CONTENT
    assert proxy.asked[0][0] == f"CONNECT {HOST}:{server.server_address[1]} HTTP/1.1"


@pytest.mark.parametrize(
    ("status", "error", "attempts"),
    [(403, SourceForbidden, 1), (407, SourceForbidden, 1), (405, SourceForbidden, 1), (503, SourceUnavailable, 5)],
)
def test_a_proxy_that_refuses_is_named(
    status: int, error: type[FunctionError], attempts: int, proxy: ConnectProxy, server: web.Server
) -> None:
    proxy.status = status
    with pytest.raises(error, match="roxy") as caught:
        read(url(server))
    assert len(proxy.asked) == attempts
    assert "pw" not in caught.value.report("id")


@pytest.mark.parametrize("host", ["127.0.0.1", "no-proxy.invalid"])
def test_a_proxy_that_is_not_there_is_not_called_a_missing_video(
    host: str, server: web.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setenv("https_proxy", f"http://{host}:{port}")
    with pytest.raises(SourceUnavailable, match="the proxy cannot be reached"):
        read(url(server))


def test_a_proxy_that_is_spoken_to_otherwise_is_refused(server: web.Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "socks5://127.0.0.1:1")
    with pytest.raises(SourceForbidden, match="http:// alone"):
        read(url(server))


def test_certificates_are_checked_inside_the_tunnel(
    proxy: ConnectProxy, server: web.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_CA_BUNDLE")
    connection._tls.cache_clear()
    with pytest.raises(SourceForbidden, match="certificate"):
        read(url(server))
    assert len(proxy.asked) == 1


def test_configured_headers_go_to_their_hosts_alone(server: web.Server, monkeypatch: pytest.MonkeyPatch) -> None:
    headers = '{"127.0.0.1": {"X-Token": "mine"}, "*.films.example": {"X-Token": "another"}}'
    monkeypatch.setenv("HWANG_HTTPS_HEADERS", headers)
    resolves(monkeypatch, "127.0.0.1")
    assert read(url(server)) == CONTENT
    assert read(url(server, HOST)) == CONTENT
    to = f"https://127.0.0.1:{server.server_address[1]}/redirect?to={url(server, HOST).url}"
    assert read(Url(url=to)) == CONTENT
    sent = {(seen["host"].partition(":")[0], seen["token"]) for seen in server.site.requests}
    assert sent == {("127.0.0.1", "mine"), (HOST, "")}
