"""Asking a version of the function something, before or after it gets traffic, and judging what it answers."""

from __future__ import annotations

import base64
import json
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from deploy.aws import Account, code_of
from deploy.errors import ImageRefusedError, SmokeFailedError

if TYPE_CHECKING:
    from mypy_boto3_lambda.type_defs import InvocationResponseTypeDef

LABEL: Final = "hwang-lambda.smoke"
# What S3 sends when a notification is set up. It asks for no work, but the function must start to say so.
PROBE: Final[dict[str, str]] = {"Service": "Amazon S3", "Event": "s3:TestEvent"}
_NOT_NOW: Final = {
    "TooManyRequestsException",
    "ResourceNotReadyException",
    "ServiceException",
    "SnapStartNotReadyException",
}
_TRIES: Final = 5
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


def run(account: Account, function: str, qualifier: str, smoke: Smoke, version: str) -> str:
    """One invocation, said in a few words. `version` must have answered.

    Raises SmokeFailedError when the function fails, is not reached, or answers something else than expected.
    """
    start = time.monotonic()
    answer = _invoke(account, function, qualifier, json.dumps(smoke.event).encode())
    body = answer["Payload"].read()
    if account.dry_run:
        return "not asked in a dry run"
    if answer.get("FunctionError"):
        raise SmokeFailedError(
            f"version {version} answered the smoke event with an error: {_error(body)}",
            then=f"the version is kept: ecr_push.py invoke --function {function} --qualifier {version}",
            log=_log(answer),
        )
    if answer.get("ExecutedVersion", version) != version:
        raise SmokeFailedError(f"version {answer['ExecutedVersion']} answered instead of {version}")
    if smoke.expected is not None:
        difference = differs(smoke.expected, _json(body))
        if difference:
            raise SmokeFailedError(
                f"version {version} did not answer the smoke event as expected: {difference}",
                then="compare the answer with the file of --expect",
                answer=body[:2000].decode(errors="replace"),
            )
    return f"answered in {(time.monotonic() - start) * 1000:.0f} ms"


def _invoke(account: Account, function: str, qualifier: str, payload: bytes) -> InvocationResponseTypeDef:
    for attempt in range(_TRIES):
        try:
            return account.invocations.invoke(
                FunctionName=function, Qualifier=qualifier, Payload=payload, LogType="Tail"
            )
        except ClientError as error:
            if code_of(error) not in _NOT_NOW or attempt == _TRIES - 1:
                raise SmokeFailedError(
                    f"the smoke event could not be delivered ({code_of(error)}): {error}",
                    then="TooManyRequests: the account's or the function's concurrency is used up; try again later",
                ) from error
        except (ReadTimeoutError, ConnectionClosedError) as error:
            raise SmokeFailedError(
                f"the smoke event was not answered: {error}", then="look at `ecr_push.py logs`, and at --timeout"
            ) from error
        time.sleep(random.uniform(0.5, 1) * 2**attempt)  # noqa: S311 - jitter
    raise AssertionError


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
