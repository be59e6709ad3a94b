"""Splits an incoming event into requests, and turns their outcomes into the answer that Lambda must return.

An event is a request itself, a notification of uploads (from S3 or EventBridge, also by way of SNS), a batch of SQS
messages that hold either, an array of any of these (EventBridge Pipes), tasks of S3 Batch Operations, or a request by
HTTP.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from function.errors import BadRequest, FunctionError, Outcome, UnsupportedMedia, public_text
from function.models.incoming import json_object, optional_text_at, text_at, wrong
from function.models.problems import json_type
from function.triggers import function_url, s3_batch
from function.triggers.uploads import OnUpload, Upload, decoded_key, version_or_none

MAX_RECORDS: Final = 10_000  # the most of an SQS batch

_TAKEN: Final = ("aws:s3", "aws:sns", "aws:sqs")  # event sources of records


@dataclass(frozen=True)
class Request:
    """A request to run.

    `key` names it in the answer: the id of a message or a task, or an object's URI. `group`: the queue and message
    group whose order counts, empty if none. `is_upload`: the video is an object that was announced.
    """

    event: dict[str, Any]
    key: str = ""
    group: str = ""
    is_upload: bool = False


@dataclass(frozen=True)
class Refused:
    """A part of the event that is an invalid request."""

    error: FunctionError
    key: str = ""
    group: str = ""


@dataclass(frozen=True)
class Ignored:
    """A part of the event that needs no work."""

    reason: str
    key: str = ""
    group: str = ""


Item = Request | Refused | Ignored
Ended = list[tuple[Item, Outcome]]
"""Each part with its outcome; an ignored one has an empty result."""


@dataclass(frozen=True)
class Delivery:
    """The parts of one event, in its order. `form` makes Lambda's answer from how they ended, and the request id."""

    items: tuple[Item, ...]
    form: Callable[[Ended, str], Any]

    @property
    def requests(self) -> tuple[Request, ...]:
        """The requests to run, in this order."""
        return tuple(item for item in self.items if isinstance(item, Request))

    def answer(self, run: Callable[[Request], Outcome], request_id: str = "") -> Any:
        """Run each request in turn, and return the answer for Lambda.

        A request behind a failure in its group is not run; its outcome is that failure. Raises the error of a direct
        invocation, and of an asynchronous one, which Lambda retries. Of several errors the first retryable one is
        raised. An upload that is no video fails nothing: its error is part of the answer.
        """
        ended: Ended = []
        failed: dict[str, FunctionError] = {}
        for item in self.items:
            outcome: Outcome = {}
            if isinstance(item, Refused):
                outcome = item.error
            elif isinstance(item, Request):
                outcome = failed.get(item.group) or run(item)
            if item.group and isinstance(outcome, FunctionError) and _fails(item, outcome):
                failed.setdefault(item.group, outcome)
            ended.append((item, outcome))
        return self.form(ended, request_id)


def direct(ended: Ended, _: str) -> Any:
    """The result of a request itself. Raises its error."""
    _raise_failure(ended)
    return _only(ended)


def listed(ended: Ended, _: str) -> dict[str, Any]:
    """The results of uploads, of which nobody waits for an answer. Raises one of their errors."""
    _raise_failure(ended)
    return {"results": [_result(item, outcome) for item, outcome in ended]}


def queue(ended: Ended, _: str) -> dict[str, Any]:
    """The ids of the SQS messages that failed. Raises the error of one without an id."""
    failures = _failures(ended)
    for key, error in failures:
        if not key:  # without an id only the whole batch can be retried
            raise error
    return {"batchItemFailures": [{"itemIdentifier": key} for key in dict.fromkeys(dict(failures))]}


def http(ended: Ended, request_id: str) -> dict[str, Any]:
    """The HTTP answer to a POST."""
    return function_url.answer(_only(ended), request_id)


def picture(if_none_match: str, ended: Ended, request_id: str) -> dict[str, Any]:
    """The HTTP answer to a GET."""
    return function_url.picture_answer(_only(ended), request_id, if_none_match)


def tasks(about: Mapping[str, str], ended: Ended, _: str) -> dict[str, Any]:
    """The results of tasks of S3 Batch Operations."""
    reasons = {item.key: item.reason for item, _ in ended if isinstance(item, Ignored)}
    return s3_batch.answer(about, [(item.key, outcome) for item, outcome in ended], reasons)


def parse(event: object, environment: Mapping[str, str]) -> Delivery:
    """Split an event. Invalid parts become Refused items. `environment` holds HWANG_ON_UPLOAD, HWANG_GET_PREFIXES."""
    if isinstance(event, list):
        return _piped(event, environment)
    if not isinstance(event, dict):
        error = BadRequest(f"the event must be a JSON object, not {json_type(event)}", problems=[])
        return Delivery((Refused(error),), direct)
    if function_url.is_http(event):
        return _http(event, environment)
    if s3_batch.is_s3_batch(event):
        return _tasks(event, environment)
    records = event.get("Records")
    if isinstance(records, list) and records and _source(records[0]) == "aws:sqs":
        return Delivery(_messages(records, environment), queue)
    if _is_notification(event):
        return Delivery(_guarded(_notification, event, environment), listed)
    return Delivery((Request(event),), direct)


def _piped(records: list[Any], environment: Mapping[str, str]) -> Delivery:
    """Split the array that EventBridge Pipes sends: messages of SQS, or what an input transformer made of each."""
    if not 1 <= len(records) <= MAX_RECORDS:
        error = BadRequest(f"the event is an array, which must have 1 to {MAX_RECORDS} records", problems=[])
        return Delivery((Refused(error),), direct)
    if all(_source(record) == "aws:sqs" for record in records):
        return Delivery(_messages(records, environment), queue)
    return Delivery(tuple(item for one in records for item in _guarded(_piped_one, one, environment)), listed)


def _piped_one(record: object, environment: Mapping[str, str]) -> tuple[Item, ...]:
    if _source(record) in _TAKEN:
        return _record(record, environment)
    if not isinstance(record, dict | str):
        raise wrong("event", f"is an array, whose items must be JSON objects, not {json_type(record)}")
    return _held(json_object(record, "event") if isinstance(record, str) else record, "event", environment)


def _http(event: Mapping[str, Any], environment: Mapping[str, str]) -> Delivery:
    allowed = environment.get(function_url.GET_PREFIXES, "")
    if not allowed or not function_url.is_get(event):
        return Delivery(_guarded(lambda: (Request(function_url.request_in(event)),)), http)
    items = _guarded(lambda: (Request(function_url.picture_request(function_url.query_of(event), allowed)),))
    return Delivery(items, partial(picture, function_url.header_of(event, "if-none-match")))


def _tasks(event: Mapping[str, Any], environment: Mapping[str, str]) -> Delivery:
    try:
        about, given = s3_batch.about(event), s3_batch.tasks_in(event)
    except BadRequest as error:  # there is no task to answer for
        return Delivery((Refused(error),), direct)
    items = [replace(item, key=task["taskId"]) for task in given for item in _guarded(_task, event, task, environment)]
    return Delivery(tuple(items), partial(tasks, about))


def _task(event: Mapping[str, Any], task: Mapping[str, Any], environment: Mapping[str, str]) -> tuple[Item, ...]:
    return (_wanted(s3_batch.upload_of(task), s3_batch.on_upload(event, environment)),)


def _messages(records: list[Any], environment: Mapping[str, str]) -> tuple[Item, ...]:
    return tuple(item for record in records for item in _message(record, environment))


def _message(record: object, environment: Mapping[str, str]) -> tuple[Item, ...]:
    """Return the items of one SQS message, with its id as key."""
    key = record.get("messageId") if isinstance(record, dict) else None
    key = key if isinstance(key, str) else ""
    return tuple(replace(item, key=key, group=_group(record)) for item in _guarded(_body, record, environment))


def _group(record: object) -> str:
    """Return the FIFO queue and message group of an SQS message; empty in other queues, whose groups have no order."""
    try:
        queue = optional_text_at(record, "eventSourceARN") or ""
        group = optional_text_at(record, "attributes", "MessageGroupId") or ""
    except BadRequest:
        return ""
    return f"{queue} {group}" if queue.endswith(".fifo") else ""


def _body(record: object, environment: Mapping[str, str]) -> tuple[Item, ...]:
    if _source(record) != "aws:sqs":
        raise wrong("Records", "have several sources")
    return _held(json_object(text_at(record, "body"), "body"), "body", environment)


def _held(document: dict[str, Any], path: str, environment: Mapping[str, str]) -> tuple[Item, ...]:
    """Return the items of a request or a notification, also in the envelope of SNS."""
    if document.get("Type") == "Notification" and "TopicArn" in document:  # sent on by SNS
        document = json_object(document.get("Message"), f"{path}.Message")
    if _is_notification(document):
        return _notification(document, environment)
    return (Request(document),)


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
    """Return the items of one record of S3 or SNS; the key of S3 is URL-encoded, as in a form."""
    source = _source(record)
    if source == "aws:sns":
        key = text_at(record, "Sns", "MessageId")
        items = _held(json_object(text_at(record, "Sns", "Message"), "Sns.Message"), "Sns.Message", environment)
        return tuple(item if item.key else replace(item, key=key) for item in items)
    if source != "aws:s3":
        taken = "only those of aws:s3 and aws:sns are taken, and a batch of aws:sqs that is not within another"
        raise wrong("Records", f"come from {source or 'nowhere'}; {taken}")
    upload = Upload(
        bucket=text_at(record, "s3", "bucket", "name"),
        key=decoded_key(text_at(record, "s3", "object", "key"), "s3.object.key"),
        version_id=version_or_none(optional_text_at(record, "s3", "object", "versionId")),
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
        version_id=version_or_none(optional_text_at(document, "detail", "object", "version-id")),
    )
    return (_uploaded(upload, name, name == "Object Created", environment),)


def _uploaded(upload: Upload, name: str, created: bool, environment: Mapping[str, str]) -> Item:
    if not created:
        return Ignored(f"{public_text(name[:100])} makes no object", upload.uri)
    try:
        return _wanted(upload, OnUpload.from_environment(environment))
    except BadRequest as error:
        return Refused(error, upload.uri)


def _wanted(upload: Upload, on_upload: OnUpload) -> Item:
    reason = on_upload.why_not(upload)
    if reason:
        return Ignored(reason, upload.uri)
    return Request(on_upload.request_for(upload), upload.uri, is_upload=True)


def _guarded(items: Callable[..., tuple[Item, ...]], *arguments: object) -> tuple[Item, ...]:
    try:
        return items(*arguments)
    except FunctionError as error:
        return (Refused(error),)


def _source(record: object) -> str | None:
    """Return the record's event source, in S3's and SQS's spelling or in SNS's."""
    if not isinstance(record, dict):
        return None
    source = record.get("eventSource", record.get("EventSource"))
    return source if isinstance(source, str) else None


def _fails(item: Item, error: FunctionError) -> bool:
    """False if no one needs to know beyond the log and the answer: nothing helps an upload that is no video."""
    return not (isinstance(error, UnsupportedMedia) and isinstance(item, Request) and item.is_upload)


def _failures(ended: Ended) -> list[tuple[str, FunctionError]]:
    return [(item.key, error) for item, error in ended if isinstance(error, FunctionError) and _fails(item, error)]


def _raise_failure(ended: Ended) -> None:
    errors = [error for _, error in _failures(ended)]
    if errors:
        raise next((error for error in errors if error.retryable), errors[0])


def _only(ended: Ended) -> Outcome:
    ((_, outcome),) = ended
    return outcome


def _result(item: Item, outcome: Outcome) -> dict[str, Any]:
    if isinstance(item, Ignored):
        return {"key": item.key, "ignored": item.reason}
    if isinstance(outcome, FunctionError):
        return {"key": item.key, "error": outcome.facts()}
    return {"key": item.key, "result": outcome}
