"""One invocation as a user makes it: the whole answer, error or not, with the end of the log."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deploy.aws import Account, translated
from deploy.errors import FunctionNotFoundError


@dataclass(frozen=True)
class InvocationResult:
    """`payload` is the JSON value, or the text if it is not JSON. `function_error`: Lambda's type of a failure."""

    payload: Any
    function_error: str | None
    version: str
    log: str


def result_of(answer: Mapping[str, Any]) -> InvocationResult:
    """Read the answer to Invoke, to the end of its payload."""
    body = answer["Payload"].read()
    try:
        payload = json.loads(body)
    except ValueError:
        payload = body.decode(errors="replace")
    log = base64.b64decode(answer.get("LogResult", "")).decode(errors="replace")
    return InvocationResult(payload, answer.get("FunctionError"), answer.get("ExecutedVersion", ""), log)


def invoke(account: Account, name: str, qualifier: str, event: Any) -> InvocationResult:
    """Invoke a function. Raises FunctionNotFoundError if it has no such alias or version."""
    missing = FunctionNotFoundError(f"{name} has no {qualifier}", then="`ecr_push.py status` lists them")
    payload = json.dumps(event).encode()
    with translated("ResourceNotFoundException", missing):
        answer = account.invocations().invoke(FunctionName=name, Qualifier=qualifier, Payload=payload, LogType="Tail")
    return result_of(answer)
