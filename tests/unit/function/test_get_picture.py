"""A GET is answered with a picture, of videos below the configured prefixes alone."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from function.errors import FrameOutOfRange, LimitExceeded, SourceUnavailable
from function.triggers.delivery import Refused, http, parse
from tests.unit.function.delivered import in_turn, only, picture
from tests.unit.function.deliveries import http_get, http_request, rest_request

ALLOWED = "s3://films/public/, https://cdn.example.com/"
VIDEO = "s3://films/public/clip.mp4"


def got(prefixes: str | None = ALLOWED, **query: str) -> Any:
    """What the GET becomes, the same by a function URL and by both payload formats of API Gateway."""
    environment = {} if prefixes is None else {"HWANG_GET_PREFIXES": prefixes}
    first, second = (
        parse(event, environment) for event in (http_get(urlencode(query)), rest_request(None, "GET", query))
    )
    one, other = only(first), only(second)
    if isinstance(one, Refused):
        assert one.error.report("") == other.error.report("")
    else:
        assert one == other
    return one


@pytest.mark.parametrize(
    ("query", "request_made"),
    [
        ({}, {"frames": [0], "format": "jpeg"}),
        ({"at": "12.5"}, {"frames": {"timestamps": [12.5]}, "format": "jpeg"}),
        ({"row": "7", "format": "png"}, {"frames": [7], "format": "png"}),
        (
            {"at": "1", "max_side": "320", "format": "webp", "quality": "70"},
            {"frames": {"timestamps": [1.0]}, "size": {"max_side": 320}, "format": "webp", "quality": 70},
        ),
        ({"width": "32", "height": "18"}, {"frames": [0], "size": {"width": 32, "height": 18}, "format": "jpeg"}),
    ],
)
def test_a_query_becomes_a_request_for_one_picture(query: dict[str, str], request_made: dict[str, Any]) -> None:
    assert got(video=VIDEO, **query).event == {"video": VIDEO, **request_made}


@pytest.mark.parametrize(
    "video",
    [
        VIDEO,
        "s3://films/public/a b+c%20d.mp4",
        "https://cdn.example.com/a.mp4?token=x",
        "https://cdn.example.com/映画.mp4",
    ],
)
def test_a_video_below_a_configured_prefix_is_taken_as_it_is_named(video: str) -> None:
    assert got(video=video).event["video"] == video


@pytest.mark.parametrize(
    "video",
    [
        "",
        "s3://films/private/clip.mp4",
        "s3://films/publi",
        "s3://films-public/clip.mp4",
        "S3://films/public/clip.mp4",
        "s3://films/public/../private/clip.mp4",
        "s3://films/public/%2e%2e/private/clip.mp4",
        "https://cdn.example.com.evil.example/a.mp4",
        "https://cdn.example.com@evil.example/a.mp4",
        "https://cdn.example.com:8443/a.mp4",
        "https://cdn.example.com/a/../b.mp4",
        "https://cdn.example.com/a/%2E./b.mp4",
        "https://cdn.example.com/a\\..\\b.mp4",
        "https://cdn.example.com/a/.\t./b.mp4",
        "http://cdn.example.com/a.mp4",
        "https://169.254.169.254/latest/meta-data/",
        "/etc/passwd",
        '{"bucket": "films"}',
    ],
)
def test_any_other_video_is_forbidden(video: str) -> None:
    delivery = parse(http_get(urlencode({"video": video})), {"HWANG_GET_PREFIXES": ALLOWED})
    answer = delivery.answer(in_turn([]), "id-1")
    assert (answer["statusCode"], json.loads(answer["body"])["code"]) == (403, "SourceBlocked")
    assert delivery.requests == ()


@pytest.mark.parametrize("prefixes", [None, ""])
def test_without_prefixes_a_get_is_refused(prefixes: str | None) -> None:
    item = got(prefixes, video=VIDEO)
    assert (item.error.code, item.error.detail["problems"][0]["path"]) == ("BadRequest", "method")


@pytest.mark.parametrize(
    "prefixes", ["*", "films", "s3://", "s3://films", "https://cdn.example.com", "ftp://host/", "//"]
)
def test_a_prefix_that_would_allow_more_than_it_says_is_refused(prefixes: str) -> None:
    assert "HWANG_GET_PREFIXES" in got(prefixes, video=VIDEO).error.message


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ({"at": "x"}, "at"),
        ({"at": ""}, "at"),
        ({"row": "1.5"}, "row"),
        ({"row": "9" * 5000}, "row"),
        ({"row": "1", "at": "1"}, "row"),
        ({"max_side": "large"}, "max_side"),
        ({"format": "npy"}, "format"),
        ({"format": "mp4"}, "format"),
        ({"output": "s3://films/public/x.jpg"}, "query"),
        ({"action": "index"}, "query"),
    ],
)
def test_a_wrong_parameter_is_named(query: dict[str, str], named: str) -> None:
    problem = got(video=VIDEO, **query).error.detail["problems"][0]
    assert problem["path"] == named


def test_a_query_without_a_video_shows_one() -> None:
    assert "?video=s3://" in got(at="1").error.message
    assert "?video=s3://" in got().error.message


@pytest.mark.parametrize("query", ["video=%ff", "&".join(f"a{number}=1" for number in range(101))])
def test_a_query_that_cannot_be_read_is_refused(query: str) -> None:
    delivery = parse(http_get(query), {"HWANG_GET_PREFIXES": ALLOWED})
    assert delivery.answer(in_turn([]))["statusCode"] == 400


def answered(outcome: Any, **headers: str) -> dict[str, Any]:
    query = {"video": VIDEO}
    environment = {"HWANG_GET_PREFIXES": ALLOWED}
    events = http_get(urlencode(query), **headers), rest_request(None, "GET", query, **headers)
    first, second = (parse(event, environment).answer(in_turn([outcome]), "id-1") for event in events)
    assert first == second
    return dict(first)


def test_the_picture_is_the_body_and_may_be_kept_for_a_while() -> None:
    answer = answered(picture("image/webp"))
    assert answer == {
        "statusCode": 200,
        "headers": {"content-type": "image/webp", "cache-control": "max-age=3600", "etag": f'"{"0f" * 16}"'},
        "body": "QUI=",
        "isBase64Encoded": True,
    }


@pytest.mark.parametrize("name", ["if-none-match", "If-None-Match"])
@pytest.mark.parametrize("value", ['"{}"', 'W/"{}"', '"a", "{}"'])
def test_who_has_the_picture_is_told_so(name: str, value: str) -> None:
    answer = answered(picture("image/webp"), **{name: value.format("0f" * 16)})
    assert (answer["statusCode"], answer["body"]) == (304, "")
    assert answer["headers"]["etag"] == f'"{"0f" * 16}"'
    assert answered(picture("image/webp"), **{name: '"other"'})["statusCode"] == 200


@pytest.mark.parametrize(
    ("error", "status"), [(FrameOutOfRange("x"), 400), (LimitExceeded("x"), 413), (SourceUnavailable("x"), 503)]
)
def test_an_error_is_a_status_and_json_that_nobody_keeps(error: Any, status: int) -> None:
    answer = answered(error)
    assert (answer["statusCode"], answer["headers"]["content-type"]) == (status, "application/json")
    assert answer["headers"]["cache-control"] == "no-store"
    assert json.loads(answer["body"]) == {"code": error.code, **json.loads(error.report("id-1"))}


def test_a_post_is_answered_with_json_although_gets_are_allowed() -> None:
    request = {"video": "s3://films/private/clip.mp4", "frames": [0], "format": "inline"}
    for event in (http_request(request), rest_request(request)):
        delivery = parse(event, {"HWANG_GET_PREFIXES": ALLOWED})
        assert delivery.form is http
        assert only(delivery).event == request
