"""Tasks of S3 Batch Operations, in the invocation schemas 1.0 and 2.0, and the answer with a result for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from function.errors import FunctionError, Outcome, public_text
from function.models.incoming import optional_text_at, text_at, wrong
from function.triggers.uploads import OnUpload, Upload, decoded_key, version_or_none

ARGUMENT: Final = "request"  # the user argument that takes the place of HWANG_ON_UPLOAD

_VERSION: Final = "invocationSchemaVersion"
_INVOCATION: Final = "invocationId"


def is_s3_batch(event: Mapping[str, Any]) -> bool:
    """True if the event is an invocation of S3 Batch Operations."""
    return _VERSION in event and "tasks" in event


def about(event: Mapping[str, Any]) -> dict[str, str]:
    """Return what the answer repeats of the event. Raises BadRequest."""
    return {name: text_at(event, name) for name in (_VERSION, _INVOCATION)}


def tasks_in(event: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the tasks, each with an id. Raises BadRequest."""
    tasks = event["tasks"]
    if not isinstance(tasks, list) or not tasks:
        raise wrong("tasks", "must be an array of tasks")
    for task in tasks:
        text_at(task, "taskId")
    return tasks


def upload_of(task: Mapping[str, Any]) -> Upload:
    """Return the task's object; its key is URL-encoded. Raises BadRequest."""
    bucket = optional_text_at(task, "s3Bucket") or text_at(task, "s3BucketArn").rpartition(":")[2]
    version_id = version_or_none(optional_text_at(task, "s3VersionId"))
    return Upload(bucket, decoded_key(text_at(task, "s3Key"), "s3Key"), version_id)


def on_upload(event: Mapping[str, Any], environment: Mapping[str, str]) -> OnUpload:
    """Return what to do with each object: the user argument `request`, else HWANG_ON_UPLOAD. Raises BadRequest."""
    job = event.get("job")
    given = job.get("userArguments") if isinstance(job, dict) else None
    text = optional_text_at(given, ARGUMENT) if given else None
    return OnUpload.parsed(text, f"userArguments.{ARGUMENT}") if text else OnUpload.from_environment(environment)


def answer(
    event: Mapping[str, str], ended: Sequence[tuple[str, Outcome]], reasons: Mapping[str, str]
) -> dict[str, Any]:
    """Return the answer: a result for each task id. `event` is what `about` gave, `reasons` why tasks were ignored."""
    return {
        **event,
        "treatMissingKeysAs": "PermanentFailure",
        "results": [{"taskId": task, **_result(outcome, reasons.get(task, ""))} for task, outcome in ended],
    }


def _result(outcome: Outcome, ignored: str) -> dict[str, str]:
    """Return the result's code, and a line for the job's report: the manifest, the error, or why nothing was done."""
    if isinstance(outcome, FunctionError):
        code = "TemporaryFailure" if outcome.retryable else "PermanentFailure"
        return {"resultCode": code, "resultString": f"{outcome.code}: {outcome.message}"}
    text = f"ignored: {ignored}" if ignored else str(outcome.get("manifest", ""))
    return {"resultCode": "Succeeded", "resultString": public_text(text)}
