"""Ranged reads against a server that misbehaves, over real sockets."""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from function.deadline import NEVER, Deadline
from function.errors import (
    CorruptMedia,
    DeadlineExceeded,
    FunctionError,
    SourceChanged,
    SourceForbidden,
    SourceNotFound,
    SourceRefused,
    SourceUnavailable,
)
from function.source.origins import source_error
from hwang.sources import backoff, connection
from hwang.sources.connection import Connection, Pool, Server
from hwang.sources.origin import Refusal, Request
from hwang.sources.ranged_object import HEAD_BYTES, RemoteObject
from tests.unit.build.flakyserver import Behaviour, FlakyServer, answer, drip, reset_after, with_headers

CONTENT = random.Random(1).randbytes(1_000_000)  # noqa: S311
SLOW_DOWN = answer("503 Slow Down", b"<Error><Code>SlowDown</Code></Error>")


class Origin:
    shown = "s3://films/clip.mp4"
    version = ""

    def __init__(self, port: int) -> None:
        self.pool = Pool()
        self._server = Server("http", "127.0.0.1", port)

    def connect(self, server: Server) -> Connection:
        return Connection.to(server, [(socket.AF_INET, ("127.0.0.1", server.port))])

    def request(self) -> Request:
        return Request(self._server, "/clip.mp4?X-Signature=secret", {})

    def follow(self, refusal: Refusal) -> bool:  # noqa: ARG002
        return False


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "STALL_SECONDS", 0.3)
    monkeypatch.setattr(backoff, "_FIRST_PAUSE_SECONDS", 0.01)


@pytest.fixture
def server() -> Iterator[FlakyServer]:
    with FlakyServer(CONTENT) as running:
        yield running


_open: list[RemoteObject] = []


def opened(server: FlakyServer, deadline: Deadline = NEVER) -> RemoteObject:
    _open.append(RemoteObject(Origin(server.port), source_error, deadline))
    _open[-1].open()
    return _open[-1]


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    while _open:
        _open.pop().close()


def test_opening_is_one_request_that_brings_the_head(server: FlakyServer) -> None:
    video = opened(server)
    assert (video.size, video.etag, video.head) == (len(CONTENT), '"one"', CONTENT[:HEAD_BYTES])
    assert (video.requests, video.bytes_read) == (1, HEAD_BYTES)


def test_reads_are_exact_pinned_and_over_one_connection(server: FlakyServer) -> None:
    video = opened(server)
    for offset, length in ((100_000, 1), (0, 10), (999_990, 10), (1, 800_000)):
        assert video.read(offset, length) == CONTENT[offset : offset + length]
    assert server.connections == 1
    assert all(asked.headers["if-match"] == '"one"' for asked in server.asked[1:])


def test_other_bytes_at_the_beginning_are_asked_for_again(server: FlakyServer) -> None:
    server.script.append(with_headers(Content_Range="bytes 1-10/1000000"))
    assert opened(server).head == CONTENT[:HEAD_BYTES]


def test_a_small_object_may_come_whole() -> None:
    with FlakyServer(b"small", [with_headers("200 OK", Content_Range="")]) as server:
        video = opened(server)
        assert (video.size, video.head) == (5, b"small")


@pytest.mark.parametrize("every", [70_000, 300_001, 999_999])
def test_a_reset_is_resumed_at_the_next_byte(every: int, server: FlakyServer) -> None:
    video = opened(server)
    server.script += [reset_after(every)] * (len(CONTENT) // every)
    assert video.read(0, len(CONTENT)) == CONTENT
    starts = [asked.first for asked in server.asked[1:]]
    assert starts == sorted(starts)
    assert video.bytes_read <= 1.2 * len(CONTENT) + HEAD_BYTES


@pytest.mark.parametrize("times", [1, 4])
def test_overload_is_waited_out(times: int, server: FlakyServer) -> None:
    video = opened(server)
    server.script += [SLOW_DOWN] * times
    assert video.read(5, 5) == CONTENT[5:10]


def test_overload_that_stays_is_told_as_such(server: FlakyServer) -> None:
    video = opened(server)
    server.script += [SLOW_DOWN] * 5
    with pytest.raises(SourceUnavailable, match="503"):
        video.read(5, 5)
    assert video.read(5, 5) == CONTENT[5:10]


def test_the_server_says_how_long_to_wait(server: FlakyServer) -> None:
    video = opened(server)
    server.script.append(answer("429 Too Many Requests", Retry_After="1"))
    start = time.monotonic()
    assert video.read(5, 5) == CONTENT[5:10]
    assert 1 <= time.monotonic() - start < 3


def test_a_wait_that_is_too_long_is_not_begun(server: FlakyServer) -> None:
    video = opened(server)
    server.script.append(answer("503 Service Unavailable", Retry_After="3600"))
    with pytest.raises(SourceUnavailable):
        video.read(5, 5)


@pytest.mark.parametrize("headers", [True, False])
def test_bytes_that_drip_are_given_up(headers: bool, server: FlakyServer) -> None:
    video = opened(server)
    server.script += [drip(0.02, headers=headers)] * 2
    start = time.monotonic()
    with pytest.raises(SourceUnavailable, match="slowly"):
        video.read(0, 500_000)
    assert time.monotonic() - start < 2


def test_an_object_that_was_replaced_is_noticed(server: FlakyServer) -> None:
    video = opened(server)
    server.etag = '"two"'
    with pytest.raises(SourceChanged):
        video.read(0, 10)


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        (with_headers(ETag='"two"'), SourceChanged),
        (with_headers(Content_Range="bytes 0-9/5"), SourceChanged),
        (answer("403 Forbidden"), SourceForbidden),
        (answer("416 Range Not Satisfiable"), SourceChanged),
    ],
)
def test_an_answer_that_is_not_the_range_is_refused(
    behaviour: Behaviour, error: type[FunctionError], server: FlakyServer
) -> None:
    video = opened(server)
    server.script.append(behaviour)
    with pytest.raises(error) as caught:
        video.read(0, 10)
    assert "secret" not in caught.value.report("id")


@pytest.mark.parametrize(
    "behaviour",
    [
        with_headers(Content_Range="bytes 1-10/1000000"),
        with_headers(Content_Range=""),
        with_headers("200 OK", Content_Range=""),
        with_headers(Content_Encoding="gzip"),
        with_headers(Content_Length="5"),
    ],
)
def test_other_bytes_than_asked_for_are_never_taken(behaviour: Behaviour, server: FlakyServer) -> None:
    video = opened(server)
    server.script.append(behaviour)
    assert video.read(0, 10) == CONTENT[:10]
    server.script += [behaviour] * 5
    with pytest.raises(SourceUnavailable):
        video.read(0, 10)


@pytest.mark.parametrize("encoding", ["", "identity", "aws-chunked", "utf-8", "binary", "UTF-8, aws-chunked", "7bit"])
def test_words_that_change_no_bytes_are_no_compression(encoding: str, server: FlakyServer) -> None:
    server.script += [with_headers(Content_Encoding=encoding)] * 2
    assert opened(server).read(0, 10) == CONTENT[:10]
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    "behaviour",
    [
        *(with_headers(Content_Encoding=word) for word in ["gzip", "x-gzip", "br", "deflate", "zstd", "compress"]),
        with_headers(Content_Encoding="aws-chunked, GZIP"),
        with_headers("200 OK", Content_Range="", Content_Length="1000000"),
        answer("501 Not Implemented", b"<Error><Code>NotImplemented</Code><Message>no ranges</Message></Error>"),
        answer("400 Bad Request"),
    ],
)
def test_a_server_that_cannot_is_asked_once_and_no_retry_is_advised(behaviour: Behaviour, server: FlakyServer) -> None:
    server.script += [behaviour] * 5
    with pytest.raises(SourceRefused) as caught:
        opened(server)
    assert not caught.value.retryable
    assert len(server.asked) == 1


NO_CONDITIONS = {
    "412": answer("412 Precondition Failed"),
    "400": answer("400 Bad Request", b"<Error><Code>InvalidArgument</Code></Error>"),
    "501": answer("501 Not Implemented", b"<Error><Code>NotImplemented</Code></Error>"),
}


@pytest.mark.parametrize("refusal", NO_CONDITIONS.values(), ids=NO_CONDITIONS)
def test_a_server_without_if_match_is_read_and_its_etags_are_compared(refusal: Behaviour, server: FlakyServer) -> None:
    video = opened(server)
    server.script.append(refusal)
    assert video.read(0, 10) == CONTENT[:10]
    assert video.read(10, 10) == CONTENT[10:20]
    assert [("if-match" in asked.headers) for asked in server.asked] == [False, True, False, False]
    server.etag = '"two"'
    with pytest.raises(SourceChanged):
        video.read(0, 10)
    server.script.append(with_headers(ETag=""))
    with pytest.raises(SourceChanged):
        video.read(0, 10)


def test_a_whole_answer_of_another_version_is_noticed_without_if_match() -> None:
    with FlakyServer(b"small") as server:
        video = opened(server)
        server.script += [NO_CONDITIONS["412"], with_headers("200 OK", Content_Range="", ETag='"two"')]
        with pytest.raises(SourceChanged):
            video.read(0, 5)


def test_a_range_that_is_refused_although_it_is_there_is_not_called_empty(server: FlakyServer) -> None:
    server.script.append(answer("416 Range Not Satisfiable", Content_Range="bytes */1000000"))
    with pytest.raises(SourceRefused, match="416"):
        opened(server)


def test_a_refusal_says_what_the_server_said(server: FlakyServer) -> None:
    body = b"<Error><Code>NeverHeardOf</Code><Message>it&apos;s Tuesday</Message></Error>"
    server.script.append(answer("400 Bad Request", body))
    with pytest.raises(SourceRefused, match=r"NeverHeardOf, status 400: it's Tuesday") as caught:
        opened(server)
    assert "does not exist" not in caught.value.message


def test_a_host_that_does_not_exist_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[int] = []

    def unknown(*_: object) -> Connection:
        tries.append(1)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    origin = Origin(1)
    monkeypatch.setattr(origin, "connect", unknown)
    with pytest.raises(SourceNotFound, match="no host of its name"):
        RemoteObject(origin, source_error, NEVER).open()
    assert len(tries) == 1


def test_tls_with_a_server_that_speaks_none_is_not_tried_again() -> None:
    connections: list[socket.socket] = []

    def speak_plainly() -> None:
        connections.append(plain.accept()[0])
        connections[-1].sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as plain:
        thread = threading.Thread(target=speak_plainly)
        thread.start()
        origin = Origin(plain.getsockname()[1])
        origin._server = Server("https", "127.0.0.1", plain.getsockname()[1])
        with pytest.raises(SourceRefused, match="TLS"):
            RemoteObject(origin, source_error, NEVER).open()
        thread.join()
    connections[0].close()


def test_an_answer_that_ends_early_is_resumed(server: FlakyServer) -> None:
    video = opened(server)
    server.script.append(with_headers(Content_Length="20"))
    assert video.read(999_980, 20) == CONTENT[-20:]


def test_an_empty_object_is_told_as_such() -> None:
    with FlakyServer(b"") as server, pytest.raises(CorruptMedia, match="empty"):
        opened(server)


def test_connections_that_the_server_has_closed_are_replaced_at_once(server: FlakyServer) -> None:
    video = opened(server)
    video.read(0, 10)
    server.drop_connections()
    time.sleep(0.05)
    assert video.read(0, 10) == CONTENT[:10]
    assert server.connections == 2


def test_connections_that_were_idle_for_long_are_not_used_again(
    server: FlakyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = opened(server)
    later = time.time() + connection.MAX_IDLE_SECONDS
    monkeypatch.setattr(time, "time", lambda: later)
    assert video.read(0, 10) == CONTENT[:10]
    assert server.connections == 2


def test_the_deadline_ends_a_read(server: FlakyServer) -> None:
    video = opened(server, Deadline.within(0.2))
    server.script += [drip(0.02, headers=False)] * 9
    start = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        video.read(0, 500_000)
    assert time.monotonic() - start < 1


def test_closing_ends_the_reads_of_other_threads(server: FlakyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "STALL_SECONDS", 30)
    video = opened(server)
    server.script.append(drip(0.02, headers=False))
    failures: list[Exception] = []

    def read() -> None:
        try:
            video.read(0, 500_000)
        except FunctionError as error:
            failures.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    time.sleep(0.1)
    video.close()
    thread.join(2)
    assert not thread.is_alive()
    assert len(failures) == 1


def test_nothing_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(SourceUnavailable, match="ConnectionRefused"):
        RemoteObject(Origin(port), source_error, NEVER).open()
