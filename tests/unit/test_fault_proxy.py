"""The proxy that breaks things: untouched what no rule is for, and each action to the byte. No engine is needed."""

from __future__ import annotations

import hashlib
import http.client
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.faults import rules, web
from tests.support.faults.client import Faults, FaultsError

DATA = b"".join(number.to_bytes(4, "big") for number in range(250_000))
ETAG = f'"{hashlib.sha256(DATA).hexdigest()[:32]}"'
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Got:
    """What a client sees of an answer; `error` is what ended its body early."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes
    seconds: float
    error: str = ""


class Client:
    """One kept-alive connection."""

    def __init__(self, port: int) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)

    def get(self, path: str = "/files/data", headers: dict[str, str] | None = None) -> Got:
        return self.ask("GET", path, headers=headers)

    def ask(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Got:
        start = time.perf_counter()
        self.connection.request(method, path, body, headers or {})
        answer = self.connection.getresponse()
        pieces, error = [], ""
        try:
            while piece := answer.read1(65536):
                pieces.append(piece)
        except OSError as problem:
            error = type(problem).__name__
        if answer.length and not error:  # what is missing
            error = "IncompleteRead"
        answer.close()
        if error:
            self.connection.close()
        return Got(answer.status, answer.headers, b"".join(pieces), time.perf_counter() - start, error)


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[web.Server]:
    servers = web.start(tmp_path_factory.mktemp("authority"), ["localhost"], {"http": 0}, "127.0.0.1")
    servers["http"].site.files["data"] = DATA
    yield servers["http"]
    servers["http"].shutdown()
    servers["http"].server_close()


@dataclass(frozen=True)
class Ports:
    faults: Faults
    data: int


@pytest.fixture(scope="module")
def ports(upstream: web.Server) -> Iterator[Ports]:
    there = f"127.0.0.1:{upstream.server_address[1]}"
    options = ["--listen", "127.0.0.1:0", "--upstream", there, "--control", "127.0.0.1:0"]
    command = [sys.executable, "-m", "tests.support.faults.proxy", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout
        control, data = map(int, process.stdout.readline().split())
        yield Ports(Faults(f"http://127.0.0.1:{control}"), data)
        process.terminate()


@pytest.fixture
def faults(ports: Ports) -> Iterator[Faults]:
    ports.faults.clear()
    yield ports.faults
    ports.faults.clear()


@pytest.fixture
def client(ports: Ports) -> Iterator[Client]:
    made = Client(ports.data)
    yield made
    made.connection.close()


def test_what_no_rule_is_for_goes_through_untouched(client: Client, faults: Faults) -> None:
    for method, path, headers in [
        ("GET", "/files/data", {}),
        ("GET", "/files/data", {"Range": "bytes=10-19", "If-Match": ETAG}),
        ("GET", "/chunked/data", {}),
        ("HEAD", "/files/data", {}),
        ("GET", "/files/data", {"If-Match": '"other"'}),
    ]:
        got = client.ask(method, path, headers=headers)
        assert got.error == ""
        if got.status == 200:
            assert got.body == (b"" if method == "HEAD" else DATA)
    assert [(e.method, e.status, e.range, e.connection, e.outcome) for e in faults.log()] == [
        ("GET", 200, "", faults.log()[0].connection, "ok"),
        ("GET", 206, "bytes=10-19", faults.log()[0].connection, "ok"),
        ("GET", 200, "", faults.log()[0].connection, "ok"),
        ("HEAD", 200, "", faults.log()[0].connection, "ok"),
        ("GET", 412, "", faults.log()[0].connection, "ok"),
    ]
    assert [e.response_bytes for e in faults.log()] == [len(DATA), 10, len(DATA), 0, 0]


def test_signatures_do_not_get_into_the_log(client: Client, faults: Faults) -> None:
    client.get("/files/data?X-Amz-Signature=abc&X-Amz-Credential=me&partNumber=3&x-amz-security-token=t")
    assert faults.log()[0].query == "X-Amz-Signature=…&X-Amz-Credential=…&partNumber=3&x-amz-security-token=…"


@pytest.mark.parametrize("after", [0, 1, 1000, 65536, 999_999])
def test_a_reset_comes_after_exactly_so_many_bytes(after: int, client: Client, faults: Faults) -> None:
    with faults.rule(rules.Reset(after), times=1) as applied:
        got = client.get()
        assert applied.hits == 1
    assert (got.error, got.body) == ("ConnectionResetError", DATA[:after])
    client.connection.close()
    assert client.get().body == DATA


def test_a_truncation_ends_in_good_order_and_too_early(client: Client, faults: Faults) -> None:
    with faults.rule(rules.Truncate(500_000), times=1):
        got = client.get()
    assert (got.error, got.body) == ("IncompleteRead", DATA[:500_000])


def test_bodies_that_are_shorter_than_the_reset_are_left_alone(client: Client, faults: Faults) -> None:
    with faults.rule(rules.Reset(500_000), times=1) as applied:
        assert client.get(headers={"Range": "bytes=0-99"}).body == DATA[:100]
        assert applied.hits == 0
        assert client.get().error == "ConnectionResetError"
        assert applied.hits == 1


def test_a_dropped_request_has_no_answer(client: Client, faults: Faults) -> None:
    with faults.rule(rules.Drop()), pytest.raises(ConnectionError):
        client.get()


def test_an_answer_is_lost_after_its_effect(client: Client, faults: Faults, upstream: web.Server) -> None:
    upstream.site.reset()
    with faults.rule(rules.LoseAnswer()), pytest.raises(ConnectionError):
        client.get()
    assert len(upstream.site.requests) == 1


def test_an_answer_takes_the_place_of_forwarding(client: Client, faults: Faults, upstream: web.Server) -> None:
    upstream.site.reset()
    with faults.rule(rules.Answer(503, "<Error/>", {"Retry-After": "1"}), times=2, skip=1):
        answers = [client.get() for _ in range(4)]
    assert [got.status for got in answers] == [200, 503, 503, 200]
    assert (answers[1].body, answers[1].headers["Retry-After"]) == (b"<Error/>", "1")
    assert len(upstream.site.requests) == 2


def test_rules_are_for_what_they_match(client: Client, faults: Faults) -> None:
    with (
        faults.rule(rules.Answer(418), method="GET", path=r"\.mp4$"),
        faults.rule(rules.Answer(419), query=r"(^|&)partNumber=3(&|$)"),
        faults.rule(rules.Answer(420), headers={"range": "^bytes=7-"}),
    ):
        paths = ["/files/a.mp4", "/files/a.mp4?partNumber=3", "/files/data?partNumber=3", "/files/data?partNumber=30"]
        assert [client.get(path).status for path in paths] == [418, 418, 419, 200]
        assert client.get(headers={"Range": "bytes=7-8"}).status == 420
        assert client.ask("HEAD", "/files/a.mp4").status == 404
    assert client.get("/files/a.mp4").status == 404


@pytest.mark.parametrize(
    ("action", "header", "value"),
    [
        (rules.SetHeaders({"ETag": '"swapped"'}), "ETag", '"swapped"'),
        (rules.SetHeaders({"Content-Encoding": "gzip"}), "Content-Encoding", "gzip"),
        (rules.SetHeaders(remove=("ETag",)), "ETag", None),
        (rules.WrongRange(shift=5), "Content-Range", "bytes 15-24/1000000"),
        (rules.WrongRange(size_difference=-1), "Content-Range", "bytes 10-19/999999"),
    ],
)
def test_headers_lie_and_the_body_stays(
    action: rules.Action, header: str, value: str | None, client: Client, faults: Faults
) -> None:
    with faults.rule(action):
        got = client.get(headers={"Range": "bytes=10-19"})
    assert (got.status, got.headers[header], got.body) == (206, value, DATA[10:20])


def test_a_range_is_ignored_unless_it_is_signed(client: Client, faults: Faults) -> None:
    signed = {"Authorization": "AWS4-HMAC-SHA256 Credential=x, SignedHeaders=host;range, Signature=y"}
    with faults.rule(rules.IgnoreRange()) as applied:
        got = client.get(headers={"Range": "bytes=10-19"})
        assert (got.status, got.body, applied.hits) == (200, DATA, 1)
        assert client.get(headers={"Range": "bytes=10-19", **signed}).status == 206
        assert client.get("/files/data?X-Amz-SignedHeaders=host%3Brange", {"Range": "bytes=10-19"}).status == 206
        assert client.get("/files/data?X-Amz-SignedHeaders=host", {"Range": "bytes=10-19"}).status == 200
        assert applied.hits == 2


@pytest.mark.parametrize(("difference", "seen", "error"), [(-10, 999_990, ""), (10, 1_000_000, "IncompleteRead")])
def test_a_length_lies(difference: int, seen: int, error: str, client: Client, faults: Faults) -> None:
    with faults.rule(rules.WrongLength(difference)):
        got = client.get()
    assert got.headers["Content-Length"] == str(1_000_000 + difference)
    assert (got.body, got.error) == (DATA[:seen], error)


def test_a_body_comes_in_chunks(client: Client, faults: Faults) -> None:
    with faults.rule(rules.Chunked()):
        got = client.get()
    assert (got.headers["Content-Length"], got.headers["Transfer-Encoding"]) == (None, "chunked")
    assert got.body == DATA


def test_a_body_is_replaced(client: Client, faults: Faults) -> None:
    with faults.rule(rules.ReplaceBody("<Error/>")):
        got = client.get()
    assert (got.status, got.body) == (200, b"<Error/>")


def test_a_request_is_cut(client: Client, faults: Faults) -> None:
    with faults.rule(rules.CutRequest(300_000)) as applied:
        assert client.ask("PUT", "/files/x", b"small").status == 405
        with pytest.raises(ConnectionError):
            client.ask("PUT", "/files/x", DATA)
        assert applied.hits == 1
    assert faults.log()[-1].request_bytes == 300_000


def test_an_early_answer_to_a_long_request_arrives(client: Client, faults: Faults) -> None:
    with faults.rule(rules.Answer(503)):
        assert client.ask("PUT", "/files/x", DATA * 20).status == 503
    assert faults.log()[0].request_bytes == 20 * len(DATA)


def test_a_refusal_instead_of_100_continue_spares_the_body(ports: Ports, faults: Faults) -> None:
    head = b"PUT /files/x HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
    with faults.rule(rules.Answer(503)), socket.create_connection(("127.0.0.1", ports.data), timeout=5) as raw:
        raw.sendall(head)
        assert b"".join(iter(lambda: raw.recv(4096), b"")).startswith(b"HTTP/1.1 503 ")
    with socket.create_connection(("127.0.0.1", ports.data), timeout=5) as raw:
        raw.sendall(head)
        assert raw.recv(4096).startswith(b"HTTP/1.1 100 ")
        raw.sendall(b"12345")
        assert b"HTTP/1.1 405 " in raw.recv(4096)


@pytest.mark.parametrize(
    ("action", "least"),
    [
        (rules.Delay(0.3), 0.3),
        (rules.SlowBody(3_000_000), 0.3),
        (rules.SlowHead(1000), 0.15),
    ],
)
def test_slowness_is_as_slow_as_told(action: rules.Action, least: float, client: Client, faults: Faults) -> None:
    with faults.rule(action):
        got = client.get()
    assert got.body == DATA
    assert least <= got.seconds < 3 * least + 0.2


def test_latency_and_speed_are_for_everything(client: Client, faults: Faults) -> None:
    faults.shape(latency_seconds=0.05)
    assert 0.05 <= client.get(headers={"Range": "bytes=0-1"}).seconds < 0.2
    faults.shape(bytes_per_second=5e6)
    assert 0.19 <= client.get().seconds < 0.6
    faults.clear()
    assert client.get(headers={"Range": "bytes=0-1"}).seconds < 0.05


def test_clearing_ends_what_a_rule_holds_up(ports: Ports, faults: Faults) -> None:
    with (
        faults.rule(rules.Delay(60)) as applied,
        socket.create_connection(("127.0.0.1", ports.data), timeout=10) as raw,
    ):
        raw.sendall(b"GET /files/data HTTP/1.1\r\nHost: x\r\n\r\n")
        deadline = time.monotonic() + 5
        while not applied.hits:
            assert time.monotonic() < deadline
        faults.clear()
        with pytest.raises(ConnectionResetError):
            raw.recv(1)


def test_a_rule_that_is_none_is_refused(faults: Faults) -> None:
    with pytest.raises(FaultsError, match="KeyError"):
        faults.call("POST", "/rules", {"action": {"kind": "Explode"}})
    with pytest.raises(FaultsError, match="error"), faults.rule(rules.Drop(), path="("):
        pass
