"""What S3's documented error codes, and answers of other servers, are said to mean."""

from __future__ import annotations

import http.client

import pytest

from hwang.sources.connection import Server
from hwang.sources.faults import Fault, classify
from hwang.sources.origin import Refusal, Request

REGION = "Error parsing the X-Amz-Credential parameter; the region 'us-east-1' is wrong; expecting 'eu-central-1'"
SSE_C = (
    "The object was stored using a form of Server Side Encryption. "
    "The correct parameters must be provided to retrieve the object."
)


@pytest.mark.parametrize(
    ("code", "status", "message", "fault", "said"),
    [
        ("NoSuchKey", 404, "The specified key does not exist.", Fault.NOT_FOUND, "NoSuchKey"),
        ("NoSuchVersion", 404, "", Fault.NOT_FOUND, "NoSuchVersion"),
        ("NoSuchAccessPoint", 404, "", Fault.NOT_FOUND, "NoSuchAccessPoint"),
        ("InvalidArgument", 400, "Invalid version id specified", Fault.NOT_FOUND, "InvalidArgument"),
        ("InvalidArgument", 400, "Range is malformed", Fault.REFUSED, "status 400: Range is malformed"),
        ("AuthorizationQueryParametersError", 400, REGION, Fault.LOCKED, "another region"),
        ("AuthorizationHeaderMalformed", 400, REGION, Fault.LOCKED, "another region"),
        ("AuthorizationQueryParametersError", 400, "X-Amz-Expires is long", Fault.REFUSED, "X-Amz-Expires is long"),
        ("PermanentRedirect", 301, "", Fault.LOCKED, "another region"),
        ("TemporaryRedirect", 307, "", Fault.LOCKED, "another region"),
        ("InvalidRequest", 400, SSE_C, Fault.LOCKED, "SSE-C"),
        ("InvalidRequest", 400, "Please use AWS4-HMAC-SHA256.", Fault.REFUSED, "Please use AWS4-HMAC-SHA256."),
        ("InvalidObjectState", 403, "", Fault.LOCKED, "archived"),
        ("InvalidAccessKeyId", 403, "", Fault.LOCKED, "access key"),
        ("SignatureDoesNotMatch", 403, "", Fault.LOCKED, "secret key"),
        ("AllAccessDisabled", 403, "", Fault.LOCKED, "disabled"),
        ("AccessDenied", 403, "Access Denied", Fault.FORBIDDEN, "AccessDenied"),
        ("AccessDenied", 403, "Request has expired", Fault.EXPIRED, "AccessDenied"),
        ("ExpiredToken", 400, "", Fault.EXPIRED, "ExpiredToken"),
        ("TokenRefreshRequired", 400, "", Fault.EXPIRED, "TokenRefreshRequired"),
        ("RequestTimeTooSkewed", 403, "", Fault.EXPIRED, "RequestTimeTooSkewed"),
        ("RequestTimeout", 400, "", Fault.UNAVAILABLE, "RequestTimeout"),
        ("BadDigest", 400, "", Fault.UNAVAILABLE, "BadDigest"),
        ("IncompleteBody", 400, "", Fault.UNAVAILABLE, "IncompleteBody"),
        ("OperationAborted", 409, "", Fault.UNAVAILABLE, "OperationAborted"),
        ("SlowDown", 503, "", Fault.UNAVAILABLE, "SlowDown"),
        ("InternalError", 200, "", Fault.UNAVAILABLE, "InternalError"),
        ("PreconditionFailed", 412, "", Fault.CHANGED, "PreconditionFailed"),
        ("InvalidBucketName", 400, "The specified bucket is not valid.", Fault.REFUSED, "bucket is not valid"),
        ("KeyTooLongError", 400, "Your key is too long", Fault.REFUSED, "Your key is too long"),
        ("MethodNotAllowed", 405, "not allowed", Fault.REFUSED, "not allowed"),
        ("NotImplemented", 501, "A header is not implemented", Fault.REFUSED, "A header is not implemented"),
        ("InvalidStorageClass", 400, "", Fault.REFUSED, "InvalidStorageClass, status 400"),
        ("NeverHeardOf", 418, "I am a teapot", Fault.REFUSED, "NeverHeardOf, status 418: I am a teapot"),
        ("", 400, "", Fault.REFUSED, "status 400"),
        ("", 404, "", Fault.NOT_FOUND, "status 404"),
        ("", 410, "", Fault.NOT_FOUND, "status 410"),
        ("", 401, "", Fault.FORBIDDEN, "status 401"),
        ("", 405, "", Fault.REFUSED, "status 405"),
        ("", 412, "", Fault.REFUSED, "status 412"),
        ("", 429, "", Fault.UNAVAILABLE, "status 429"),
        ("", 501, "", Fault.REFUSED, "status 501"),
        ("", 502, "", Fault.UNAVAILABLE, "status 502"),
    ],
)
def test_a_code_says_what_it_means_and_an_unknown_one_what_the_server_said(
    code: str, status: int, message: str, fault: Fault, said: str
) -> None:
    found, cause = classify(code, message, status)
    assert found is fault
    assert said in cause


def test_a_delete_marker_is_a_missing_object_whatever_the_status() -> None:
    assert classify("MethodNotAllowed", "", 405, deleted=True) == (
        Fault.NOT_FOUND,
        "MethodNotAllowed, status 405: it was deleted",
    )


@pytest.mark.parametrize(
    ("headers", "body", "region"),
    [
        ("x-amz-bucket-region: eu-central-1", b"", "eu-central-1"),
        ("", b"<Error><Region>eu-west-3</Region></Error>", "eu-west-3"),
        ("", b"<Message>the region &apos;a&apos; is wrong; expecting &apos;eu-north-1&apos;</Message>", "eu-north-1"),
        ("x-amz-bucket-region: evil.example/", b"", None),
        ("", b"<Error><Code>InvalidRequest</Code></Error>", None),
    ],
)
def test_the_region_is_read_from_header_or_body(headers: str, body: bytes, region: str | None) -> None:
    parsed = http.client.HTTPMessage()
    if headers:
        parsed.add_header(*headers.split(": "))
    refusal = Refusal(400, parsed, body, Request(Server("https", "s3", 443), "/", {}))
    assert refusal.region == region
