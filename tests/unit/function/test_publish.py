"""Objects of a request: written with their checksums, the manifest last, all or nothing, never another's touched."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, cast

import pytest

from function.errors import FunctionError, OutputConflict, OutputForbidden, OutputNotFound, OutputUnavailable
from function.models.form import Writing
from function.models.places import Output
from function.models.result import CombineResult
from function.output import publish
from function.output.publish import Publication, check_bucket, finished
from function.output.undo_log import REQUEST, RUN, Journal
from tests.support.fakes3 import OUT, FakeS3, Killed, refused, unreachable

Message = dict[str, Any]
OUTPUT = Output(bucket=OUT, key="run/")
MANIFEST = "run/_manifest.json"
SMALL, LARGE = bytes(range(200)), bytes(i * i % 251 for i in range(2500))
WRITTEN = {"run/small.bin": SMALL, "run/large.bin": LARGE, MANIFEST: b"{}"}
OTHERS = {"run/small.bin": b"another's", "run/large.bin": b"this too", "elsewhere": b"and this"}
REQUESTS = range(7)  # of write_all: one object, an upload of three parts, the manifest


@pytest.fixture(autouse=True)
def _small_parts_and_no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish, "PART_BYTES", 1000)
    monkeypatch.setattr(publish, "MAX_PUT_BYTES", 2000)
    monkeypatch.setattr(time, "sleep", lambda _: None)


def publication(
    client: FakeS3, tell: Callable[[Message], None] = lambda _: None, run: str = "run1", **writing: Any
) -> Publication:
    return Publication(cast("Any", client), OUTPUT, Writing(**writing), Journal(run, "asked", MANIFEST, tell))


def write_all(target: Publication) -> None:
    target.put("run/small.bin", SMALL, "image/png")
    writer = target.open("run/large.bin", None, "video/mp4")
    for start in range(0, len(LARGE), 700):
        assert writer.write(LARGE[start : start + 700]) == len(LARGE[start : start + 700])
    writer.close()
    target.put_manifest(b"{}")


def at(number: int, error: BaseException) -> Callable[[int], None]:
    def fail(request: int) -> None:
        if request == number:
            raise error

    return fail


def from_then_on(number: int, error: Exception) -> Callable[[int], None]:
    def fail(request: int) -> None:
        if request >= number:
            raise error

    return fail


def full(*, versioned: bool) -> FakeS3:
    """A bucket that others write to as well."""
    client = FakeS3(versioned=versioned)
    for key, data in OTHERS.items():
        client.store(key, data, **{RUN: "another", REQUEST: "another"})
    return client


def test_objects_are_written_in_order_and_the_manifest_last() -> None:
    client = FakeS3()
    with publication(client) as target:
        write_all(target)
    assert client.log == [
        "put_object run/small.bin",
        "create_multipart_upload run/large.bin",
        *["upload_part run/large.bin"] * 3,
        "complete_multipart_upload run/large.bin",
        f"put_object {MANIFEST}",
    ]
    assert client.objects == WRITTEN
    assert client.uploads == {}
    assert len(client.log) == len(REQUESTS)


@pytest.mark.parametrize("versioned", [False, True])
def test_what_was_written_is_described_by_its_size_hash_and_version(versioned: bool) -> None:
    client = FakeS3(versioned=versioned)
    with publication(client) as target:
        small = target.put("run/small.bin", SMALL, "image/png")
        writer = target.open("run/large.bin", None, "video/mp4")
        writer.write(memoryview(LARGE))
        large = writer.close()
    for written, data in ((small, SMALL), (large, LARGE)):
        key = written.uri.removeprefix(f"s3://{OUT}/")
        assert (written.bytes, written.sha256) == (len(data), hashlib.sha256(data).hexdigest())
        assert written.version_id == client.versions[key][-1].version
        assert (written.version_id is not None) == versioned


def test_every_object_carries_its_checksum_its_type_and_how_it_is_to_be_kept() -> None:
    """A manifest in the results' storage class could not be read again before it is restored."""
    client = FakeS3()
    with publication(client, storage_class="GLACIER", kms_key="alias/mine") as target:
        write_all(target)
    for key, kind in (("run/small.bin", "image/png"), ("run/large.bin", "video/mp4"), (MANIFEST, "application/json")):
        sent = client.versions[key][-1].sent
        assert sent["ContentType"] == kind
        assert sent["ChecksumAlgorithm"] == "SHA256"
        assert sent.get("StorageClass") == (None if key == MANIFEST else "GLACIER")
        assert (sent["ServerSideEncryption"], sent["SSEKMSKeyId"]) == ("aws:kms", "alias/mine")
        assert sent["Metadata"] == {RUN: "run1", REQUEST: "asked"}
    checksum = base64.b64encode(hashlib.sha256(SMALL).digest()).decode()
    assert client.versions["run/small.bin"][-1].sent["ChecksumSHA256"] == checksum


def test_nothing_is_said_of_storage_class_and_key_unless_the_event_does() -> None:
    client = FakeS3()
    with publication(client) as target:
        target.put("run/small.bin", SMALL, "image/png")
    assert not {"StorageClass", "ServerSideEncryption", "SSEKMSKeyId"} & set(client.versions["run/small.bin"][-1].sent)


@pytest.mark.parametrize(
    ("known", "length", "parts"),
    [
        (2000, 2000, 0),
        (2001, 2001, 3),
        (None, 1000, 0),
        (None, 1001, 2),
        (None, 3000, 3),
        (4000, 4000, 4),
        (4004, 4004, 4),
    ],
)
def test_what_is_known_to_be_small_is_one_request_and_no_object_has_too_many_parts(
    known: int | None, length: int, parts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "MIB", 1)
    monkeypatch.setattr(publish, "MAX_UPLOAD_PARTS", 4)
    client, data = FakeS3(), bytes(i % 251 for i in range(length))
    with publication(client) as target:
        writer = target.open("x", known, "video/mp4")
        writer.write(data)
        writer.flush()
        assert client.objects == {}
        writer.close()
    assert client.objects == {"x": data}
    assert client.log.count("upload_part x") == parts


def test_an_empty_object_is_written() -> None:
    client = FakeS3()
    with publication(client) as target:
        target.open("x", None, "video/mp4").close()
    assert client.objects == {"x": b""}


@pytest.mark.parametrize("versioned", [False, True])
@pytest.mark.parametrize("number", REQUESTS)
def test_a_refusal_at_any_request_takes_back_what_was_written(number: int, versioned: bool) -> None:
    client = full(versioned=versioned)
    client.before = at(number, refused(403, "AccessDenied"))
    with pytest.raises(OutputForbidden), publication(client) as target:
        write_all(target)
    untouched = OTHERS if versioned else {key: OTHERS[key] for key in OTHERS if client.objects.get(key)}
    assert client.objects == untouched
    assert "elsewhere" in client.objects
    assert ("run/small.bin" in client.objects) == (versioned or number == 0)
    assert client.uploads == {}


@pytest.mark.parametrize("number", [number for number in REQUESTS if number != 1])
def test_a_lost_answer_of_any_request_is_asked_again(number: int) -> None:
    client = FakeS3(after=at(number, unreachable()))
    with publication(client) as target:
        write_all(target)
    assert client.objects == WRITTEN
    assert client.uploads == {}


@pytest.mark.parametrize("lost", [False, True])
@pytest.mark.parametrize("number", REQUESTS)
def test_what_an_outage_leaves_behind_is_taken_back_by_the_next_process(number: int, lost: bool) -> None:
    told: list[Message] = []
    client = full(versioned=True)
    client.before = from_then_on(number + lost, unreachable())
    client.after = from_then_on(number, unreachable())
    with pytest.raises(OutputUnavailable), publication(client, told.append) as target:
        write_all(target)
    replay(client, told)
    finished_all_the_same = lost and number == REQUESTS[-1]
    assert client.objects == (OTHERS | WRITTEN if finished_all_the_same else OTHERS)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("number", REQUESTS)
def test_what_a_killed_process_leaves_behind_is_taken_back_by_the_next(number: int, when: str) -> None:
    told: list[Message] = []
    client = full(versioned=True)
    setattr(client, when, at(number, Killed()))
    target = publication(client, told.append)
    with pytest.raises(Killed):  # and no block is left: the process is gone
        write_all(target)
    target._pool.shutdown()
    replay(client, told)
    finished_all_the_same = when == "after" and number == REQUESTS[-1]
    assert client.objects == (OTHERS | WRITTEN if finished_all_the_same else OTHERS)
    assert client.uploads == {}


def replay(client: FakeS3, told: list[Message]) -> None:
    """What the next process does for a dead one, with what that has told."""
    client.before = client.after = lambda _: None
    for journal in Journal.of("run1", told):
        journal.withdraw(cast("Any", client))
        assert journal.objects_left == 0


def test_an_error_of_the_work_itself_takes_back_what_was_written_and_stays() -> None:
    client = FakeS3()

    def fail(target: Publication, work: Callable[[], object]) -> None:
        with target:
            target.put("run/small.bin", SMALL, "image/png")
            work()
            target.submit(lambda: 1 // 0).result()

    target = publication(client)
    with pytest.raises(ZeroDivisionError):
        fail(target, lambda: None)
    assert client.objects == {}
    target = publication(client)
    with pytest.raises(ZeroDivisionError):
        fail(target, lambda: target.put_manifest(b"{}"))
    assert MANIFEST in client.objects  # an equal request may rely on it already


def test_work_that_waits_for_a_thread_is_not_begun_when_the_rest_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish, "CONNECTIONS", 1)
    client = FakeS3()
    left = threading.Event()
    late: list[Future[object]] = []

    def fail() -> None:
        with publication(client) as target:
            target.submit(lambda: left.wait(10))
            late.append(target.submit(lambda: target.put("late", b"", "image/png")))
            late[0].add_done_callback(lambda _: left.set())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert late[0].cancelled()
    assert client.log == []


@pytest.mark.parametrize(
    ("error", "raised", "again"),
    [
        (refused(404, "NoSuchBucket"), OutputNotFound, False),
        (refused(403, "AccessDenied"), OutputForbidden, False),
        (refused(400, "ExpiredToken"), OutputForbidden, True),
        (refused(503, "SlowDown"), OutputUnavailable, True),
        (unreachable(), OutputUnavailable, True),
    ],
)
def test_failures_of_s3_have_the_codes_of_outputs(error: Exception, raised: type[FunctionError], again: bool) -> None:
    client = FakeS3(before=from_then_on(0, error))
    with pytest.raises(raised) as caught:
        check_bucket(cast("Any", client), OUT)
    assert caught.value.retryable == again
    assert f"bucket {OUT}" in caught.value.message
    with pytest.raises(raised, match="s3://out/x"), publication(client) as target:
        target.put("x", b"", "image/png")


def test_a_bucket_that_is_there_is_good() -> None:
    check_bucket(cast("Any", FakeS3()), OUT)
    with pytest.raises(OutputNotFound):
        check_bucket(cast("Any", FakeS3()), "other")


@pytest.mark.parametrize("key", ["run/small.bin", "run/large.bin", MANIFEST])
def test_an_object_of_another_request_is_kept_and_ours_are_taken_back(key: str) -> None:
    client = FakeS3()
    client.store(key, b"another's", **{RUN: "another", REQUEST: "another"})
    with pytest.raises(OutputConflict, match=key), publication(client, if_exists="keep") as target:
        write_all(target)
    assert client.objects == {key: b"another's"}
    assert client.uploads == {}


@pytest.mark.parametrize("if_exists", ["replace", "reuse"])
def test_an_object_of_another_request_is_replaced_unless_it_is_to_be_kept(if_exists: str) -> None:
    client = full(versioned=False)
    with publication(client, if_exists=if_exists) as target:
        write_all(target)
    assert client.objects == OTHERS | WRITTEN


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("key", ["run/small.bin", "run/large.bin"])
def test_an_object_that_an_equal_request_has_written_meanwhile_is_as_good_and_not_ours(key: str, fails: bool) -> None:
    client = FakeS3(versioned=True)
    client.store(key, WRITTEN[key], **{RUN: "another", REQUEST: "asked"})
    [theirs] = client.versions[key]

    def last_is_refused(_: int) -> None:
        if fails and client.log[-1] == f"put_object {MANIFEST}":
            raise refused(403, "AccessDenied")

    client.before = last_is_refused
    try:
        with publication(client, if_exists="keep") as target:
            write_all(target)
    except OutputForbidden:
        assert fails
    assert client.versions[key] == [theirs]
    assert client.objects == ({key: WRITTEN[key]} if fails else WRITTEN)
    assert client.uploads == {}


@pytest.mark.parametrize("key", ["run/small.bin", "run/large.bin"])
def test_an_object_whose_answer_was_lost_is_known_to_be_ours(key: str) -> None:
    """The second try finds the object of the first in its way."""
    number = {"run/small.bin": 0, "run/large.bin": 5}[key]
    client = FakeS3(after=at(number, unreachable()))
    with publication(client, if_exists="keep") as target:
        write_all(target)
    assert client.objects == WRITTEN

    def last_is_refused(_: int) -> None:
        if client.log[-1] == f"put_object {MANIFEST}":
            raise refused(403, "AccessDenied")

    client = FakeS3(after=at(number, unreachable()), before=last_is_refused)
    with pytest.raises(OutputForbidden), publication(client, if_exists="keep") as target:
        write_all(target)
    assert client.objects == {}


def manifest_of(request: str, objects: int = 3) -> FakeS3:
    """A finished request's objects and manifest."""
    client = FakeS3()
    kept = {RUN: "another", REQUEST: request}
    keys = [f"run/{row:03d}.jpg" for row in range(objects)]
    for key in keys:
        client.store(key, SMALL, **kept)
    client.store(MANIFEST, json.dumps(result_of(keys, request)).encode(), **kept)
    return client


def result_of(keys: list[str], request: str = "asked") -> dict[str, Any]:
    written = [{"uri": f"s3://{OUT}/{key}", "bytes": len(SMALL), "sha256": "0" * 64} for key in keys]
    result = {"request": request, "partial": {"reduce": "sum", "frames": 3}, "parts": 2, "output": written}
    return {**result, "manifest": f"s3://{OUT}/{MANIFEST}"}


def is_finished(client: FakeS3, if_exists: Any = "reuse") -> dict[str, Any] | None:
    return finished(cast("Any", client), OUTPUT, Writing(if_exists=if_exists), "asked", CombineResult)


@pytest.mark.parametrize("objects", [1, 3, 8, 9, 1200])
@pytest.mark.parametrize("if_exists", ["reuse", "keep"])
def test_the_result_of_an_equal_request_is_the_answer(if_exists: str, objects: int) -> None:
    client = manifest_of("asked", objects)
    found = is_finished(client, if_exists)
    assert found
    assert len(found["output"]) == objects
    assert len(client.log) <= 2 + 8 + 4  # few requests, whatever the number of objects
    assert is_finished(FakeS3(), if_exists) is None


def test_a_result_is_made_again_if_it_is_to_be_replaced() -> None:
    client = manifest_of("asked")
    assert is_finished(client, "replace") is None
    assert client.log == []


def test_another_requests_result_is_replaced_or_in_the_way() -> None:
    assert is_finished(manifest_of("another"), "reuse") is None
    with pytest.raises(OutputConflict, match=MANIFEST):
        is_finished(manifest_of("another"), "keep")


@pytest.mark.parametrize("gone", ["deleted", "cut", "another's"])
@pytest.mark.parametrize(("objects", "place"), [(1, 0), (3, 1), (1200, 0), (1200, 777), (1200, 1199)])
def test_a_result_whose_objects_are_not_there_any_more_is_made_again(objects: int, place: int, gone: str) -> None:
    client = manifest_of("asked", objects)
    key = f"run/{place:03d}.jpg"
    if gone == "deleted":
        del client.versions[key]
    else:
        data, request = (SMALL[:-1], "asked") if gone == "cut" else (SMALL + b"!", "another")
        client.store(key, data, **{REQUEST: request})
    assert is_finished(client) is None


@pytest.mark.parametrize(
    "manifest",
    [
        b"",
        b"\xff\xfe",
        b"{",
        b"[" * 100_000,
        b"[]",
        b"null",
        b'{"frames": 3}',
        json.dumps({**result_of([]), "unheard_of": 1}).encode(),
        json.dumps({**result_of([]), "parts": "two"}).encode(),
        json.dumps({**result_of([]), "request": "another"}).encode(),
    ],
    ids=["empty", "binary", "cut", "deep", "list", "null", "older", "newer", "other-type", "other-request"],
)
@pytest.mark.parametrize("if_exists", ["reuse", "keep"])
def test_a_manifest_that_is_damaged_or_of_another_version_is_as_none_and_replaced(
    manifest: bytes, if_exists: str
) -> None:
    client = FakeS3()
    client.store(MANIFEST, manifest, **{RUN: "another", REQUEST: "asked"})
    assert is_finished(client, if_exists) is None
    with publication(client, if_exists=if_exists) as target:
        write_all(target)
    assert client.objects == WRITTEN


def test_a_manifest_in_an_archive_is_as_none() -> None:
    client = manifest_of("asked")

    def before(_: int) -> None:
        if client.log[-1].startswith("get_object"):
            raise refused(403, "InvalidObjectState")

    client.before = before
    assert is_finished(client) is None


@pytest.mark.parametrize("asked", ["head_object", "get_object"])
def test_a_result_that_cannot_be_looked_at_for_now_is_not_made_again(asked: str) -> None:
    client = manifest_of("asked")

    def before(_: int) -> None:
        if client.log[-1].startswith(asked):
            raise refused(503, "SlowDown")

    client.before = before
    with pytest.raises(OutputUnavailable):
        is_finished(client)
