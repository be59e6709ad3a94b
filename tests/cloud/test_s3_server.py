"""The S3 server of the test stack, through the proxy: how strict it is, and where it is kinder than S3."""

from __future__ import annotations

import base64
import hashlib
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import botocore.exceptions
import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from local.stack import DIRECT
from tests.cloud.stack import RESULTS, VIDEOS, FaultStack, key_of
from tests.support.faults import s3_errors
from tests.support.faults.client import Faults

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MIB = 2**20
PART = b"p" * (5 * MIB)


def sha256(data: bytes) -> str:
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def refusal(call: Callable[[], object]) -> tuple[int, str]:
    """Status and code of the refusal that the call must end with."""
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call()
    response = caught.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


@pytest.fixture
def s3(stack: FaultStack, faults: Faults) -> S3Client:  # noqa: ARG001 - without rules
    """The tests' client, through the proxy."""
    key = key_of("tests")
    return stack.client(stack.proxy_url, key.access, key.secret)


@pytest.fixture
def stored(s3: S3Client, prefix: str) -> tuple[str, bytes, str]:
    """An object in the results: key, bytes and ETag."""
    key, data = f"{prefix}object", bytes(range(256)) * 4000
    return key, data, s3.put_object(Bucket=RESULTS, Key=key, Body=data)["ETag"]


def test_signed_requests_pass_through_the_proxy(s3: S3Client, prefix: str, faults: Faults) -> None:
    key, data = f"{prefix}it's 100% +ü.bin", b"x" * (3 * MIB)
    s3.put_object(Bucket=RESULTS, Key=key, Body=data)
    assert s3.get_object(Bucket=RESULTS, Key=key)["Body"].read() == data
    assert s3.get_object(Bucket=RESULTS, Key=key, Range="bytes=10-19")["ContentRange"] == f"bytes 10-19/{len(data)}"
    assert [(e.method, e.status, e.range) for e in faults.log()] == [
        ("PUT", 200, ""),
        ("GET", 200, ""),
        ("GET", 206, "bytes=10-19"),
    ]
    assert faults.log()[0].request_bytes >= len(data)


def test_a_multipart_upload_passes_through_the_proxy(s3: S3Client, prefix: str) -> None:
    target: Any = {"Bucket": RESULTS, "Key": f"{prefix}parts"}
    upload = {**target, "UploadId": s3.create_multipart_upload(**target)["UploadId"]}
    etags = [s3.upload_part(**upload, PartNumber=n + 1, Body=b)["ETag"] for n, b in enumerate((PART, b"tail"))]
    parts: Any = [{"PartNumber": n + 1, "ETag": etag} for n, etag in enumerate(etags)]
    assert s3.list_multipart_uploads(Bucket=RESULTS)["Uploads"][0]["Key"] == target["Key"]
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    assert s3.get_object(**target)["Body"].read() == PART + b"tail"
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=RESULTS)


def test_a_presigned_url_takes_unsigned_ranges_and_conditions(s3: S3Client, stored: tuple[str, bytes, str]) -> None:
    key, data, etag = stored
    url = s3.generate_presigned_url("get_object", Params={"Bucket": RESULTS, "Key": key}, ExpiresIn=1)

    def ask(**headers: str) -> tuple[int, bytes]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            with DIRECT.open(urllib.request.Request(url, headers=named), timeout=10) as answer:  # noqa: S310
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    assert ask(Range="bytes=10-19", If_Match=etag) == (206, data[10:20])
    assert ask(Range="bytes=10-19", If_Match='"other"')[0] == 412
    deadline = time.monotonic() + 10
    while (answer := ask(Range="bytes=0-0"))[0] == 206 and time.monotonic() < deadline:
        pass
    assert answer[0] == 403
    assert b"Request has expired" in answer[1]


def test_wrong_credentials_are_refused(stack: FaultStack, stored: tuple[str, bytes, str]) -> None:
    key, access = stored[0], key_of("tests").access
    wrong_secret = stack.client(stack.proxy_url, access, "wrong")
    unknown = stack.client(stack.proxy_url, "AKNOBODY000000000001", "wrong")
    assert refusal(lambda: wrong_secret.get_object(Bucket=RESULTS, Key=key)) == (403, "SignatureDoesNotMatch")
    assert refusal(lambda: unknown.get_object(Bucket=RESULTS, Key=key)) == (403, "InvalidAccessKeyId")


def test_the_function_may_only_what_it_needs(stack: FaultStack, prefix: str) -> None:
    function = stack.client(stack.proxy_url, key_of("function").access, key_of("function").secret)
    function.put_object(Bucket=RESULTS, Key=f"{prefix}x", Body=b"x")
    function.delete_object(Bucket=RESULTS, Key=f"{prefix}x")
    function.get_object(Bucket=VIDEOS, Key="small.mp4")
    denied = (403, "AccessDenied")
    assert refusal(lambda: function.put_object(Bucket=VIDEOS, Key="x", Body=b"x")) == denied
    assert refusal(lambda: function.get_object(Bucket="denied", Key="x")) == denied
    assert refusal(lambda: function.put_object(Bucket="denied", Key="x", Body=b"x")) == denied
    assert refusal(lambda: function.create_bucket(Bucket="another")) == denied


def test_conditions_are_kept(s3: S3Client, stored: tuple[str, bytes, str]) -> None:
    key, data, etag = stored
    failed = (412, "PreconditionFailed")
    assert s3.get_object(Bucket=RESULTS, Key=key, IfMatch=etag)["Body"].read() == data
    assert refusal(lambda: s3.get_object(Bucket=RESULTS, Key=key, IfMatch='"other"')) == failed
    assert refusal(lambda: s3.put_object(Bucket=RESULTS, Key=key, Body=b"new", IfNoneMatch="*")) == failed
    assert refusal(lambda: s3.put_object(Bucket=RESULTS, Key=key, Body=b"new", IfMatch='"other"')) == failed
    s3.put_object(Bucket=RESULTS, Key=f"{key}-new", Body=b"new", IfNoneMatch="*")


def test_a_multipart_upload_does_not_replace_what_must_not_be_there(
    s3: S3Client, stored: tuple[str, bytes, str]
) -> None:
    target: Any = {"Bucket": RESULTS, "Key": stored[0]}
    upload = {**target, "UploadId": s3.create_multipart_upload(**target)["UploadId"]}
    etag = s3.upload_part(**upload, PartNumber=1, Body=b"new")["ETag"]
    complete = {**upload, "MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": etag}]}, "IfNoneMatch": "*"}
    assert refusal(lambda: s3.complete_multipart_upload(**complete)) == (412, "PreconditionFailed")
    assert s3.get_object(**target)["Body"].read() == stored[1]


@pytest.mark.parametrize(
    ("ranged", "expected"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=1000-1999", (1000, 2000)),
        ("bytes=-10", (1_023_990, 1_024_000)),
        ("bytes=1023990-9999999", (1_023_990, 1_024_000)),
    ],
)
def test_ranges_are_right(ranged: str, expected: tuple[int, int], s3: S3Client, stored: tuple[str, bytes, str]) -> None:
    key, data, _ = stored
    start, stop = expected
    answer = s3.get_object(Bucket=RESULTS, Key=key, Range=ranged)
    assert answer["ContentRange"] == f"bytes {start}-{stop - 1}/{len(data)}"
    assert answer["Body"].read() == data[start:stop]


def test_a_range_behind_the_end_is_refused(s3: S3Client, stored: tuple[str, bytes, str]) -> None:
    behind: Any = {"Bucket": RESULTS, "Key": stored[0], "Range": "bytes=9999999-"}
    assert refusal(lambda: s3.get_object(**behind)) == (416, "InvalidRange")


@pytest.mark.parametrize(
    "checksum", ["ChecksumSHA256", "ChecksumSHA1", "ChecksumCRC32", "ChecksumCRC32C", "ContentMD5"]
)
def test_a_wrong_checksum_is_refused(checksum: str, s3: S3Client, prefix: str) -> None:
    size = {"ChecksumSHA256": 32, "ChecksumSHA1": 20, "ContentMD5": 16}.get(checksum, 4)
    wrong: Any = {checksum: base64.b64encode(b"\1" * size).decode()}
    assert refusal(lambda: s3.put_object(Bucket=RESULTS, Key=f"{prefix}x", Body=b"x", **wrong)) == (400, "BadDigest")
    assert refusal(lambda: s3.head_object(Bucket=RESULTS, Key=f"{prefix}x"))[0] == 404


def test_a_wrong_checksum_of_a_part_is_refused(s3: S3Client, prefix: str) -> None:
    target: Any = {"Bucket": RESULTS, "Key": f"{prefix}parts"}
    upload = {**target, "UploadId": s3.create_multipart_upload(**target, ChecksumAlgorithm="SHA256")["UploadId"]}
    wrong = {**upload, "PartNumber": 1, "Body": b"x", "ChecksumSHA256": sha256(b"y")}
    assert refusal(lambda: s3.upload_part(**wrong)) == (400, "BadDigest")
    etag = s3.upload_part(**upload, PartNumber=1, Body=b"x", ChecksumSHA256=sha256(b"x"))["ETag"]
    parts: Any = {"Parts": [{"PartNumber": 1, "ETag": etag, "ChecksumSHA256": sha256(b"y")}]}
    assert refusal(lambda: s3.complete_multipart_upload(**upload, MultipartUpload=parts))[0] == 400


def test_where_the_server_is_kinder_than_s3(s3: S3Client, stack: FaultStack, stored: tuple[str, bytes, str]) -> None:
    """S3 refuses all of these. What relies on a refusal is provoked with the proxy instead."""
    key, data, _ = stored
    versioned: Any = {
        "Bucket": RESULTS,
        "Key": key,
        "VersionId": "3sL4kqtJlcpXroDTDmJ",
    }  # of a bucket without versions
    assert s3.get_object(**versioned)["Body"].read() == data
    elsewhere = stack.client(stack.proxy_url, key_of("tests").access, key_of("tests").secret, "eu-central-1")
    assert elsewhere.get_object(Bucket=RESULTS, Key=key)["Body"].read() == data
    assert refusal(lambda: s3.get_object(Bucket=RESULTS, Key="a/../b")) == (400, "InvalidRequest")  # a key for S3
    put = AWSRequest("PUT", f"{stack.proxy_url}/{RESULTS}/{key}", data=b"signed")
    S3SigV4Auth(Credentials(key_of("tests").access, key_of("tests").secret), "s3", "us-east-1").add_auth(put)
    other = urllib.request.Request(str(put.url), b"sent, other", dict(put.headers), method="PUT")  # noqa: S310
    DIRECT.open(other, timeout=10).close()  # a body that does not fit its signed hash
    unlisted = stack.client(stack.proxy_url, key_of("function").access, key_of("function").secret)
    missing = refusal(lambda: unlisted.get_object(Bucket="unlisted", Key="missing"))
    assert missing == (404, "NoSuchKey")  # S3 hides it: 403


def test_errors_of_s3_are_understood_by_its_clients(
    s3: S3Client, stored: tuple[str, bytes, str], faults: Faults
) -> None:
    get: Any = {"Bucket": RESULTS, "Key": stored[0]}
    for answer, expected in [
        (s3_errors.SLOW_DOWN, (503, "SlowDown")),
        (s3_errors.ARCHIVED, (403, "InvalidObjectState")),
        (s3_errors.OTHER_REGION, (301, "PermanentRedirect")),
        (s3_errors.EXPIRED_TOKEN, (400, "ExpiredToken")),
    ]:
        with faults.rule(answer):
            assert refusal(lambda: s3.get_object(**get)) == expected
