"""One invocation as a user makes it: the whole answer, error or not, with the end of the log."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deploy.aws import Account, translated
from deploy.errors import FunctionFailedError, FunctionNotFoundError


@dataclass(frozen=True)
class InvocationResult:
    """`payload` is the JSON value, or the text if it is not JSON. `error` is "" or Lambda's type of the failure."""

    payload: Any
    error: str
    version: str
    log: str

    @property
    def document(self) -> dict[str, Any]:
        """The result for programs."""
        return {"payload": self.payload, "function_error": self.error or None, "version": self.version, "log": self.log}

    @property
    def shown(self) -> list[str]:
        """The result for people: the log only after an error."""
        return [json.dumps(self.payload, indent=2), *([self.log.rstrip()] if self.error else [])]

    def require_success(self) -> None:
        """Raises FunctionFailedError if the function failed."""
        if self.error:
            what = f"version {self.version} failed ({self.error})"
            raise FunctionFailedError(what, then="its answer is shown above")


def result_of(answer: Mapping[str, Any]) -> InvocationResult:
    """Read the answer to Invoke, to the end of its payload."""
    body = answer["Payload"].read()
    try:
        payload = json.loads(body)
    except ValueError:
        payload = body.decode(errors="replace")
    log = base64.b64decode(answer.get("LogResult", "")).decode(errors="replace")
    return InvocationResult(payload, answer.get("FunctionError", ""), answer.get("ExecutedVersion", ""), log)


def invoke(account: Account, name: str, qualifier: str, event: Any) -> InvocationResult:
    """Invoke a function. Raises FunctionNotFoundError if it has no such alias or version."""
    missing = FunctionNotFoundError(f"{name} has no {qualifier}", then="`ecr_push.py status` lists them")
    payload = json.dumps(event).encode()
    with translated("ResourceNotFoundException", missing):
        answer = account.invocations().invoke(FunctionName=name, Qualifier=qualifier, Payload=payload, LogType="Tail")
    return result_of(answer)
