"""The function and the emulated AWS in containers, as local/compose.yml describes them."""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ROOT = Path(__file__).resolve().parent.parent
COMPOSE_FILE = ROOT / "local/compose.yml"


DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # the loopback interface needs no proxy


class StackError(Exception):
    """The containers do not come up, or do not answer."""


def docker() -> str:
    """The docker client that has compose."""
    found = subprocess.run([ROOT / "local/engine.sh", "client"], capture_output=True, text=True, check=False)
    if found.returncode:
        raise StackError(found.stderr.strip())
    return found.stdout.strip()


@dataclass(frozen=True)
class Stack:
    """Containers of one compose project. `up` twice is `up` once."""

    project: str
    image: str = "hwang-lambda:latest"
    overrides: tuple[Path, ...] = ()  # compose files on top

    @property
    def files(self) -> tuple[Path, ...]:
        return (COMPOSE_FILE, *self.overrides)

    @property
    def environment(self) -> dict[str, str]:
        """What the compose files refer to."""
        return {"HWANG_IMAGE": self.image, "HWANG_CHECKOUT": str(ROOT)}

    @cached_property
    def _compose(self) -> list[str]:
        files = [option for file in self.files for option in ("--file", str(file))]
        return [docker(), "compose", "--project-name", self.project, *files]

    def compose(self, *arguments: str) -> str:
        environment = {**os.environ, **self.environment}
        done = subprocess.run(
            [*self._compose, *arguments], capture_output=True, text=True, check=False, env=environment
        )
        if done.returncode:
            raise StackError(f"docker compose {arguments[0]}: {done.stderr.strip()}")
        return done.stdout

    def up(self, seconds: float = 60) -> None:
        """Starts what is not running, and waits until both answer."""
        self.compose("up", "--detach")
        self.wait(seconds, f"{self.cloud}/_ministack/health", self.function)

    def wait(self, seconds: float, *urls: str) -> None:
        """Returns when all answer."""
        deadline = time.monotonic() + seconds
        for url in urls:
            while not _answers(url):
                if time.monotonic() > deadline:
                    raise StackError(f"{url} does not answer within {seconds:.0f} s\n{self.logs()}")
                time.sleep(0.1)

    def down(self) -> None:
        self.compose("down", "--volumes", "--remove-orphans", "--timeout", "2")

    def logs(self) -> str:
        return self.compose("logs", "--no-color", "--tail", "100")

    def container(self, service: str) -> str:
        return self.compose("ps", "--quiet", service).strip()

    def url(self, service: str, port: int) -> str:
        """Where a port of a service is on this machine."""
        return f"http://{self.compose('port', service, str(port)).strip()}"

    @cached_property
    def cloud(self) -> str:
        return self.url("cloud", 4566)

    @cached_property
    def function(self) -> str:
        return self.url("function", 8080)

    @cached_property
    def s3(self) -> S3Client:
        client: S3Client = aws_client("s3", self.cloud)
        return client

    def invoke(self, event: object) -> dict[str, Any]:
        """What the function answers: its result, or the error object that Lambda would report."""
        payload = event if isinstance(event, bytes) else json.dumps(event).encode()
        answer = self._lambda.invoke(FunctionName="function", Payload=payload)
        text = answer["Payload"].read()
        try:
            result: dict[str, Any] = json.loads(text)
        except ValueError:
            raise StackError(f"the emulator answered {text[:300]!r}") from None
        return result

    @cached_property
    def _lambda(self) -> Any:
        return aws_client("lambda", self.function)


def aws_client(
    service: str,
    endpoint: str,
    access_key: str = "local",
    secret_key: str = "local",  # noqa: S107
    region: str = "us-east-1",
) -> Any:
    """A client that does not retry. The emulators take any key, so there is one."""
    import boto3
    from botocore.config import Config

    return boto3.client(
        service,  # type: ignore[call-overload]
        endpoint_url=endpoint,
        region_name=region,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        config=Config(proxies={}, retries={"total_max_attempts": 1}, read_timeout=900, s3={"addressing_style": "path"}),
    )


def _answers(url: str) -> bool:
    try:
        DIRECT.open(url, timeout=2).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True
