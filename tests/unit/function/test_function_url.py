"""Requests and answers of a function URL."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from function import errors
from function.models.result import MAX_ANSWER_BYTES
from function.triggers.delivery import Request, http, parse
from function.triggers.function_url import status
from tests.unit.function.delivered import in_turn
from tests.unit.function.deliveries import http_request, rest_request, s3_notification, s3_record

PLAIN = {"video": "s3://films/clip.mp4", "frames": [0], "format": "inline"}


def answer(event: dict[str, Any], *outcomes: Any) -> tuple[int, dict[str, Any]]:
    delivery = parse(event, {})
    assert delivery.form is http
    told = delivery.answer(in_turn(outcomes), request_id="id-1")
    assert set(told) == {"statusCode", "headers", "body"}
    assert told["headers"]["content-type"] == "application/json"
    return told["statusCode"], json.loads(told["body"])


@pytest.mark.parametrize("text", [json.dumps(PLAIN), json.dumps(PLAIN, indent=4), f"\r\n{json.dumps(PLAIN)}\n"])
def test_the_request_is_the_body_of_a_post(text: str) -> None:
    encoded = base64.b64encode(text.encode()).decode()
    for event in (http_request(text), http_request(encoded, base64=True)):
        (request,) = parse(event, {}).requests
        assert request == Request(PLAIN)


def test_api_gateway_posts_a_request_and_gets_the_same_answer() -> None:
    """REST APIs, and HTTP APIs with payload format 1.0; with 2.0 they send what a function URL does."""
    encoded = rest_request(base64.b64encode(json.dumps(PLAIN).encode()).decode()) | {"isBase64Encoded": True}
    for event in (rest_request(PLAIN), rest_request(PLAIN) | {"version": "1.0"}, encoded):
        assert parse(event, {}).requests == (Request(PLAIN),)
        assert answer(event, {"objects": 1}) == (200, {"objects": 1})
        assert answer(event, errors.SourceNotFound("x"))[0] == 404
    for wrong in (rest_request(None), rest_request(PLAIN, "GET"), rest_request(PLAIN) | {"httpMethod": 7}):
        code, body = answer(wrong)
        assert (code, body["code"]) == (400, "BadRequest")
        assert body["detail"]["problems"][0]["path"] in ("body", "method", "httpMethod")


def test_a_result_is_answered_as_json() -> None:
    assert answer(http_request(PLAIN), {"objects": 1}) == (200, {"objects": 1})


@pytest.mark.parametrize(
    "event",
    [
        http_request(None),
        http_request(""),
        http_request("x"),
        http_request("[]"),
        http_request("null"),
        http_request("{'frames': 1}"),
        http_request('{"frames": Infinity}'),
        http_request("[" * 100_000),
        http_request('{"frames": ' + "9" * 5000 + "}"),
        http_request("é!", base64=True),
        http_request("AAA", base64=True),
        http_request("*" + base64.b64encode(json.dumps(PLAIN).encode()).decode(), base64=True),
        http_request(base64.b64encode(b"\xff\xfe").decode(), base64=True),
        http_request(PLAIN) | {"body": PLAIN},
        http_request(PLAIN) | {"body": 7},
        http_request(PLAIN, method="GET"),
        http_request(PLAIN, method="PUT"),
        http_request(PLAIN) | {"requestContext": {"http": {}}},
        http_request(PLAIN) | {"requestContext": {"http": {"method": 7}}},
    ],
)
def test_what_is_no_request_is_answered_with_400_and_why(event: dict[str, Any]) -> None:
    code, body = answer(event)
    assert (code, body["code"], body["retryable"], body["request_id"]) == (400, "BadRequest", False, "id-1")
    assert body["detail"]["problems"][0]["path"] in ("body", "method", "requestContext.http.method")


def test_no_one_who_posts_plays_s3() -> None:
    """The body is a request as it is, which the event's own check refuses."""
    news = s3_notification(s3_record("a.mp4"))
    (request,) = parse(http_request(news), {"HWANG_ON_UPLOAD": "{}"}).requests
    assert request.event == news


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.BadRequest("x"), 400),
        (errors.FrameOutOfRange("x"), 400),
        (errors.SourceForbidden("x"), 403),
        (errors.OutputForbidden("x"), 403),
        (errors.SourceNotFound("x"), 404),
        (errors.OutputNotFound("x"), 404),
        (errors.SourceChanged("x"), 409),
        (errors.LimitExceeded("x"), 413),
        (errors.UnsupportedMedia("x"), 415),
        (errors.CorruptMedia("x"), 422),
        (errors.FrameCorrupt("x"), 422),
        (errors.Encrypted("x"), 422),
        (errors.SourceUnavailable("x"), 503),
        (errors.OutputUnavailable("x"), 503),
        (errors.Internal("x"), 500),
    ],
)
def test_an_error_is_answered_with_its_status_and_report(error: errors.FunctionError, code: int) -> None:
    told, body = answer(http_request(PLAIN), error)
    assert told == code
    assert body == {"code": error.code, **json.loads(error.report("id-1"))}


def test_every_error_of_the_caller_or_of_the_moment_has_a_status_that_says_so() -> None:
    for kind in errors.FunctionError.__subclasses__():
        told = status(kind("x"))
        if kind.__name__ in ("Internal", "WorkerCrashed"):
            assert told == 500, kind
        else:
            assert (told in (503, 504)) == kind.retryable, kind
            assert told != 500, kind


def test_a_result_too_large_for_an_answer_is_413_and_not_cut() -> None:
    fits = {"inline": "A" * (MAX_ANSWER_BYTES - 100)}
    assert answer(http_request(PLAIN), fits) == (200, fits)
    for large in ({"inline": "A" * MAX_ANSWER_BYTES}, {"inline": '"' * int(MAX_ANSWER_BYTES * 0.3)}):
        code, body = answer(http_request(PLAIN), large)
        assert (code, body["code"], body["detail"]["limit"]) == (413, "LimitExceeded", "answer")
