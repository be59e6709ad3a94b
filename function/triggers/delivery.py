"""Splits an incoming event into requests, and turns their outcomes into the answer that Lambda must return.

An event is a request itself, a notification of uploads (from S3 or EventBridge), a batch of SQS messages that hold
either, or an HTTP request to the function's URL.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Final
from urllib.parse import unquote_plus

from function.errors import BadRequest, FunctionError, Outcome, public_text
from function.models.incoming import json_object, optional_text_at, text_at, wrong
from function.models.problems import json_type
from function.triggers import function_url
from function.triggers.uploads import OnUpload, Upload

MAX_RECORDS: Final = 10_000  # the most of an SQS batch


class Kind(Enum):
    """Kind of event; it decides the form of the answer."""

    DIRECT = "a request itself"
    UPLOADS = "S3 or EventBridge"
    QUEUE = "SQS"
    HTTP = "a function URL"


@dataclass(frozen=True)
class Request:
    """A request to run.

    `key` names it in the answer: a message id or an object's URI. `asynchronous`: no caller waits for its result.
    `etag` is the announced ETag of the video, empty if unknown.
    """

    event: dict[str, Any]
    key: str = ""
    asynchronous: bool = False
    etag: str = ""


@dataclass(frozen=True)
class Refused:
    """A part of the event that is an invalid request."""

    error: BadRequest
    key: str = ""


@dataclass(frozen=True)
class Ignored:
    """A part of the event that needs no work."""

    reason: str
    key: str = ""


Item = Request | Refused | Ignored


@dataclass(frozen=True)
class Delivery:
    """The parts of one event, in its order."""

    kind: Kind
    items: tuple[Item, ...]

    @property
    def requests(self) -> tuple[Request, ...]:
        """The requests to run, in this order."""
        return tuple(item for item in self.items if isinstance(item, Request))

    def answer(self, outcomes: Sequence[Outcome], request_id: str = "") -> Any:
        """Return the answer for Lambda from the outcome of each request.

        Raises the error of a direct invocation, and of an asynchronous one, which Lambda retries. Of several errors
        the first retryable one is raised.
        """
        ended = self._ended(outcomes)
        failures = [(item.key, outcome) for item, outcome in ended if isinstance(outcome, FunctionError)]
        match self.kind:
            case Kind.HTTP:
                return function_url.answer(_only(ended), request_id)
            case Kind.QUEUE:
                for key, error in failures:
                    if not key:  # without an id only the whole batch can be retried
                        raise error
                return {"batchItemFailures": [{"itemIdentifier": key} for key in dict.fromkeys(dict(failures))]}
            case Kind.DIRECT | Kind.UPLOADS:
                if failures:
                    errors = [error for _, error in failures]
                    raise next((error for error in errors if error.retryable), errors[0])
        if self.kind is Kind.DIRECT:
            return _only(ended)
        return {"results": [_result(item, outcome) for item, outcome in ended]}

    def _ended(self, outcomes: Sequence[Outcome]) -> list[tuple[Item, Outcome]]:
        """Pair each item with its outcome; an ignored item has an empty result."""
        given = iter(outcomes)
        if len(outcomes) != len(self.requests):
            raise ValueError(f"{len(outcomes)} outcomes for {len(self.requests)} requests")
        ended: list[tuple[Item, Outcome]] = []
        for item in self.items:
            match item:
                case Request():
                    ended.append((item, next(given)))
                case Refused():
                    ended.append((item, item.error))
                case Ignored():
                    ended.append((item, {}))
        return ended


def parse(event: object, environment: Mapping[str, str]) -> Delivery:
    """Split an event. Invalid parts become Refused items. `environment` holds HWANG_ON_UPLOAD."""
    if not isinstance(event, dict):
        error = BadRequest(f"the event must be a JSON object, not {json_type(event)}", problems=[])
        return Delivery(Kind.DIRECT, (Refused(error),))
    if function_url.is_http(event):
        return Delivery(Kind.HTTP, _guarded(_posted, event))
    records = event.get("Records")
    if isinstance(records, list) and records and _source(records[0]) == "aws:sqs":
        return Delivery(Kind.QUEUE, tuple(item for record in records for item in _message(record, environment)))
    if _is_notification(event):
        return Delivery(Kind.UPLOADS, _guarded(_notification, event, environment))
    return Delivery(Kind.DIRECT, (Request(event),))


def _posted(event: Mapping[str, Any]) -> tuple[Item, ...]:
    return (Request(function_url.request_in(event)),)


def _message(record: object, environment: Mapping[str, str]) -> tuple[Item, ...]:
    """Return the items of one SQS message, with its id as key."""
    key = record.get("messageId") if isinstance(record, dict) else None
    return tuple(
        replace(item, key=key if isinstance(key, str) else "") for item in _guarded(_held, record, environment)
    )


def _held(record: object, environment: Mapping[str, str]) -> tuple[Item, ...]:
    if _source(record) != "aws:sqs":
        raise wrong("Records", "have several sources")
    document = json_object(text_at(record, "body"), "body")
    if document.get("Type") == "Notification" and "TopicArn" in document:  # sent on by SNS
        document = json_object(document.get("Message"), "body.Message")
    if _is_notification(document):
        return _notification(document, environment)
    return (Request(document, asynchronous=True),)


def _is_notification(document: Mapping[str, Any]) -> bool:
    """True for a notification, false for a request."""
    return "Records" in document or "detail-type" in document or document.get("Event") == "s3:TestEvent"


def _notification(document: Mapping[str, Any], environment: Mapping[str, str]) -> tuple[Item, ...]:
    if document.get("Event") == "s3:TestEvent":
        return (Ignored("S3 tests whether its notifications arrive"),)
    if "Records" not in document:
        return _event_bridge(document, environment)
    records = document["Records"]
    if not isinstance(records, list) or not 1 <= len(records) <= MAX_RECORDS:
        raise wrong("Records", f"must be an array of 1 to {MAX_RECORDS} records")
    return tuple(item for record in records for item in _guarded(_record, record, environment))


def _record(record: object, environment: Mapping[str, str]) -> tuple[Item, ...]:
    """Return the item of one record of an S3 notification; its key is URL-encoded, as in a form."""
    source = _source(record)
    if source != "aws:s3":
        taken = "only those of aws:s3 are taken, and a batch of aws:sqs that is not within another"
        raise wrong("Records", f"come from {source or 'nowhere'}; {taken}")
    encoded = text_at(record, "s3", "object", "key")
    try:
        key = unquote_plus(encoded, errors="strict")
    except UnicodeDecodeError:
        raise wrong("s3.object.key", "is not URL-encoded UTF-8") from None
    upload = Upload(
        bucket=text_at(record, "s3", "bucket", "name"),
        key=key,
        version_id=_version(optional_text_at(record, "s3", "object", "versionId")),
        etag=optional_text_at(record, "s3", "object", "eTag") or "",
    )
    name = text_at(record, "eventName").removeprefix("s3:")
    return (_uploaded(upload, name, name.startswith("ObjectCreated:"), environment),)


def _event_bridge(document: Mapping[str, Any], environment: Mapping[str, str]) -> tuple[Item, ...]:
    """Return the item of an EventBridge event; its key is not encoded."""
    source, name = text_at(document, "source"), text_at(document, "detail-type")
    if source != "aws.s3":
        raise wrong("source", f"is {source}; of EventBridge's events this function takes those of aws.s3")
    upload = Upload(
        bucket=text_at(document, "detail", "bucket", "name"),
        key=text_at(document, "detail", "object", "key"),
        version_id=_version(optional_text_at(document, "detail", "object", "version-id")),
        etag=optional_text_at(document, "detail", "object", "etag") or "",
    )
    return (_uploaded(upload, name, name == "Object Created", environment),)


def _uploaded(upload: Upload, name: str, created: bool, environment: Mapping[str, str]) -> Item:
    if not created:
        return Ignored(f"{public_text(name[:100])} makes no object", upload.uri)
    try:
        on_upload = OnUpload.from_environment(environment)
        reason = on_upload.why_not(upload)
        if reason:
            return Ignored(reason, upload.uri)
        return Request(on_upload.request_for(upload), upload.uri, asynchronous=True, etag=upload.etag)
    except BadRequest as error:
        return Refused(error, upload.uri)


def _guarded(items: Callable[..., tuple[Item, ...]], *arguments: object) -> tuple[Item, ...]:
    try:
        return items(*arguments)
    except BadRequest as error:
        return (Refused(error),)


def _source(record: object) -> str | None:
    """Return the record's event source, in S3's and SQS's spelling or in SNS's."""
    if not isinstance(record, dict):
        return None
    source = record.get("eventSource", record.get("EventSource"))
    return source if isinstance(source, str) else None


def _version(version_id: str | None) -> str | None:
    """Return the version id, or None: a bucket without versions says null, or nothing."""
    return None if version_id in ("", "null") else version_id


def _only(ended: Sequence[tuple[Item, Outcome]]) -> Outcome:
    ((_, outcome),) = ended
    return outcome


def _result(item: Item, outcome: Outcome) -> dict[str, Any]:
    if isinstance(item, Ignored):
        return {"key": item.key, "ignored": item.reason}
    return {"key": item.key, "result": outcome}
