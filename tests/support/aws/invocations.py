"""Invoke: which version it is that answers, what it answers, and what is counted and logged of it."""

from __future__ import annotations

import base64
import json
import random
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from tests.support.aws.errors import AwsError, BrokenError
from tests.support.aws.identities import Identity
from tests.support.aws.logs import Logs
from tests.support.aws.metrics import Metrics
from tests.support.aws.settling import Failure, Pace
from tests.support.aws.shared_state import SharedState
from tests.support.aws.store import Function, Store, Version

_PAYLOAD_BYTES: Final = 6 * 1024 * 1024
_TAIL_BYTES: Final = 4096


@dataclass(frozen=True)
class Invocation:
    """`version` is the one that answers, `qualifier` what was asked for."""

    function: str
    qualifier: str
    version: str
    digest: str
    payload: bytes
    configuration: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True)
class Answer:
    """What a function answers: a JSON value, or bytes as they are. `error` is Unhandled, Handled or empty."""

    payload: object = None
    error: str = ""
    log: str = ""
    hang: bool = False
    """No answer ever comes."""

    @property
    def data(self) -> bytes:
        return self.payload if isinstance(self.payload, bytes) else json.dumps(self.payload).encode()


Answering: TypeAlias = Callable[[Invocation], Answer]


@dataclass
class Script:
    """An answer for invocations of this version or digest; empty for any, `times` None for ever."""

    answer: Answer | Answering
    version: str
    digest: str
    times: int | None

    def take(self, invocation: Invocation) -> bool:
        if self.times == 0 or self.version not in ("", invocation.version):
            return False
        if self.digest not in ("", invocation.digest):
            return False
        if self.times is not None:
            self.times -= 1
        return True


class Invocations:
    """`backend` runs what no script answers."""

    def __init__(
        self, shared_state: SharedState, store: Store, pace: Pace, metrics: Metrics, logs: Logs, over: threading.Event
    ) -> None:
        self.backend: Answering = lambda _: Answer()
        self.scripts: list[Script] = []
        self._world = shared_state
        self._store = store
        self._pace = pace
        self._metrics = metrics
        self._logs = logs
        self._over = over
        self._dice = random.Random(1)  # noqa: S311 - the same shares of traffic at every run

    def invoke(self, asked: Mapping[str, Any], caller: Identity) -> dict[str, Any]:  # noqa: ARG002
        payload = asked.get("Payload", b"")
        _require_json(payload)
        with self._world.lock:
            function, qualifier = self._store.find(asked)
            version = self._chosen(function, qualifier)
            self._require_ready(version)
            invocation = Invocation(
                function.name, qualifier, version.number, version.digest, payload, dict(version.configuration)
            )
            script = next((script for script in reversed(self.scripts) if script.take(invocation)), None)
        executed = {"ExecutedVersion": version.number}
        match asked.get("InvocationType", "RequestResponse"):
            case "DryRun":
                return {"StatusCode": 204}
            case "Event":
                return {"StatusCode": 202} | executed
        source = script.answer if script else self.backend
        answer = source if isinstance(source, Answer) else source(invocation)
        if answer.hang:
            self._over.wait()
            raise BrokenError
        with self._world.lock:
            lines = self._account_for(invocation, answer)
        tail = "".join(f"{line}\n" for line in lines).encode()[-_TAIL_BYTES:]
        return {
            "StatusCode": 200,
            "Payload": answer.data,
            **executed,
            **({"FunctionError": answer.error} if answer.error else {}),
            **({"LogResult": base64.b64encode(tail).decode()} if asked.get("LogType") == "Tail" else {}),
        }

    def _chosen(self, function: Function, qualifier: str) -> Version:
        """The version, by the alias's weights if it is one."""
        shares = function.aliases.get(qualifier, {}).get("RoutingConfig", {}).get("AdditionalVersionWeights", {})
        die = self._dice.random()
        for version, share in shares.items():
            if die < share:
                return function.version(version)
            die -= share
        return function.version(qualifier)

    def _require_ready(self, version: Version) -> None:
        configuration = version.configuration
        match configuration["State"]:
            case "Active":
                return
            case "Inactive":  # being asked wakes it up
                configuration |= {"State": "Pending", "StateReason": "Restoring", "StateReasonCode": "Restoring"}
                version.settling = self._pace.begin("Invoke", lambda failure: _woken(version, failure))
                raise AwsError("ResourceNotReadyException", "The function is inactive. Try again later.")
        raise AwsError(
            "ResourceConflictException",
            "The operation cannot be performed at this time. "
            f"The function is currently in the following state: {configuration['State']}",
        )

    def _account_for(self, invocation: Invocation, answer: Answer) -> list[str]:
        """In the metrics and in the log, whose lines are returned."""
        name, qualifier, version = invocation.function, invocation.qualifier, invocation.version
        resource = name if qualifier == "$LATEST" else f"{name}:{qualifier}"
        for dimensions in (
            {"FunctionName": name},
            {"FunctionName": name, "Resource": resource},
            {"FunctionName": name, "Resource": resource, "ExecutedVersion": version},
        ):
            self._metrics.count("Invocations", 1, dimensions)
            self._metrics.count("Errors", 1 if answer.error else 0, dimensions)
        request = uuid.uuid4()
        lines = [
            f"START RequestId: {request} Version: {version}",
            *answer.log.splitlines(),
            f"END RequestId: {request}",
            f"REPORT RequestId: {request}\tDuration: 12.34 ms\tBilled Duration: 13 ms\t"
            f"Memory Size: {invocation.configuration['MemorySize']} MB\tMax Memory Used: 64 MB",
        ]
        self._logs.append(f"/aws/lambda/{name}", f"[{version}]{uuid.uuid4().hex}", lines)
        return lines


def _woken(version: Version, failure: Failure | None) -> None:
    for name in ("StateReason", "StateReasonCode"):
        version.configuration.pop(name, None)
    version.configuration["State"] = "Failed" if failure else "Active"
    if failure:
        version.configuration |= {"StateReason": failure.reason, "StateReasonCode": failure.code}


def _require_json(payload: bytes) -> None:
    if len(payload) > _PAYLOAD_BYTES:
        raise AwsError("RequestTooLargeException", f"Request must be smaller than {_PAYLOAD_BYTES} bytes")
    try:
        json.loads(payload or b"null")
    except ValueError as error:
        raise AwsError("InvalidRequestContentException", f"Could not parse request body into json: {error}") from error
