"""Addresses as sources: how many requests, what is sent to whom, and what a failure is called."""

from __future__ import annotations

import errno
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import hwang
from hwang.errors import CorruptMediaError, HwangError, SourceError, SourceForbiddenError, SourceNotFoundError
from hwang.sources import connection as connections
from hwang.sources import open_source, s3
from hwang.sources.connection import MAX_IDLE, POOL
from hwang.sources.local import FsspecSource
from hwang.sources.remote import RemoteSource
from tests.support.connect_proxy import connect_proxy
from tests.support.faults import web
from tests.support.processes import there_and_back
from tests.unit.build.flakyserver import FlakyServer, answer, drip, reset_after, with_headers

CONTENT = random.Random(7).randbytes(3_000_000)  # noqa: S311
HEAD = 64 * 1024
Open = Callable[[str], RemoteSource]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("hwang.sources.backoff._FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setenv("no_proxy", "*")
    yield
    POOL.close()


@pytest.fixture
def server() -> Iterator[FlakyServer]:
    with FlakyServer(CONTENT) as running:
        yield running


def address(server: FlakyServer, path: str = "clip.mp4?sig=secret", user: str = "") -> str:
    return f"http://{user}127.0.0.1:{server.port}/{path}"


def opened(video: Any) -> RemoteSource:
    source = open_source(video)
    assert isinstance(source, RemoteSource)
    return source


def test_the_first_request_is_for_the_first_bytes_needed(server: FlakyServer) -> None:
    source = opened(address(server))
    assert not server.asked
    ranges = [(1_000_000, 10_000), (2_000_000, 100_000), (2_990_000, 99_999)]
    with source.expect(ranges):
        assert source.size == len(CONTENT)
        inside = [(offset, min(length, source.size - offset)) for offset, length in ranges]
        assert source.read_ranges(inside) == [CONTENT[offset : offset + length] for offset, length in inside]
    assert (server.asked[0].first, server.asked[0].last) == (1_000_000, 1_009_999)
    assert len(server.asked) == 3
    assert "if-match" not in server.asked[0].headers
    assert {asked.headers["if-match"] for asked in server.asked[1:]} == {'"one"'}


def test_without_expectations_the_first_bytes_come_with_the_size(server: FlakyServer) -> None:
    source = opened(address(server))
    assert (source.size, source.read_ranges([(0, 100), (HEAD - 5, 10)])) == (
        len(CONTENT),
        [CONTENT[:100], CONTENT[HEAD - 5 : HEAD + 5]],
    )
    assert [(asked.first, asked.last) for asked in server.asked] == [(0, HEAD - 1), (HEAD, HEAD + 4)]


def test_a_read_that_nobody_wants_any_more_is_not_begun(server: FlakyServer) -> None:
    source = opened(address(server))
    with source.expect([(0, len(CONTENT))]):
        pass
    time.sleep(0.2)
    assert source.read_ranges([(0, len(CONTENT))]) == [CONTENT]


def test_a_range_is_fetched_once_however_often_it_is_expected(server: FlakyServer) -> None:
    source = opened(address(server))
    with source.expect([(100_000, 2_500_000)]), source.expect([(100_000, 2_500_000)]):
        assert source.read_ranges([(100_000, 2_500_000)]) == [CONTENT[100_000:2_600_000]]
    assert source.remote.bytes_read == 2_500_000


@pytest.mark.parametrize(
    ("behaviours", "error", "said"),
    [
        ([answer("404 Not Found")], SourceNotFoundError, "does not exist"),
        ([answer("403 Forbidden")], SourceForbiddenError, "denied"),
        ([answer("503 Slow Down")] * 5, SourceError, "503"),
        (
            [with_headers("200 OK", Content_Range="", Content_Length=str(len(CONTENT)))] * 5,
            SourceError,
            "does not answer requests for byte ranges",
        ),
        ([answer("416 Range Not Satisfiable")], CorruptMediaError, "empty"),
    ],
)
def test_failures_have_classes_of_their_own_and_hold_no_secrets(
    behaviours: list[Any], error: type[HwangError], said: str, server: FlakyServer
) -> None:
    server.script += behaviours
    source = opened(address(server, user="me:password@"))
    with pytest.raises(error, match=said) as caught:
        source.read_ranges([(0, 5)])
    assert type(caught.value) is error
    for text in (str(caught.value), repr(caught.value.detail), repr(source)):
        assert "secret" not in text
        assert "password" not in text
    assert str(there_and_back(caught.value)) == str(caught.value)


def test_errors_are_those_of_files() -> None:
    missing = there_and_back(SourceNotFoundError("gone"))
    assert isinstance(missing, FileNotFoundError | SourceError)
    assert (missing.errno, SourceForbiddenError("no").errno) == (errno.ENOENT, errno.EACCES)
    assert isinstance(SourceForbiddenError("no"), PermissionError)


def test_breaks_are_resumed_and_a_replaced_object_is_noticed(server: FlakyServer) -> None:
    source = opened(address(server))
    assert source.size
    server.script += [reset_after(300_000)] * 3
    assert source.read_ranges([(100_000, 2_000_000)]) == [CONTENT[100_000:2_100_000]]
    server.etag = '"two"'
    with pytest.raises(SourceError, match="replaced"):
        source.read_ranges([(100_000, 10)])


def test_password_goes_to_its_own_server_alone(server: FlakyServer) -> None:
    with FlakyServer(CONTENT) as other:
        server.script.append(answer("302 Found", Location=address(other, "elsewhere")))
        assert opened(address(server, user="me:pass%20word@")).size == len(CONTENT)
        assert server.asked[0].headers["authorization"] == "Basic bWU6cGFzcyB3b3Jk"
        assert "authorization" not in other.asked[0].headers


def test_an_expired_target_of_a_redirect_is_asked_for_again(server: FlakyServer) -> None:
    with FlakyServer(CONTENT) as other:
        redirect = answer("302 Found", Location=address(other, "signed"))
        server.script += [redirect, redirect]
        source = opened(address(server))
        assert source.size
        other.script.append(answer("403 Forbidden"))
        assert source.read_ranges([(70_000, 10)]) == [CONTENT[70_000:70_010]]
        assert len(server.asked) == 2
        other.script += [answer("403 Forbidden")] * 2
        with pytest.raises(SourceForbiddenError):
            source.read_ranges([(70_000, 10)])


@pytest.mark.parametrize("location", ["", "ftp://127.0.0.1/clip.mp4", "http://[bad/"])
def test_redirects_to_nowhere_are_source_errors(location: str, server: FlakyServer) -> None:
    server.script += [answer("302 Found", Location=location)]
    with pytest.raises(SourceError, match=r"redirects|malformed"):
        _ = opened(address(server)).size


def test_redirects_without_an_end_are_source_errors(server: FlakyServer) -> None:
    server.script += [answer("302 Found", Location="/again")] * 9
    with pytest.raises(SourceError, match="more than 4 times"):
        _ = opened(address(server)).size


@pytest.mark.parametrize("url", ["https://", "http://:80/x", "https://host:99999/x", "https://[x/y"])
def test_a_malformed_address_is_a_source_error(url: str) -> None:
    with pytest.raises(SourceError, match="malformed"):
        open_source(url)


def test_closing_ends_a_read_in_another_thread(server: FlakyServer) -> None:
    source = opened(address(server))
    assert source.size
    server.script.append(drip(0.02, headers=True))
    failures: list[Exception] = []

    def read() -> None:
        try:
            source.read_ranges([(100_000, 100_000)])
        except SourceError as error:
            failures.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    while len(server.asked) < 2:
        time.sleep(0.01)
    source.close()
    thread.join(2)
    assert len(failures) == 1


def test_many_sources_share_few_idle_connections_and_no_threads(server: FlakyServer) -> None:
    sources = [opened(address(server)) for _ in range(50)]
    for source in sources:
        with source.expect([(start, 1000) for start in range(0, 2_000_000, 100_000)]):
            source.read_ranges([(start, 1000) for start in range(0, 2_000_000, 100_000)])
    assert len(POOL._idle) <= MAX_IDLE
    assert server.connections < 50
    for thread in threading.enumerate():
        if thread.name == "hwang-fetch":
            thread.join(2)
            assert not thread.is_alive()


def test_a_forked_child_has_connections_of_its_own(server: FlakyServer) -> None:
    source = opened(address(server))
    assert source.read_ranges([(100_000, 10)]) == [CONTENT[100_000:100_010]]
    used = server.connections
    source._blocks.lock.acquire()  # as if another thread read at this moment
    source.remote._lock.acquire()
    child = os.fork()
    if not child:
        os._exit(source.read_ranges([(200_000, 10)]) != [CONTENT[200_000:200_010]])
    source.remote._lock.release()
    source._blocks.lock.release()
    assert os.waitpid(child, 0)[1] == 0
    assert server.connections == used + 1
    assert source.read_ranges([(300_000, 10)]) == [CONTENT[300_000:300_010]]
    assert server.connections == used + 1


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, str | None]]]:
    with connect_proxy() as running:
        monkeypatch.delenv("no_proxy")
        for name in ("http_proxy", "https_proxy"):
            monkeypatch.setenv(name, running.url)
        yield running.asked
        POOL.close()


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, web.Server]]:
    ports = dict.fromkeys(["http", "good", "wrong-host"], 0)
    started = web.start(tmp_path, ["127.0.0.1"], ports, "127.0.0.1")
    started["http"].site.files["clip.mp4"] = CONTENT
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.crt"))
    connections._tls.cache_clear()
    yield started
    connections._tls.cache_clear()
    POOL.close()
    for running in started.values():
        running.shutdown()
        running.server_close()


def test_https_checks_certificates_and_is_never_left_for_http(tls: dict[str, web.Server]) -> None:
    ports = {kind: running.server_address[1] for kind, running in tls.items()}
    assert opened(f"https://127.0.0.1:{ports['good']}/files/clip.mp4").size == len(CONTENT)
    with pytest.raises(SourceForbiddenError, match="TLS certificate is not valid"):
        _ = opened(f"https://127.0.0.1:{ports['wrong-host']}/files/clip.mp4").size
    to = f"/redirect?to=http://127.0.0.1:{ports['http']}/files/clip.mp4"
    with pytest.raises(SourceError, match="not followed"):
        _ = opened(f"https://127.0.0.1:{ports['good']}{to}").size


def test_the_environments_proxies_are_used(
    tls: dict[str, web.Server], proxy: list[tuple[str, str | None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    port, password = tls["good"].server_address[1], "Basic dXNlcjpwdw=="
    assert opened(f"https://127.0.0.1:{port}/files/clip.mp4").size == len(CONTENT)
    assert proxy == [(f"CONNECT 127.0.0.1:{port} HTTP/1.1", password)]
    with pytest.raises(SourceNotFoundError):
        _ = opened("http://films.example/clip.mp4?a=1").size
    assert proxy[1] == ("GET http://films.example/clip.mp4?a=1 HTTP/1.1", password)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert opened(f"http://127.0.0.1:{tls['http'].server_address[1]}/files/clip.mp4").size == len(CONTENT)
    assert len(proxy) == 2


@pytest.fixture
def bucket(server: FlakyServer, monkeypatch: pytest.MonkeyPatch) -> FlakyServer:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{server.port}")
    for name, value in {"ACCESS_KEY_ID": "me", "SECRET_ACCESS_KEY": "mine", "DEFAULT_REGION": "us-east-1"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    s3._client.cache_clear()
    s3._regions.clear()
    return server


def test_an_object_of_s3_is_read_with_one_signature(bucket: FlakyServer) -> None:
    source = opened("s3://films/a clip.mp4?versionId=v7")
    with source.expect([(0, 100_000), (1_000_000, 2_000_000)]):
        assert source.read_ranges([(1_000_000, 2_000_000)]) == [CONTENT[1_000_000:3_000_000]]
    assert len({asked.headers["host"] for asked in bucket.asked}) == 1


def test_a_bucket_of_another_region_is_found(bucket: FlakyServer) -> None:
    bucket.script.append(answer("301 Moved Permanently", x_amz_bucket_region="eu-central-1"))
    assert opened("s3://films/clip.mp4").size == len(CONTENT)
    bucket.script += [answer("301 Moved Permanently", x_amz_bucket_region="eu-west-3")] * 2
    with pytest.raises(SourceForbiddenError, match="another region"):
        _ = opened("s3://films/clip.mp4").size
    bucket.script.append(answer("301 Moved Permanently", x_amz_bucket_region="eu-west-3"))
    assert opened("s3://films/clip.mp4").size == len(CONTENT)


def test_refusals_of_s3_are_named_by_its_codes(bucket: FlakyServer) -> None:
    bucket.script.append(answer("404 Not Found", b"<Error><Code>NoSuchKey</Code></Error>"))
    with pytest.raises(SourceNotFoundError, match=r"version v1 of s3://films/x.mp4 does not exist \(NoSuchKey"):
        _ = opened("s3://films/x.mp4?versionId=v1").size


def test_s3_without_boto3_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(HwangError, match=r"pip install 'hwang\[s3\]'"):
        open_source("s3://films/clip.mp4")


class FakeFileSystem:
    """The part of fsspec's interface that is used. `calls` has the number of ranges of each call."""

    def __init__(self) -> None:
        self.calls: list[int] = []

    def size(self, path: str) -> int:
        assert path == "films/clip.mp4"
        return len(CONTENT)

    def cat_ranges(self, paths: list[str], starts: list[int], ends: list[int], on_error: str) -> list[bytes]:
        assert set(paths) == {"films/clip.mp4"}
        assert on_error == "raise"
        self.calls.append(len(paths))
        if starts[0] == 13:
            raise RuntimeError("no luck")
        return [CONTENT[start:end] for start, end in zip(starts, ends, strict=True)]


class FsspecFile:
    fs: FakeFileSystem
    path = "films/clip.mp4"


@pytest.mark.parametrize("as_file", [True, False])
def test_fsspec_reads_all_ranges_in_one_call(as_file: bool) -> None:
    file = FsspecFile()
    file.fs = FakeFileSystem()
    source = open_source(file if as_file else (file.fs, file.path))  # type: ignore[arg-type]
    assert isinstance(source, FsspecSource)
    ranges = [(5, 10), (0, 0), (2_999_990, 10)]
    assert source.read_ranges(ranges) == [CONTENT[5:15], b"", CONTENT[-10:]]
    assert file.fs.calls == [2]
    with pytest.raises(SourceError, match="no luck"):
        source.read_ranges([(13, 1)])
    with pytest.raises(SourceError, match="truncated"):
        source.read_ranges([(2_999_999, 2)])


def test_importing_hwang_imports_no_network() -> None:
    code = (
        "import sys, hwang, hwang.sources; print(*{'ssl', 'http.client', 'boto3', 'urllib.request'} & set(sys.modules))"
    )
    root = str(Path(hwang.__file__).parent.parent)
    run = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert not run.stdout.strip()
