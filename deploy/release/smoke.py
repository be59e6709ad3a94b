"""Smoke test: an event for a version, before or after it gets traffic, and a judgement of the answer."""

from __future__ import annotations

import json
import random
import time
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from deploy.aws import Account, code_of, explained_refusal, was_repeated
from deploy.errors import CredentialsError, DeployError, ImageRefusedError, PermissionDeniedError, SmokeFailedError
from deploy.image.oci import ContainerConfig
from deploy.invocation import InvocationResult, result_of
from deploy.release.function import FunctionState, settled

LABEL: Final = "hwang-lambda.smoke"
OWN_HANDLER: Final = ("function.handler.handler",)
OWN_EVENT: Final = {"action": "selftest"}
# S3's event when a notification is set up. It asks for no work, but the function must start to answer it.
PROBE: Final[dict[str, str]] = {"Service": "Amazon S3", "Event": "s3:TestEvent"}
_NOT_NOW: Final = {"TooManyRequestsException", "ServiceException", "SnapStartNotReadyException"}
# A version that was not invoked for weeks is woken by an invocation, and then is pending for a while.
_ASLEEP: Final = {"ResourceNotReadyException", "ResourceConflictException"}
_WAKING_SECONDS: Final = 300
_TRIES: Final = 5
_START_SECONDS: Final = 30  # beside the function's own time: a first start of a large image
_LOG_LINES: Final = 12


@dataclass(frozen=True)
class Smoke:
    """An event, and the members that its answer must have (None: any answer that is no error)."""

    event: Any
    expected: Any = None


def event_of(start: ContainerConfig) -> Any:
    """Return the event in an image's label, or one for any function.

    Raises ImageRefusedError if the image has inherited the label, so that the event is not for its handler.
    """
    if LABEL not in start.labels:
        return PROBE
    try:
        event = json.loads(start.labels[LABEL])
    except ValueError as error:
        raise ImageRefusedError(f"label {LABEL} is no JSON", then="correct it, or give --smoke FILE") from error
    if event == OWN_EVENT and start.cmd != OWN_HANDLER:
        raise ImageRefusedError(
            f"the image's smoke event is for {OWN_HANDLER[0]}, and its handler is {' '.join(start.cmd) or 'none'}",
            then=f"give --smoke FILE with an event for it, or --no-smoke; or a LABEL {LABEL}='…' in its Dockerfile",
        )
    return event


def run(account: Account, function: str, qualifier: str, smoke: Smoke, version: FunctionState) -> str:
    """Invoke once and return a short description. `version` must have answered.

    Raises SmokeFailedError if the function fails, is not reached, or gives another answer than expected.
    """
    start = time.monotonic()
    result = _result(account, function, qualifier, smoke, version)
    if account.dry_run:
        return "not asked in a dry run"
    number = version.version
    if result.function_error:
        raise SmokeFailedError(
            f"version {number} answered the smoke event with an error: {_error(result.payload)}",
            then=f"the version is kept: `ecr_push.py invoke --qualifier {number}`",
            log=result.log.splitlines()[-_LOG_LINES:],
        )
    if smoke.expected is not None and (difference := differs(smoke.expected, result.payload)):
        answer = result.payload if isinstance(result.payload, str) else json.dumps(result.payload)
        raise SmokeFailedError(
            f"version {number} did not answer the smoke event as expected: {difference}",
            then="compare the answer with the file of --expect",
            answer=answer[:2000],
        )
    return f"answered in {(time.monotonic() - start) * 1000:.0f} ms"


def _result(account: Account, function: str, qualifier: str, smoke: Smoke, version: FunctionState) -> InvocationResult:
    """Return the version's answer. An alias that was moved a moment ago may still lead to another version."""
    invocations = account.invocations(version.timeout_seconds + _START_SECONDS)
    payload = json.dumps(smoke.event).encode()
    for attempt in range(_TRIES):
        if attempt:
            time.sleep(random.uniform(0.25, 0.5) * 2 ** (attempt - 1))  # noqa: S311 - jitter
        try:
            result = result_of(
                invocations.invoke(FunctionName=function, Qualifier=qualifier, Payload=payload, LogType="Tail")
            )
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
            if account.dry_run or result.version in {"", version.version}:
                return result
            failure = SmokeFailedError(
                f"version {result.version} answered the smoke event instead of version {version.version}",
                then="look at `ecr_push.py status`",
            )
    raise failure


def _undelivered(error: ClientError) -> DeployError:
    cause = explained_refusal(error)
    if isinstance(cause, (CredentialsError, PermissionDeniedError)):
        return cause
    return SmokeFailedError(
        f"the smoke event could not be delivered: {cause.what}",
        then="the concurrency of the account or the function is used up: wait, or ask for more"
        if code_of(error) == "TooManyRequestsException"
        else f"{cause.then}; --no-smoke deploys a function that takes no such event",
    )


def _error(payload: Any) -> str:
    if not isinstance(payload, dict):
        return str(payload)[:300]
    return f"{payload.get('errorType', 'error')}: {payload.get('errorMessage', payload)}"[:600]


def differs(expected: Any, found: Any, path: str = "answer") -> str:
    """Describe the first difference, or return "". Objects may have more members than expected; all else is equal."""
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
