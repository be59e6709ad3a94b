"""Every kind of bucket in events and outputs, who pays, and the region that a bucket is found in."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import TypeAdapter, ValidationError

from function import s3
from function.deadline import NEVER
from function.errors import BadRequest, Internal, SourceForbidden
from function.models.fingerprint import fingerprint
from function.models.job import Job
from function.models.places import OutputUri, Url, Video
from function.models.selection import Model
from function.source.addresses import Policy
from function.source.index_cache import IndexCache
from function.source.origins import origin_of, source_error
from function.triggers.uploads import OnUpload, Upload
from hwang.sources.connection import POOL
from hwang.sources.ranged_object import RemoteObject
from hwang.sources.s3 import _regions
from tests.unit.build.flakyserver import FlakyServer, answer

CONTENT = random.Random(5).randbytes(200_000)  # noqa: S311
ACCOUNT = "eu-west-1:123456789012"
ACCESS_POINT = f"arn:aws:s3:{ACCOUNT}:accesspoint/films"
LAMBDA = f"arn:aws:s3-object-lambda:{ACCOUNT}:accesspoint/films"
OUTPOST = f"arn:aws:s3-outposts:{ACCOUNT}:outpost/op-1/accesspoint/films"
ALIAS = "films-aqfqprnstn7aefdfbarligizwgyfouse1a-s3alias"
DIRECTORY = "films--euw1-az1--x-s3"
HOSTS = {  # of the presigned address, the start of its path, the service it is signed for
    "films": ("films.s3.eu-west-1.amazonaws.com", "/", "s3"),
    "my.films": ("s3.eu-west-1.amazonaws.com", "/my.films/", "s3"),
    ALIAS: (f"{ALIAS}.s3.eu-west-1.amazonaws.com", "/", "s3"),
    ACCESS_POINT: ("films-123456789012.s3-accesspoint.eu-west-1.amazonaws.com", "/", "s3"),
    ACCESS_POINT.replace("/", ":"): ("films-123456789012.s3-accesspoint.eu-west-1.amazonaws.com", "/", "s3"),
    LAMBDA: ("films-123456789012.s3-object-lambda.eu-west-1.amazonaws.com", "/", "s3-object-lambda"),
    OUTPOST: ("films-123456789012.op-1.s3-outposts.eu-west-1.amazonaws.com", "/", "s3-outposts"),
    DIRECTORY: (f"{DIRECTORY}.s3express-euw1-az1.eu-west-1.amazonaws.com", "/", "s3express"),
}
MULTI_REGION = "arn:aws:s3::123456789012:accesspoint/mfzwi23gnjvgw.mrap"


@pytest.fixture(autouse=True)
def _aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("hwang.sources.backoff._FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setenv("no_proxy", "*")
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "HWANG_REQUEST_PAYER"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"AWS_ACCESS_KEY_ID": "me", "AWS_SECRET_ACCESS_KEY": "mine", "AWS_REGION": "eu-west-1"}.items():
        monkeypatch.setenv(name, value)
    s3._client.cache_clear()
    _regions.clear()
    yield
    s3._client.cache_clear()
    _regions.clear()
    POOL.close()


def video(value: object) -> Any:
    return TypeAdapter(Video).validate_python(value)


@pytest.mark.parametrize("bucket", HOSTS)
def test_each_kind_of_bucket_is_asked_for_at_its_own_place(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for written in (f"s3://{bucket}/a/b c.mp4", {"bucket": bucket, "key": "a/b c.mp4"}):
        found = video(written)
        assert (found.bucket, found.key, found.uri) == (bucket, "a/b c.mp4", f"s3://{bucket}/a/b c.mp4")
        request = origin_of(s3.client(), found).request()
        host, path, service = HOSTS[bucket]
        assert (request.server.scheme, request.server.host) == ("https", host)
        assert urlsplit(request.path).path == f"{path}a/b%20c.mp4"
        assert f"/eu-west-1/{service}/aws4_request" in parse_qs(urlsplit(request.path).query)["X-Amz-Credential"][0]
    output = TypeAdapter(OutputUri).validate_python(f"s3://{bucket}/out/")
    assert (output.bucket, output.key) == (bucket, "out/")
    monkeypatch.setenv("HWANG_INDEX_CACHE", f"s3://{bucket}/indexes/")
    cache = IndexCache.of(found, '"e"')
    assert cache
    assert (cache.bucket, cache.key.startswith("indexes/")) == (bucket, True)
    job = Job.model_validate({"videos": f"s3://{bucket}/films/", "frames": "all", "output": f"s3://{bucket}/out/"})
    assert (job.videos.bucket, job.document()["videos"]) == (bucket, f"s3://{bucket}/films/")  # type: ignore[union-attr]


@pytest.mark.parametrize("written", [f"s3://{MULTI_REGION}/x", {"bucket": MULTI_REGION, "key": "x"}, "s3://a.mrap/x"])
def test_a_multi_region_access_point_is_refused_by_name(written: object) -> None:
    with pytest.raises(ValidationError, match="multi-region access point: name the bucket"):
        video(written)


@pytest.mark.parametrize(
    "bucket", ["arn:aws:sqs:eu-west-1:123456789012:queue", "arn:aws:s3:eu-west-1:12:accesspoint/films", "a b", "ab"]
)
def test_what_is_no_bucket_is_no_address(bucket: str) -> None:
    for written in (f"s3://{bucket}/x", {"bucket": bucket, "key": "x"}):
        with pytest.raises(ValidationError):
            video(written)


@pytest.mark.parametrize(
    ("output", "allowed"),
    [
        (f"s3://{ACCESS_POINT}/{{key}}.jpg", True),
        (f"s3://arn:aws:s3:{ACCOUNT}:accesspoint/{{key}}/x.jpg", False),
        (f"s3://arn:aws:s3-outposts:{ACCOUNT}:outpost/op-1/accesspoint/{{key}}/x.jpg", False),
    ],
)
def test_an_uploaded_name_chooses_no_access_point(output: str, allowed: bool) -> None:
    setting = json.dumps({"frames": "all", "output": output})
    upload = Upload(bucket="films", key="evil/a.mp4")
    request = OnUpload.from_environment({"HWANG_ON_UPLOAD": setting}).request_for
    if allowed:
        assert request(upload)["output"] == f"s3://{ACCESS_POINT}/evil/a.mp4.jpg"
    else:
        with pytest.raises(BadRequest, match="choose the bucket"):
            request(upload)


def signed_headers(path: str) -> str:
    return parse_qs(urlsplit(path).query)["X-Amz-SignedHeaders"][0]


@pytest.mark.parametrize("by_event", [True, False])
def test_who_agrees_to_pay_says_so_in_the_request(by_event: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not by_event:
        monkeypatch.setenv("HWANG_REQUEST_PAYER", "requester")
    found = video({"bucket": "films", "key": "x", **({"request_payer": "requester"} if by_event else {})})
    request = origin_of(s3.client(), found).request()
    assert request.headers == {"x-amz-request-payer": "requester"}
    assert signed_headers(request.path) == "host;x-amz-request-payer"
    sent: list[dict[str, str]] = []
    client = s3.client()
    client.meta.events.register("before-call.s3", partial(_answered, sent))
    s3.ask(client.list_objects_v2, Bucket="films")
    client.head_bucket(Bucket="films")
    assert ["x-amz-request-payer" in headers for headers in sent] == [not by_event, False]


def _answered(sent: list[dict[str, str]], params: Any, **_: object) -> Any:
    """Answer in the place of S3, and keep the headers."""
    sent.append(dict(params["headers"]))
    return SimpleNamespace(status_code=200), {}


def test_who_pays_is_the_requester_or_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValidationError):
        video({"bucket": "films", "key": "x", "request_payer": "owner"})
    monkeypatch.setenv("HWANG_REQUEST_PAYER", "owner")
    with pytest.raises(Internal, match="HWANG_REQUEST_PAYER"):
        s3.client()


def test_who_pays_does_not_change_the_question() -> None:
    class Question(Model):
        video: Video

    ours = [{"bucket": "films", "key": "x", **more} for more in ({}, {"request_payer": "requester"})]
    assert len({fingerprint(Question(video=video(one)), ["e"]) for one in ours}) == 1


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FlakyServer]:
    with FlakyServer(CONTENT) as running:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{running.port}")
        yield running


def read(key: str) -> bytes:
    remote = RemoteObject(origin_of(s3.client(), video(f"s3://films/{key}")), source_error, NEVER)
    try:
        remote.open()
        return bytes(remote.read(70_000, 10))
    finally:
        remote.close()


WRONG_REGION = (
    b"<Error><Code>AuthorizationQueryParametersError</Code><Message>Error parsing the X-Amz-Credential parameter; "
    b"the region &apos;eu-west-1&apos; is wrong; expecting &apos;eu-central-1&apos;</Message></Error>"
)


@pytest.mark.parametrize(
    "redirect",
    [
        answer("301 Moved Permanently", x_amz_bucket_region="eu-central-1"),
        answer("307 Temporary Redirect", x_amz_bucket_region="eu-central-1"),
        answer("400 Bad Request", WRONG_REGION),
    ],
)
def test_a_bucket_of_another_region_is_found_and_remembered(redirect: Any, server: FlakyServer) -> None:
    server.script.append(redirect)
    assert read("a") == CONTENT[70_000:70_010]
    assert len(server.asked) == 3
    assert read("b") == CONTENT[70_000:70_010]
    assert len(server.asked) == 5
    origin = origin_of(s3.client(), video("s3://films/c"))
    assert "/eu-central-1/s3/" in parse_qs(urlsplit(origin.request().path).query)["X-Amz-Credential"][0]


def test_a_region_that_helps_nothing_is_an_error_that_says_so(server: FlakyServer) -> None:
    server.script += [answer("400 Bad Request", WRONG_REGION)] * 2
    with pytest.raises(SourceForbidden, match="another region"):
        read("a")
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("no", "is not JSON"),
        ("[]", "is not an object"),
        ('{"*": {"X": "secret"}}', "not a host"),
        ('{"a b": {"X": "secret"}}', "not a valid name"),
        ('{"h.example": "secret"}', "must be an object"),
        ('{"h.example": {"Range": "secret"}}', "'Range' is not a header that can be added"),
        ('{"h.example": {"A:B": "secret"}}', "is not a header"),
        ('{"h.example": {"X": "secret\\r\\nHost: x"}}', "printable"),
        ('{"h.example": {"X": 1}}', "printable"),
    ],
)
def test_a_wrong_header_is_named_and_its_value_is_not(value: str, problem: str) -> None:
    with pytest.raises(ValueError, match=f"^HWANG_HTTPS_HEADERS: .*{problem}") as caught:
        Policy.from_environment({"HWANG_HTTPS_HEADERS": value})
    assert "secret" not in str(caught.value)


def test_headers_are_never_sent_without_tls() -> None:
    policy = Policy.from_environment({"HWANG_HTTPS_HEADERS": '{"h.example": {"X": "1"}}', "HWANG_ALLOW_HTTP": "1"})
    assert policy.headers_for(policy.check_url("https://h.example/x")) == {"X": "1"}
    assert policy.headers_for(policy.check_url("http://h.example/x")) == {}
    assert policy.headers_for(policy.check_url("https://other.example/x")) == {}
    assert Url(url="https://h.example/x")
