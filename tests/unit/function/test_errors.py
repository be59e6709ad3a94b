"""Errors as they are told: codes, messages, secrets, and what S3's answers mean."""

from __future__ import annotations

import errno
import json
from typing import Any

import pytest
from botocore import exceptions
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError
from botocore.parsers import ResponseParserError

import hwang.errors as decoder_errors
from function import errors
from function.s3 import S3Error, s3_failures
from hwang.sources.faults import Fault


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
        "ClockError": "UnsupportedMedia",
        "FrameIndexError": "FrameOutOfRange",
        "UnsupportedMediaError": "UnsupportedMedia",
        "EncryptedMediaError": "Encrypted",
        "CorruptMediaError": "CorruptMedia",
        "CorruptFrameError": "FrameCorrupt",
        "LimitExceededError": "LimitExceeded",
        "SourceError": "SourceUnavailable",
        "SourceForbiddenError": "SourceForbidden",
        "SourceNotFoundError": "SourceNotFound",
        "StorageFullError": "StorageFull",
        "StoppedError": "Internal",
        "DecodeTimeoutError": "DeadlineExceeded",
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
        ("400", 400, Fault.REFUSED),
        ("MethodNotAllowed", 405, Fault.REFUSED),
        ("AccessDenied", 403, Fault.FORBIDDEN),
        ("InvalidObjectState", 403, Fault.LOCKED),
        ("ExpiredToken", 400, Fault.EXPIRED),
        ("RequestTimeTooSkewed", 403, Fault.EXPIRED),
        ("PermanentRedirect", 301, Fault.LOCKED),
        ("PreconditionFailed", 412, Fault.CHANGED),
        ("InvalidRange", 416, Fault.CHANGED),
        ("SlowDown", 503, Fault.UNAVAILABLE),
        ("InternalError", 500, Fault.UNAVAILABLE),
        ("TooManyRequests", 429, Fault.UNAVAILABLE),
        ("BadDigest", 400, Fault.UNAVAILABLE),
        ("KMS.DisabledException", 400, Fault.LOCKED),
    ],
)
def test_an_answer_of_s3_is_a_fault(code: str, status: int, fault: Fault) -> None:
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
    assert caught.value.fault is Fault.LOCKED


HELPED_BY_A_RETRY = {"SourceUnavailable", "OutputUnavailable", "DeadlineExceeded"}


def test_retryable_are_those_that_another_attempt_may_mend() -> None:
    retryable = {kind.__name__ for kind in errors.FunctionError.__subclasses__() if kind.retryable}
    assert retryable == HELPED_BY_A_RETRY


@pytest.mark.parametrize(
    ("raised", "retryable"),
    [
        (exceptions.EndpointConnectionError(endpoint_url="https://s3"), True),
        (exceptions.ConnectTimeoutError(endpoint_url="https://s3"), True),
        (exceptions.ReadTimeoutError(endpoint_url="https://s3"), True),
        (exceptions.ConnectionClosedError(endpoint_url="https://s3"), True),
        (exceptions.ProxyConnectionError(proxy_url="http://proxy"), True),
        (exceptions.ResponseStreamingError(error="reset"), True),
        (exceptions.IncompleteReadError(actual_bytes=1, expected_bytes=2), True),
        (exceptions.CredentialRetrievalError(provider="container", error_msg="late"), True),
        (ResponseParserError("no XML"), True),
        (ConnectionResetError(), True),
        (exceptions.SSLError(endpoint_url="https://s3", error=OSError("[SSL: CERTIFICATE_VERIFY_FAILED]")), False),
        (exceptions.NoCredentialsError(), False),
        (exceptions.ParamValidationError(report="a bucket"), False),
        (exceptions.InvalidRegionError(region_name="not one"), False),
        (exceptions.UnsupportedS3ArnError(arn="arn:aws:sqs:x", msg="no S3"), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_failures_of_the_client_are_retryable_if_they_may_pass(raised: Exception, retryable: bool) -> None:
    with pytest.raises(S3Error) as caught, s3_failures():
        raise raised
    assert caught.value.is_retryable is retryable
    assert caught.value.as_source("videos:").retryable is retryable


def test_an_error_of_another_process_is_the_same_error() -> None:
    error = errors.SourceUnavailable("video: s3://films/clip.mp4 could not be read", video="s3://films/clip.mp4")
    again = errors.of_code(error.code, error.message, error.detail, error.retryable)
    assert type(again) is errors.SourceUnavailable
    assert again.report("id") == error.report("id")
    assert type(errors.of_code("Unheard", "x", {}, False)) is errors.Internal
