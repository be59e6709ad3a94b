"""Asking a version of the function something, before or after it gets traffic, and judging what it answers."""

from __future__ import annotations

import base64
import json
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from deploy.aws import Account, code_of, explained, was_repeated
from deploy.errors import CredentialsError, DeployError, ImageRefusedError, PermissionDeniedError, SmokeFailedError
from deploy.release.function import FunctionState, settled

if TYPE_CHECKING:
    from mypy_boto3_lambda.type_defs import InvocationResponseTypeDef

LABEL: Final = "hwang-lambda.smoke"
# What S3 sends when a notification is set up. It asks for no work, but the function must start to say so.
PROBE: Final[dict[str, str]] = {"Service": "Amazon S3", "Event": "s3:TestEvent"}
_NOT_NOW: Final = {
    "TooManyRequestsException",
    "ServiceException",
    "SnapStartNotReadyException",
}
# A version that was not asked for weeks is woken by being asked, and then is pending for a while.
_ASLEEP: Final = {"ResourceNotReadyException", "ResourceConflictException"}
_WAKING_SECONDS: Final = 300
_TRIES: Final = 5
_START_SECONDS: Final = 30  # beside the function's own time: a first start of a large image
_LOG_LINES: Final = 12


@dataclass(frozen=True)
class Smoke:
    """An event, and what the answer must contain (None: any answer that is no error)."""

    event: Any
    expected: Any = None


def event_of(labels: Mapping[str, str]) -> Any:
    """The event that an image's labels name, or one that any function can be asked."""
    if LABEL not in labels:
        return PROBE
    try:
        return json.loads(labels[LABEL])
    except ValueError as error:
        raise ImageRefusedError(
            f"the image's label {LABEL} is no JSON", then="mend it, or give --smoke FILE"
        ) from error


def run(account: Account, function: str, qualifier: str, smoke: Smoke, version: FunctionState) -> str:
    """One invocation, said in a few words. `version` must have answered.

    Raises SmokeFailedError when the function fails, is not reached, or answers something else than expected.
    """
    start = time.monotonic()
    answer, body = _answer(account, function, qualifier, smoke, version)
    if account.dry_run:
        return "not asked in a dry run"
    number = version.version
    if answer.get("FunctionError"):
        raise SmokeFailedError(
            f"version {number} answered the smoke event with an error: {_error(body)}",
            then=f"the version is kept: ecr_push.py invoke --function {function} --qualifier {number}",
            log=_log(answer),
        )
    difference = differs(smoke.expected, _json(body)) if smoke.expected is not None else ""
    if difference:
        raise SmokeFailedError(
            f"version {number} did not answer the smoke event as expected: {difference}",
            then="compare the answer with the file of --expect",
            answer=body[:2000].decode(errors="replace"),
        )
    return f"answered in {(time.monotonic() - start) * 1000:.0f} ms"


def _answer(
    account: Account, function: str, qualifier: str, smoke: Smoke, version: FunctionState
) -> tuple[InvocationResponseTypeDef, bytes]:
    """The version's answer. An alias that was moved a moment ago may still lead to another version."""
    invocations = account.invocations_within(version.timeout_seconds + _START_SECONDS)
    payload = json.dumps(smoke.event).encode()
    for attempt in range(_TRIES):
        if attempt:
            time.sleep(random.uniform(0.25, 0.5) * 2 ** (attempt - 1))  # noqa: S311 - jitter
        try:
            answer = invocations.invoke(FunctionName=function, Qualifier=qualifier, Payload=payload, LogType="Tail")
            body = answer["Payload"].read()
        except ClientError as error:
            failure = _undelivered(error)
            if code_of(error) not in _NOT_NOW | _ASLEEP:
                raise failure from error
            if code_of(error) in _ASLEEP:
                settled(account.functions, function, _WAKING_SECONDS, version.version)
        except BotoCoreError as error:
            if not was_repeated(error):
                raise
            raise SmokeFailedError(
                f"the smoke event was not answered: {error}", then="look at `ecr_push.py logs`, and at --timeout"
            ) from error
        else:
            answered = answer.get("ExecutedVersion", version.version)
            if account.dry_run or answered == version.version:
                return answer, body
            failure = SmokeFailedError(
                f"version {answered} answered the smoke event instead of version {version.version}",
                then="look at `ecr_push.py status`",
            )
    raise failure


def _undelivered(error: ClientError) -> DeployError:
    told = explained(error)
    if isinstance(told, (CredentialsError, PermissionDeniedError)):
        return told
    return SmokeFailedError(
        f"the smoke event could not be delivered: {told.what}",
        then="TooManyRequestsException: the concurrency of the account or the function is used up; else see its log",
    )


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="replace")


def _error(body: bytes) -> str:
    document = _json(body)
    if not isinstance(document, dict):
        return str(document)[:300]
    return f"{document.get('errorType', 'error')}: {document.get('errorMessage', document)}"[:600]


def _log(answer: InvocationResponseTypeDef) -> list[str]:
    text = base64.b64decode(answer.get("LogResult", "")).decode(errors="replace")
    return text.splitlines()[-_LOG_LINES:]


def differs(expected: Any, found: Any, path: str = "answer") -> str:
    """Where the answer is not as expected, or "". Objects may have more members than expected; all else is equal."""
    if isinstance(expected, dict) and isinstance(found, dict):
        for name, value in expected.items():
            if name not in found:
                return f"{path}.{name} is missing"
            if difference := differs(value, found[name], f"{path}.{name}"):
                return difference
        return ""
    if isinstance(expected, list) and isinstance(found, list):
        if len(expected) != len(found):
            return f"{path} has {len(found)} items, not {len(expected)}"
        pairs = enumerate(zip(expected, found, strict=True))
        return next((d for n, (one, other) in pairs if (d := differs(one, other, f"{path}[{n}]"))), "")
    if expected == found and isinstance(expected, bool) == isinstance(found, bool):
        return ""
    return f"{path} is {json.dumps(found)[:200]}, not {json.dumps(expected)[:200]}"
