"""The parts of a request's story that need no S3: errors as they are told, limits, phases, the result's size."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator
from typing import Any
from unittest.mock import Mock

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError, ReadTimeoutError

import hwang.errors as decoder_errors
from function import errors, limits
from function.clock import Clock
from function.publish import Publication
from function.result import MAX_LISTED, returned
from function.s3 import Fault, S3Error, s3_failures

MIB = 2**20


def test_a_report_is_a_json_object_with_four_fields() -> None:
    error = errors.SourceNotFound("video: s3://films/clip.mp4 does not exist", video="s3://films/clip.mp4")
    assert error.code == "SourceNotFound"
    assert json.loads(error.report("id-1")) == {
        "message": "video: s3://films/clip.mp4 does not exist",
        "retryable": False,
        "detail": {"video": "s3://films/clip.mp4"},
        "request_id": "id-1",
    }


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://h/v.mp4?X-Amz-Signature=abc failed", "https://h/v.mp4?… failed"),
        ("s3://films/a.mp4?token=abc: gone", "s3://films/a.mp4?… gone"),
        ("https://user:word@h/v.mp4", "https://…@h/v.mp4"),
        ("two\nlines\x00", "two\ufffdlines\ufffd"),
        ("\ud800", "\ufffd"),
        ("why?", "why?"),
    ],
)
def test_a_message_is_one_line_without_secrets(text: str, shown: str) -> None:
    error = errors.BadRequest(text, text=text)
    assert (error.message, error.detail["text"]) == (shown, shown)


def test_a_message_is_at_most_300_characters() -> None:
    assert len(errors.BadRequest("x" * 5000).message) == 300


def test_every_decoder_error_has_its_own_code() -> None:
    expected = {
        "FrameIndexError": "FrameOutOfRange",
        "UnsupportedMediaError": "UnsupportedMedia",
        "EncryptedMediaError": "Encrypted",
        "CorruptMediaError": "CorruptMedia",
        "CorruptFrameError": "FrameCorrupt",
        "LimitExceededError": "LimitExceeded",
        "SourceError": "SourceUnavailable",
        "StoppedError": "Internal",
        "HwangError": "Internal",
    }
    assert set(expected) == set(decoder_errors.__all__)
    for name, code in expected.items():
        raised = getattr(decoder_errors, name)("cause")
        assert errors.from_exception(raised, "s3://films/clip.mp4").code == code


def test_a_corrupt_frame_names_video_and_rows() -> None:
    raised = decoder_errors.CorruptFrameError("2 frames cannot be decoded", [7, 3])
    error = errors.from_exception(raised, "s3://films/clip.mp4")
    assert error.detail == {"video": "s3://films/clip.mp4", "rows": [3, 7]}
    assert "s3://films/clip.mp4" in error.message


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (MemoryError(), "LimitExceeded"),
        (OSError(errno.ENOSPC, "No space left on device"), "StorageFull"),
        (KeyError("a secret"), "Internal"),
        (OSError("/secret/path"), "Internal"),
    ],
)
def test_an_unexpected_exception_tells_nothing_of_itself(raised: Exception, code: str) -> None:
    error = errors.from_exception(raised)
    assert error.code == code
    assert "secret" not in error.report("id")


@pytest.mark.parametrize(
    ("code", "status", "fault"),
    [
        ("NoSuchKey", 404, Fault.NOT_FOUND),
        ("NoSuchBucket", 404, Fault.NOT_FOUND),
        ("404", 404, Fault.NOT_FOUND),
        ("400", 400, Fault.NOT_FOUND),
        ("MethodNotAllowed", 405, Fault.NOT_FOUND),
        ("AccessDenied", 403, Fault.FORBIDDEN),
        ("InvalidObjectState", 403, Fault.FORBIDDEN),
        ("ExpiredToken", 400, Fault.FORBIDDEN),
        ("PermanentRedirect", 301, Fault.FORBIDDEN),
        ("PreconditionFailed", 412, Fault.CHANGED),
        ("InvalidRange", 416, Fault.CHANGED),
        ("SlowDown", 503, Fault.UNAVAILABLE),
        ("InternalError", 500, Fault.UNAVAILABLE),
        ("TooManyRequests", 429, Fault.UNAVAILABLE),
    ],
)
def test_an_answer_of_s3_is_one_of_four_faults(code: str, status: int, fault: Fault) -> None:
    answer: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    with pytest.raises(S3Error) as caught, s3_failures():
        raise ClientError(answer, "HeadObject")
    assert caught.value.fault is fault
    assert str(status) in caught.value.cause


def test_no_answer_is_unavailable_and_no_credentials_are_forbidden() -> None:
    with pytest.raises(S3Error) as caught, s3_failures():
        raise EndpointConnectionError(endpoint_url="http://user:word@host")
    assert caught.value.fault is Fault.UNAVAILABLE
    assert "word" not in str(caught.value)
    with pytest.raises(S3Error) as caught, s3_failures():
        raise NoCredentialsError
    assert caught.value.fault is Fault.FORBIDDEN


def test_the_tutorials_job_fits_into_512_mb() -> None:
    limits.check_memory(1280, 720, 100, "npy", "sum", MIB, 512 * MIB)
    limits.check_memory(1280, 720, 100_000, "npy", None, 2**40, 512 * MIB)
    limits.check_memory(1280, 720, 132, "sheet", None, MIB, 512 * MIB)


def test_what_cannot_fit_is_refused_with_the_memory_that_would() -> None:
    with pytest.raises(errors.LimitExceeded) as caught:
        limits.check_memory(7680, 4320, 10, "npy", "mean", 0, 1024 * MIB)
    wanted = caught.value.detail["wanted_mb"]
    assert isinstance(wanted, int)
    assert str(wanted) in caught.value.message
    limits.check_memory(7680, 4320, 10, "npy", "mean", 0, wanted * MIB)
    limits.check_memory(7680, 4320, 10, "npy", "mean", 0, None)


def test_a_sheet_of_too_many_frames_is_refused() -> None:
    with pytest.raises(errors.LimitExceeded, match="401"):
        limits.check_memory(64, 64, 401, "sheet", None, 0, None)


def test_a_result_larger_than_the_storage_is_refused() -> None:
    limits.check_storage(0, 0)
    with pytest.raises(errors.StorageFull):
        limits.check_storage(2**62, 0)


def test_a_fetch_is_counted_in_memory_or_in_temporary_storage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: Mock(free=100 * MIB))
    limits.check_storage(100 * MIB, 64 * MIB)
    limits.check_storage(20 * MIB, 80 * MIB)
    with pytest.raises(errors.StorageFull) as caught:
        limits.check_storage(20 * MIB, 80 * MIB + 1)
    assert caught.value.detail == {"wanted": 100 * MIB + 1, "free": 100 * MIB}

    def needed(fetched: int) -> object:
        with pytest.raises(errors.LimitExceeded) as caught:
            limits.check_memory(1280, 720, 1, "npy", None, fetched, 0)
        return caught.value.detail["wanted_mb"]

    assert needed(64 * MIB) == needed(2**40) != needed(0)


class Bucket:
    """As much of an S3 client as a publication needs; the put of `refuses` has no answer."""

    def __init__(self, refuses: str, version: str | None) -> None:
        self.deleted: list[dict[str, str]] = []
        self._refuses = refuses
        self._answer = {"VersionId": version} if version else {}

    def head_bucket(self, **_: str) -> None: ...

    def put_object(self, **request: Any) -> dict[str, str]:
        if request["Key"] == self._refuses:
            raise ReadTimeoutError(endpoint_url="http://host")
        return self._answer

    def delete_object(self, **request: str) -> None:
        self.deleted.append(request)


def publish(bucket: Any, *names: str) -> None:
    with Publication(bucket, "out") as publication:
        for key in names:
            publication.put_bytes(key, b"data", "text/plain")


@pytest.mark.parametrize("version", [None, "v7"])
def test_only_what_was_surely_written_is_withdrawn(version: str | None) -> None:
    bucket = Bucket("unanswered", version)
    with pytest.raises(errors.OutputUnavailable):
        publish(bucket, "written", "unanswered")
    assert bucket.deleted == [{"Bucket": "out", "Key": "written"} | ({"VersionId": version} if version else {})]


def test_batches_are_bounded_but_hold_a_frame() -> None:
    assert limits.batch_bytes(1280, 720) == 8 * MIB
    assert limits.batch_bytes(7680, 4320) == 7680 * 4320 * 3


def test_the_memory_limit_is_the_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512")
    assert limits.function_memory() == 512 * MIB
    monkeypatch.delenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
    assert limits.function_memory() is None


def test_an_inner_phase_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    now: Iterator[float] = iter(range(100))
    monkeypatch.setattr("time.perf_counter", lambda: next(now))
    clock = Clock()
    with clock.phase("write"):
        for _ in clock.items("decode", [1, 2]):
            pass
    spent = clock.milliseconds()
    assert spent["decode"] == 3000  # two items and the end
    assert spent["write"] + spent["decode"] == spent["total"] - 2000


def whole(count: int) -> dict[str, Any]:
    output = [{"uri": "s3://out/" + "k" * 1000, "bytes": 10**9, "sha256": "0" * 64} for _ in range(count)]
    frames = {"count": count, "rows": list(range(count)), "timestamps": [row / 24 for row in range(count)]}
    return {"output": output, "objects": count, "frames": frames}


def test_a_small_result_is_returned_whole() -> None:
    assert returned(whole(MAX_LISTED)) == whole(MAX_LISTED)


def test_a_large_result_is_returned_with_short_lists_and_true_counts() -> None:
    result = returned(whole(100_000))
    assert len(json.dumps(result)) < 2 * MIB
    assert (result["objects"], result["frames"]) == (100_000, {"count": 100_000})
    assert len(result["output"]) == MAX_LISTED
