"""ministack in a container: S3, and functions that really run as containers of their images."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import threading
import time
import urllib.request
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from local.stack import DIRECT, Stack, StackError, aws_client, docker
from tests.support.aws.calls import Call
from tests.support.aws.errors import AwsError
from tests.support.aws.invocations import Answer, Invocation
from tests.support.aws.messages import Reply, Request
from tests.support.aws.registry import Registry
from tests.support.aws.server import Server

HERE: Final = Path(__file__).resolve().parent
_READY_SECONDS: Final = 60
_SETTINGS: Final = ("MemorySize", "Timeout", "Environment", "EphemeralStorage", "Role")
_PLATFORM_LINES: Final = ("START RequestId", "END RequestId", "REPORT RequestId", "INIT_REPORT")


@dataclass(frozen=True)
class Cloud(Stack):
    """The stack of compose.yml beside this file."""

    @property
    def files(self) -> tuple[Path, ...]:
        return (HERE / "compose.yml", *self.overrides)

    @property
    def _mounting(self) -> tuple[Path, ...]:
        return ()  # its functions are of images that tests push

    def up(self, seconds: float = 60) -> None:
        self.compose("up", "--detach")
        self.wait(seconds, f"{self.cloud}/_ministack/health")

    @property
    def host(self) -> str:
        return self.cloud.removeprefix("http://")

    def reset(self) -> None:
        """Nothing is left in it, and the functions' containers are gone."""
        DIRECT.open(urllib.request.Request(f"{self.cloud}/_ministack/reset", method="POST"), timeout=60).close()  # noqa: S310

    def down(self) -> None:
        self.reset()
        super().down()


@dataclass
class Runner:
    """Answers invocations by running them, as a context manager.

    Lambda reads images with rights of its own: so a second port gives them out without a password, to the engine.
    """

    cloud: Cloud
    registry: Registry
    _made: dict[str, str] = field(default_factory=dict)
    _pulled: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> Self:
        self._door = Server(self._give, self.registry.ecr_state.shared_state.violations.append)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._door.close()
        self.cloud.reset()
        if self._pulled:
            subprocess.run([docker(), "image", "rm", *self._pulled], capture_output=True, check=False)

    def __call__(self, invocation: Invocation) -> Answer:
        with self._lock:
            name = self._function(invocation)
        answer = self._client.invoke(FunctionName=name, Payload=invocation.payload, LogType="Tail")
        return Answer(answer["Payload"].read(), answer.get("FunctionError", ""), _said(answer.get("LogResult", "")))

    @cached_property
    def _client(self) -> Any:
        return aws_client("lambda", self.cloud.cloud)

    def _function(self, invocation: Invocation) -> str:
        """The name of ministack's function with this image and these settings, made when first asked for."""
        settings = {name: invocation.configuration[name] for name in _SETTINGS if name in invocation.configuration}
        identity = json.dumps([invocation.function, invocation.version, invocation.digest, settings], sort_keys=True)
        if identity not in self._made:
            name = f"{invocation.function[:50]}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"
            uri = f"{self._door.host}/{self._repository(invocation.digest)}@{invocation.digest}"
            self._client.create_function(FunctionName=name, PackageType="Image", Code={"ImageUri": uri}, **settings)
            self._wait(name)
            self._pulled.add(uri)
            self._made[identity] = name
        return self._made[identity]

    def _repository(self, digest: str) -> str:
        repositories = self.registry.ecr_state.repositories.values()
        found = next((repository.name for repository in repositories if digest in repository.manifests), None)
        if found is None:
            raise AwsError("InvalidParameterValueException", f"The image {digest} is not there any more.")
        return found

    def _wait(self, name: str) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        while self._client.get_function(FunctionName=name)["Configuration"]["State"] == "Pending":
            if time.monotonic() > deadline:
                raise StackError(f"{name} is still pending\n{self.cloud.logs()}")
            time.sleep(0.1)

    def _give(self, request: Request) -> Reply:
        """To whoever asks, but only to read."""
        exchange = self.registry.begin(
            request, lambda service, operation, asked: Call(0, service, operation, asked), threading.Event()
        )
        try:
            if not exchange.call.reads:
                raise AwsError("DENIED", "only to read", 403)
            return exchange.perform()
        except AwsError as error:
            return exchange.refuse(error)


def _said(tail: str) -> str:
    """The function's own lines."""
    lines = base64.b64decode(tail).decode(errors="replace").splitlines()
    return "\n".join(line for line in lines if not line.startswith(_PLATFORM_LINES))
