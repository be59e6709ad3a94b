"""Objects that earlier requests left: taken back beside later ones, in a small share of their time."""

from __future__ import annotations

import time
from typing import Any

import pytest

from function import s3
from function.output import undo_log
from function.output.undo_log import Journal
from function.runtime.leftovers import Leftovers
from tests.support.fakes3 import FakeS3, refused
from tests.unit.function.test_publish import MANIFEST
from tests.unit.function.test_undo_log import written

SECONDS = 10.0


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> FakeS3:
    """S3 that takes 5 ms for a request."""
    client = FakeS3()
    client.seconds = 0.005
    monkeypatch.setattr(s3, "client", lambda: client)
    monkeypatch.setattr(undo_log, "MAX_BATCH", 100)
    return client


def left(client: FakeS3, count: int) -> dict[str, list[dict[str, Any]]]:
    """A run that has left so many objects."""
    client.seconds, seconds = 0, client.seconds
    journal = Journal("run1", "asked", MANIFEST)
    for entry in written(client, [f"run/{row:06d}.png" for row in range(count)]):
        journal.add(entry)
    client.seconds = seconds
    return {"run1": journal.messages}


def test_what_is_left_goes_between_requests_and_that_is_told_once(client: FakeS3) -> None:
    leftovers = Leftovers()
    leftovers.add(left(client, 600))
    assert leftovers.wait(time.monotonic() + SECONDS) == {}
    assert client.objects == {}
    assert leftovers.undone() == ["run1"]
    assert leftovers.undone() == []


def test_waiting_ends_in_time_and_tells_what_is_left(client: FakeS3) -> None:
    leftovers = Leftovers()
    client.seconds = 0.2
    start = time.monotonic()
    leftovers.add(left(client, 300))
    assert leftovers.wait(start + 0.1) == {"run1": 300}
    assert time.monotonic() - start < 1
    assert leftovers.wait(start + SECONDS) == {}


@pytest.mark.parametrize("count", [60, 600, 6000])
def test_three_requests_are_enough_and_lose_little_of_the_processor(
    count: int, client: FakeS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    spent: list[float] = []
    delete = undo_log._Undo.delete

    def measured(self: Any, *arguments: Any) -> Any:
        start = time.thread_time()
        try:
            return delete(self, *arguments)
        finally:
            spent.append(time.thread_time() - start)

    monkeypatch.setattr(undo_log, "MAX_BATCH", 500)
    monkeypatch.setattr(undo_log._Undo, "delete", measured)
    leftovers = Leftovers()
    entries = left(client, count)
    start = time.monotonic()
    for request in range(3):
        with leftovers.beside_a_request():
            leftovers.add(entries if not request else {})
            time.sleep(1.5)
    seconds = time.monotonic() - start
    assert client.objects == {}
    assert sum(spent) <= 0.1 * seconds


def test_an_outage_is_waited_out_and_the_next_request_goes_on(client: FakeS3, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("function.s3.time.sleep", pauses.append)
    client.seconds = 0
    leftovers = Leftovers()
    entries = left(client, 200)

    def before(_: int) -> None:
        raise refused(503, "SlowDown")

    client.before = before
    leftovers.add(entries)
    assert leftovers.wait(time.monotonic() + SECONDS) == {"run1": 200}
    assert leftovers.undone() == []
    client.before = lambda _: None
    leftovers.add({})
    assert leftovers.wait(time.monotonic() + SECONDS) == {}
    assert leftovers.undone() == ["run1"]
    assert client.objects == {}


def test_without_a_thread_the_next_request_goes_on(client: FakeS3, monkeypatch: pytest.MonkeyPatch) -> None:
    leftovers = Leftovers()
    with monkeypatch.context() as patch:

        def none(self: object) -> None:  # noqa: ARG001
            raise RuntimeError("can't start new thread")

        patch.setattr("threading.Thread.start", none)
        leftovers.add(left(client, 10))
    assert leftovers.wait(time.monotonic()) == {"run1": 10}
    leftovers.add({})
    assert leftovers.wait(time.monotonic() + SECONDS) == {}
    assert client.objects == {}
