"""Requests and answers of a function URL: JSON in the body of a POST, and an HTTP status for every error code.

Lambda sets the cross-origin headers, as configured with the URL.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any, Final

from function.errors import FunctionError, LimitExceeded
from function.models.incoming import json_object, optional_text_at, wrong
from function.models.result import MAX_ANSWER_BYTES

_STATUS: Final = {
    "BadRequest": 400,
    "FrameOutOfRange": 400,
    "SourceForbidden": 403,
    "SourceExpired": 403,
    "SourceBlocked": 403,
    "OutputForbidden": 403,
    "SourceNotFound": 404,
    "OutputNotFound": 404,
    "SourceChanged": 409,
    "OutputConflict": 409,
    "LimitExceeded": 413,
    "SourceTooLarge": 413,
    "StorageFull": 413,
    "UnsupportedMedia": 415,
    "CorruptMedia": 422,
    "FrameCorrupt": 422,
    "Encrypted": 422,
    "JobIncomplete": 422,
    "ApplyFailed": 422,
    "DeadlineExceeded": 504,
}


def status(error: FunctionError) -> int:
    """Return the HTTP status of an error: 503 if retryable, 500 for a defect of the function."""
    return _STATUS.get(error.code, 503 if error.retryable else 500)


def is_http(event: Mapping[str, Any]) -> bool:
    """True if the event is an HTTP request."""
    context = event.get("requestContext")
    return isinstance(context, dict) and isinstance(context.get("http"), dict)


def request_in(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return the request in the body. Raises BadRequest."""
    method = optional_text_at(event, "requestContext", "http", "method")
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


def _answer(code: int, body: dict[str, Any]) -> dict[str, Any]:
    return {
        "statusCode": code,
        "headers": {"content-type": "application/json", "cache-control": "no-store"},
        "body": json.dumps(body),
    }
