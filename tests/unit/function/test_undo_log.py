"""The undo log: told before each write, enough for another process to take back all of it and nothing else."""

from __future__ import annotations

import json
import time
from typing import Any, cast

import pytest

from function.output import publish, undo_log
from function.output.undo_log import REQUEST, RUN, Entry, Journal
from tests.support.fakes3 import OUT, FakeS3, refused
from tests.unit.function.test_publish import LARGE, MANIFEST, SMALL, publication, write_all

OURS = {RUN: "run1", REQUEST: "asked"}


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)


def withdraw(client: FakeS3, *entries: Entry) -> None:
    journal = Journal("run1", "asked", MANIFEST)
    for entry in entries:
        journal.add(entry)
    journal.withdraw(cast("Any", client))


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


def test_what_cannot_be_taken_back_is_logged_and_the_rest_is(caplog: pytest.LogCaptureFixture) -> None:
    client = FakeS3()
    for key in ("a", "b", "c"):
        client.store(key, LARGE, **OURS)

    def before(_: int) -> None:
        if client.log[-1] in ("delete_object b", "list_multipart_uploads d"):
            raise refused(403, "AccessDenied")

    client.before = before
    withdraw(client, *(Entry(OUT, key) for key in ("a", "b", "c")), Entry(OUT, "d", in_parts=True))
    assert set(client.objects) == {"b"}
    assert "s3://out/b" in caplog.text
    assert "s3://out/d" in caplog.text


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
    again = Journal.of("run1", json.loads(json.dumps(told)))
    assert again.metadata == journal.metadata == OURS
    again.withdraw(cast("Any", client))
    assert client.log == [f"head_object {MANIFEST}", "delete_object x"]
