"""The undo log: told before each write, enough for another process to take back all of it and nothing else."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Iterable
from contextlib import nullcontext
from datetime import timedelta
from typing import Any, cast

import pytest

from function.errors import DeadlineExceeded
from function.output import publish, undo_log
from function.output.undo_log import REQUEST, RUN, Entry, Journal
from tests.support.fakes3 import OUT, FakeS3, refused, unreachable
from tests.unit.function.test_publish import LARGE, MANIFEST, SMALL, publication, write_all

OURS = {RUN: "run1", REQUEST: "asked"}


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)


def withdraw(client: FakeS3, *entries: Entry) -> Journal:
    journal = Journal("run1", "asked", MANIFEST)
    for entry in entries:
        journal.add(entry)
    journal.withdraw(cast("Any", client))
    return journal


def test_every_write_is_told_before_it_is_made_and_again_when_more_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(publish, "PART_BYTES", 1000)
    client = FakeS3(versioned=True)
    told: list[dict[str, Any]] = []
    known: list[tuple[str, list[Any]]] = []

    def before(_: int) -> None:
        known.append((client.log[-1], [one["entry"] for one in told]))

    client.before = before
    with publication(client, told.append) as target:
        write_all(target)
    for request, entries in known:
        key = request.partition(" ")[2]
        mine = [entry for entry in entries if entry["key"] == key]
        assert mine, request
        assert mine[-1]["in_parts"] == ("large" in key)
        assert bool(mine[-1]["upload_id"]) == (request.split("_")[0] in ("upload", "complete")), request
    last = {one["entry"]["key"]: one["entry"]["version_id"] for one in told}
    assert last == {key: versions[-1].version for key, versions in client.versions.items()}
    assert all((one["request"], one["manifest_key"]) == ("asked", MANIFEST) for one in told)
    json.dumps(told)  # they go to another process


def test_an_object_without_an_answer_is_deleted_if_this_run_wrote_it() -> None:
    client = FakeS3()
    client.store("mine", SMALL, **OURS)
    client.store("equal", SMALL, **{RUN: "another", REQUEST: "asked"})
    client.store("other", SMALL)
    withdraw(client, *(Entry(OUT, key) for key in ("mine", "equal", "other", "never made")))
    assert set(client.objects) == {"equal", "other"}


def test_a_version_is_deleted_by_its_id_whatever_came_after() -> None:
    client = FakeS3(versioned=True)
    client.store("x", b"before")
    client.store("x", b"mine", **OURS)
    client.store("x", b"later", **{RUN: "another", REQUEST: "another"})
    withdraw(client, Entry(OUT, "x", version_id=client.versions["x"][1].version))
    assert [one.data for one in client.versions["x"]] == [b"before", b"later"]


@pytest.mark.parametrize("known", [True, False])
def test_an_upload_is_aborted_by_its_id_or_found_by_its_very_key(known: bool) -> None:
    client = FakeS3()
    mine = client.create_multipart_upload(Bucket=OUT, Key="x", Metadata={})["UploadId"]
    others = client.create_multipart_upload(Bucket=OUT, Key="x.bak", Metadata={})["UploadId"]
    withdraw(client, Entry(OUT, "x", in_parts=True, upload_id=mine if known else None))
    assert set(client.uploads) == {others}
    assert any(line.startswith("list") for line in client.log) != known


def test_no_upload_is_looked_for_if_there_was_none() -> None:
    client = FakeS3()
    client.create_multipart_upload(Bucket=OUT, Key="x", Metadata={})
    withdraw(client, Entry(OUT, "x"))
    assert len(client.uploads) == 1


def test_nothing_is_deleted_if_an_equal_request_has_finished_but_uploads_are_aborted() -> None:
    client = FakeS3()
    client.store("x", SMALL, **OURS)
    client.store(MANIFEST, b"{}", **{RUN: "another", REQUEST: "asked"})
    client.create_multipart_upload(Bucket=OUT, Key="y", Metadata={})
    withdraw(client, Entry(OUT, "x"), Entry(OUT, "y", in_parts=True))
    assert client.objects == {"x": SMALL, MANIFEST: b"{}"}
    assert client.uploads == {}


def test_the_manifest_of_another_request_saves_nothing() -> None:
    client = FakeS3()
    client.store("x", SMALL, **OURS)
    client.store(MANIFEST, b"{}", **{RUN: "another", REQUEST: "another"})
    withdraw(client, Entry(OUT, "x"))
    assert client.objects == {MANIFEST: b"{}"}


def test_what_may_not_be_taken_back_is_logged_and_counted_and_the_rest_is(caplog: pytest.LogCaptureFixture) -> None:
    client = FakeS3(locked={"b": "AccessDenied"})
    for key in ("a", "b", "c"):
        client.store(key, LARGE, **OURS)

    def before(_: int) -> None:
        if client.log[-1] == "list_multipart_uploads d":
            raise refused(403, "AccessDenied")

    client.before = before
    journal = withdraw(client, *(Entry(OUT, key) for key in ("a", "b", "c")), Entry(OUT, "d", in_parts=True))
    assert set(client.objects) == {"b"}
    assert (journal.objects_left, journal.messages) == (1, [])  # it would be refused again
    assert "s3://out/b" in caplog.text
    assert "s3://out/d" in caplog.text


@pytest.mark.parametrize("code", ["SlowDown", "InternalError", "ConditionalRequestConflict"])
def test_what_is_refused_for_now_is_left_for_another_attempt(code: str) -> None:
    client = FakeS3(locked={"b": code})
    for key in ("a", "b"):
        client.store(key, SMALL, **OURS)
    journal = withdraw(client, Entry(OUT, "a"), Entry(OUT, "b"))
    assert set(client.objects) == {"b"}
    assert [one["entry"]["key"] for one in journal.messages] == ["b"]
    client.locked.clear()
    journal.withdraw(cast("Any", client))
    assert (client.objects, journal.objects_left) == ({}, 0)


@pytest.mark.parametrize("asked", ["head_object", "list_objects_v2", "delete_objects", "abort_multipart_upload"])
def test_an_outage_at_any_request_leaves_all_for_another_attempt(asked: str) -> None:
    """Also that of the manifest: an equal request may have finished."""
    client = FakeS3()
    entries = written(client, ["a", "b"])
    upload = client.create_multipart_upload(Bucket=OUT, Key="c", Metadata={})["UploadId"]
    client.before = lambda _: unreachable_at(client, asked)
    journal = withdraw(client, *entries, Entry(OUT, "c", in_parts=True, upload_id=upload))
    assert journal.objects_left >= 1
    client.before = lambda _: None
    journal.withdraw(cast("Any", client))
    assert (client.objects, client.uploads, journal.objects_left) == ({}, {}, 0)


def unreachable_at(client: FakeS3, name: str) -> None:
    if client.log[-1].startswith(name):
        raise unreachable()


# Many objects: found by listings, deleted by the hundred.


def written(client: FakeS3, keys: Iterable[str], data: bytes = SMALL) -> list[Entry]:
    """The entries of objects that this run has written, as their answers confirm them."""
    entries = []
    for key in keys:
        answer = client.put_object(
            Bucket=OUT,
            Key=key,
            Body=data,
            Metadata=OURS,
            ChecksumSHA256=base64.b64encode(hashlib.sha256(data).digest()).decode(),
        )
        entries.append(Entry.confirmed(OUT, key, answer))
    client.log.clear()
    return entries


@pytest.mark.parametrize("versioned", [False, True])
def test_thousands_of_objects_take_a_few_requests(versioned: bool) -> None:
    client = FakeS3(versioned=versioned)
    client.store("run/other.png", SMALL, **{RUN: "another"})
    journal = withdraw(client, *written(client, [f"run/{row:06d}.png" for row in range(6000)]))
    assert set(client.objects) == {"run/other.png"}
    assert journal.objects_left == 0
    assert len(client.log) <= (24 if versioned else 36)  # for each batch its manifest, a listing, a deletion


@pytest.mark.parametrize("data", [SMALL, b"other bytes"], ids=["equal", "other"])
def test_what_another_request_wrote_since_is_not_deleted(data: bytes) -> None:
    """Also if it has the same bytes, and so the same ETag: frames of an overlapping selection."""
    client = FakeS3()
    entries = written(client, ["run/a", "run/b", "run/c", "run/d"])
    client.now += timedelta(seconds=1)
    client.store("run/b", data, **{RUN: "another", REQUEST: "another"})
    withdraw(client, *entries)
    assert client.objects == {"run/b": data}


def test_what_another_request_writes_between_look_and_deletion_is_not_deleted() -> None:
    client = FakeS3()
    entries = written(client, ["run/a", "run/b"])

    def before(_: int) -> None:
        if client.log[-1].startswith("delete_objects"):
            client.store("run/b", b"other bytes", **{RUN: "another", REQUEST: "another"})

    client.before = before
    withdraw(client, *entries)
    assert client.objects == {"run/b": b"other bytes"}


def test_objects_are_found_among_many_others() -> None:
    """Further apart than a few pages of a listing: then each is looked at."""
    client = FakeS3()
    keys = [f"run/{row:06d}" for row in range(0, 100, 10)]
    entries = written(client, keys)
    others = [f"run/{row:06d}" for row in range(100) if row % 10]
    for key in others:
        client.store(key, SMALL)
    withdraw(client, *entries)
    assert sorted(client.objects) == others


def test_where_listings_are_not_allowed_each_object_is_looked_at() -> None:
    client = FakeS3()
    entries = written(client, ["a", "b"])

    def before(_: int) -> None:
        if client.log[-1].startswith("list"):
            raise refused(403, "AccessDenied")

    client.before = before
    withdraw(client, *entries)
    assert client.objects == {}


def test_an_object_of_a_bucket_with_suspended_versioning_is_looked_at() -> None:
    """All its objects have the version `null`, whoever wrote them."""
    client = FakeS3()
    client.store("a", b"another's", **{RUN: "another"})
    withdraw(client, Entry(OUT, "a", version_id="null", etag='"mine"', written=client.now.timestamp()))
    assert client.objects == {"a": b"another's"}


@pytest.mark.parametrize("count", [60, 600, 6000])
@pytest.mark.parametrize("seconds", [0.3, 0.6, 1.2, 2.2])
def test_taking_back_ends_in_time_and_the_rest_is_done_later(
    seconds: float, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each request takes 50 ms, in S3's place. No object is begun that could not be taken back by then."""
    monkeypatch.undo()
    left: list[tuple[list[dict[str, Any]], int]] = []
    client = FakeS3()
    entries = written(client, [f"run/{row:06d}.png" for row in range(count)])
    deadline = time.monotonic() + seconds
    journal = Journal("run1", "asked", MANIFEST, deadline=deadline, leave=lambda *told: left.append(told))
    for entry in entries:
        journal.add(entry)
    client.seconds = 0.05
    late = deadline - count * 0.0004 < time.monotonic()
    assert late == (count == 6000)
    with pytest.raises(DeadlineExceeded) if late else nullcontext():
        journal.check_time()
    time.sleep(max(0.0, deadline - count * 0.0004 - time.monotonic()))
    journal.withdraw(cast("Any", client))
    assert time.monotonic() < deadline + undo_log.UNDO_SECONDS + 0.1
    for messages, objects in left:
        assert objects == len(messages) >= len(client.objects)
        for again in Journal.of("run1", messages):
            again.withdraw(cast("Any", client), nullcontext)
    assert client.objects == {}


def test_journals_of_one_run_have_a_manifest_each() -> None:
    """A part of it that had finished when the process died stays."""
    client = FakeS3()
    told: list[dict[str, Any]] = []
    for request, manifest in (("first", "a/_manifest.json"), ("second", "b/_manifest.json")):
        journal = Journal("run1", request, manifest, told.append)
        key = manifest.replace("_manifest.json", "x")
        journal.add(Entry(OUT, key))
        client.store(key, SMALL, **{RUN: "run1", REQUEST: request})
    client.store("a/_manifest.json", b"{}", **{RUN: "run1", REQUEST: "first"})
    for journal in Journal.of("run1", told):
        journal.withdraw(cast("Any", client))
    assert set(client.objects) == {"a/x", "a/_manifest.json"}


def test_a_process_that_gets_no_threads_takes_back_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(undo_log, "ThreadPoolExecutor", none)
    client = FakeS3()
    client.store("x", SMALL, **OURS)
    withdraw(client, Entry(OUT, "x"))
    assert client.objects == {}


def test_a_run_that_wrote_nothing_asks_nothing() -> None:
    client = FakeS3()
    withdraw(client)
    assert client.log == []


def test_the_last_entry_of_a_key_counts_in_another_process_too() -> None:
    told: list[dict[str, Any]] = []
    journal = Journal("run1", "asked", MANIFEST, told.append)
    client = FakeS3(versioned=True)
    client.store("x", SMALL, **OURS)
    for entry in (Entry(OUT, "x"), Entry(OUT, "x", version_id=client.versions["x"][0].version)):
        journal.add(entry)
    [again] = Journal.of("run1", json.loads(json.dumps(told)))
    assert again.metadata == journal.metadata == OURS
    again.withdraw(cast("Any", client))
    assert client.log == [f"head_object {MANIFEST}", "delete_objects x"]
