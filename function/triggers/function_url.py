"""Requests and answers of function URLs and API Gateway: JSON in the body of a POST, a status for every error code.

Events are those of function URLs and HTTP APIs (payload format 2.0), or of REST APIs (and 1.0). A GET is answered with
a picture. Lambda sets the cross-origin headers, as configured with the URL.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

from function.errors import FunctionError, LimitExceeded, SourceBlocked
from function.models.formats import FORMATS, PREFIX_FORMAT
from function.models.incoming import json_object, optional_text_at, text_at, wrong
from function.models.result import MAX_ANSWER_BYTES, DecodeResult

GET_PREFIXES: Final = "HWANG_GET_PREFIXES"

_PREFIX = re.compile(r"(s3|https?)://[^/\s]+/\S*")
_INTEGERS: Final = ("row", "max_side", "width", "height", "quality")
_NUMBERS: Final[Mapping[str, type[int] | type[float]]] = {"at": float, **dict.fromkeys(_INTEGERS, int)}
_NAMES: Final = ("video", "format", *_NUMBERS)
# Without `public`, shared caches keep no answers to signed requests.
CACHE_CONTROL: Final = "max-age=3600"
_MAX_PARAMETERS: Final = 100
_STATUS: Final = {
    400: ("BadRequest", "FrameOutOfRange"),
    403: ("SourceForbidden", "SourceExpired", "SourceBlocked", "OutputForbidden"),
    404: ("SourceNotFound", "OutputNotFound"),
    409: ("SourceChanged", "OutputConflict"),
    413: ("LimitExceeded", "SourceTooLarge", "StorageFull"),
    415: ("UnsupportedMedia",),
    422: ("SourceRefused", "CorruptMedia", "FrameCorrupt", "Encrypted", "JobIncomplete", "ApplyFailed"),
    504: ("DeadlineExceeded",),
}


def status(error: FunctionError) -> int:
    """Return the HTTP status of an error: 503 if retryable, 500 for a defect of the function."""
    found = (status for status, codes in _STATUS.items() if error.code in codes)
    return next(found, 503 if error.retryable else 500)


def is_http(event: Mapping[str, Any]) -> bool:
    """True if the event is an HTTP request."""
    context = event.get("requestContext")
    return isinstance(context, dict) and ("httpMethod" in event or isinstance(context.get("http"), dict))


def is_get(event: Mapping[str, Any]) -> bool:
    """True if the HTTP request is a GET."""
    return "GET" in (event.get("httpMethod"), event["requestContext"].get("http", {}).get("method"))


def query_of(event: Mapping[str, Any]) -> dict[str, str]:
    """Return the parameters of the query, decoded; of equal names the last. Raises BadRequest."""
    raw = optional_text_at(event, "rawQueryString")
    if raw:
        try:
            parsed = parse_qsl(raw, keep_blank_values=True, errors="strict", max_num_fields=_MAX_PARAMETERS)
        except ValueError:
            raise wrong("rawQueryString", "is not a query in UTF-8 of at most 100 parameters") from None
        return dict(parsed)
    given = event.get("queryStringParameters")
    return {name: text_at(given, name) for name in given} if isinstance(given, dict) else {}


def header_of(event: Mapping[str, Any], name: str) -> str:
    """Return a header of the request, empty if absent. `name` in lower case; API Gateway leaves names as they came."""
    headers = event.get("headers")
    named = headers.items() if isinstance(headers, dict) else ()
    return next((value for key, value in named if key.lower() == name and isinstance(value, str)), "")


def request_in(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return the request in the body. Raises BadRequest."""
    place = ("httpMethod",) if "httpMethod" in event else ("requestContext", "http", "method")
    method = optional_text_at(event, *place)
    if method != "POST":
        raise wrong("method", f"must be POST, not {method}, with the request as JSON in the body")
    body = event.get("body")
    if not body:
        raise wrong("body", "is empty; it must hold the request as JSON")
    if event.get("isBase64Encoded") is True and isinstance(body, str):
        try:
            body = base64.b64decode(body, validate=True).decode()
        except ValueError:
            raise wrong("body", "is not text in UTF-8") from None
    return json_object(body, "body")


def picture_request(query: Mapping[str, str], allowed: str) -> dict[str, Any]:
    """Return the request for a picture that is answered inline. `allowed`: prefixes of videos, with commas between.

    Raises BadRequest, and SourceBlocked for any other video.
    """
    for name in query:
        if name not in _NAMES:
            raise wrong("query", f"has the unknown parameter {name!r}; there are {', '.join(_NAMES)}")
    if "video" not in query:
        raise wrong("video", "is required, as in ?video=s3://bucket/key&at=12.5&max_side=320")
    _check(query["video"], allowed)
    kind = query.get("format", PREFIX_FORMAT)
    kinds = [name for name, facts in FORMATS.items() if facts.is_picture and facts.is_answer]
    if kind not in kinds:
        raise wrong("format", f"must be one of {', '.join(kinds)} in a GET")
    numbers = {name: _number(name, query[name], number) for name, number in _NUMBERS.items() if name in query}
    if "at" in numbers and "row" in numbers:
        raise wrong("row", "does not go with at")
    frames = {"timestamps": [numbers["at"]]} if "at" in numbers else [numbers.get("row", 0)]
    size = {name: numbers[name] for name in ("max_side", "width", "height") if name in numbers}
    request: dict[str, Any] = {"video": query["video"], "frames": frames, "format": kind}
    if size:
        request["size"] = size
    if "quality" in numbers:
        request["quality"] = numbers["quality"]
    return request


def _check(video: str, allowed: str) -> None:
    prefixes = [prefix for prefix in map(str.strip, allowed.split(",")) if prefix]
    for prefix in prefixes:
        if not _PREFIX.fullmatch(prefix):
            raise wrong(GET_PREFIXES, f"has {prefix!r}; a prefix is like s3://bucket/prefix/ or https://host/")
    # A server may resolve dots, and parsers of addresses drop control characters.
    is_plain = video.isprintable() and {".", ".."}.isdisjoint(re.split(r"[/\\?#]", unquote(video)))
    if not is_plain or not any(video.startswith(prefix) for prefix in prefixes):
        raise SourceBlocked("video: a GET may not name it; the function's configuration says which videos it may name")


def _number(name: str, text: str, number: type[int] | type[float]) -> int | float:
    try:
        return number(text)
    except ValueError:
        raise wrong(name, f"must be {'an integer' if number is int else 'a number'}, not {text!r}") from None


def answer(outcome: dict[str, Any] | FunctionError, request_id: str) -> dict[str, Any]:
    """Return the HTTP answer: the result, or {code, message, retryable, detail, request_id}."""
    if isinstance(outcome, FunctionError):
        return _answer(status(outcome), {"code": outcome.code, **json.loads(outcome.report(request_id))})
    answered = _answer(200, outcome)
    body = answered["body"]
    size = len(body) + body.count('"') + body.count("\\")  # as JSON within JSON
    if size <= MAX_ANSWER_BYTES:
        return answered
    error = LimitExceeded(
        f"the result has {size} bytes, more than the {MAX_ANSWER_BYTES} of an HTTP answer; ask for fewer or smaller "
        "frames, or let them be written to S3",
        limit="answer",
        wanted=size,
        maximum=MAX_ANSWER_BYTES,
    )
    return answer(error, request_id)


def picture_answer(outcome: dict[str, Any] | FunctionError, request_id: str, if_none_match: str) -> dict[str, Any]:
    """Return the HTTP answer to a GET: the picture, no body if `if_none_match` has its ETag, or the error as JSON."""
    if isinstance(outcome, FunctionError):
        return answer(outcome, request_id)
    result = DecodeResult.model_validate(outcome)
    etag = f'"{result.request}"'
    headers = {"cache-control": CACHE_CONTROL, "etag": etag}
    if etag in (one.strip().removeprefix("W/") for one in if_none_match.split(",")):
        return {"statusCode": 304, "headers": headers, "body": ""}
    picture = result.inline
    assert picture, "a GET asks for a picture in the answer"
    return {
        "statusCode": 200,
        "headers": {"content-type": picture.content_type, **headers},
        "body": picture.data,
        "isBase64Encoded": True,
    }


def _answer(code: int, body: dict[str, Any]) -> dict[str, Any]:
    return {
        "statusCode": code,
        "headers": {"content-type": "application/json", "cache-control": "no-store"},
        "body": json.dumps(body),
    }
