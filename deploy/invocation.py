"""One invocation as a user makes it: whole answer, error or not, with the end of the log."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from deploy.aws import Account, code_of
from deploy.errors import FunctionFailedError, FunctionNotFoundError


@dataclass(frozen=True)
class InvocationResult:
    """`payload` is the JSON value, or the text of what is none. `error` is "" or Lambda's word for how it failed."""

    payload: Any
    error: str
    version: str
    log: str

    @property
    def document(self) -> dict[str, Any]:
        return {"payload": self.payload, "function_error": self.error or None, "version": self.version, "log": self.log}

    @property
    def shown(self) -> list[str]:
        return [json.dumps(self.payload, indent=2), *([self.log.rstrip()] if self.error else [])]


def invoke(account: Account, name: str, qualifier: str, event: Any) -> InvocationResult:
    """Raises FunctionNotFoundError if the function has no such alias or version."""
    try:
        answer = account.invocations.invoke(
            FunctionName=name, Qualifier=qualifier, Payload=json.dumps(event).encode(), LogType="Tail"
        )
    except ClientError as error:
        if code_of(error) != "ResourceNotFoundException":
            raise
        raise FunctionNotFoundError(
            f"{name} has no {qualifier}", then="ecr_push.py status shows what there is; --qualifier names it"
        ) from error
    body = answer["Payload"].read()
    try:
        payload = json.loads(body)
    except ValueError:
        payload = body.decode(errors="replace")
    log = base64.b64decode(answer.get("LogResult", "")).decode(errors="replace")
    return InvocationResult(payload, answer.get("FunctionError", ""), answer.get("ExecutedVersion", ""), log)


def require_success(answer: InvocationResult) -> None:
    """Raises FunctionFailedError if the function failed."""
    if answer.error:
        raise FunctionFailedError(f"version {answer.version} failed ({answer.error})", then="its answer is shown above")
