"""The function and the emulated AWS in containers, as local/compose.yml and compose.map.yml describe them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, cached_property
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ROOT = Path(__file__).resolve().parent.parent
COMPOSE_FILE = ROOT / "local/compose.yml"
MEMORY_MB = 3008  # of the function that jobs invoke
ACCOUNT = "000000000000"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/frames"
POLL_SECONDS = 0.3
Progress = Callable[[str, int, int], object]
"""Called with a map of the state machine: its name, how many of its items are done, of how many."""

DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # the loopback interface needs no proxy


class StackError(Exception):
    """The containers do not come up, do not answer, or answer with an error."""


class JobError(StackError):
    """The execution failed: its error and cause."""


@contextmanager
def reported(program: str) -> Iterator[None]:
    """Ends the program with a line instead of a traceback: after a StackError, and after Ctrl-C."""
    try:
        yield
    except StackError as error:
        sys.exit(f"{program}: {error}")
    except KeyboardInterrupt:
        sys.exit(f"{program}: interrupted; 'make down' stops what is still running")


def output(*command: str | Path, environment: Mapping[str, str] | None = None) -> str:
    """Runs a command with added variables and returns what it prints. Raises StackError with its complaint."""
    variables = {**os.environ, **(environment or {})}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=variables)
    if done.returncode:
        raise StackError(f"{Path(command[0]).name}: {done.stderr.strip()}")
    return done.stdout.strip()


@cache
def docker() -> str:
    """The docker client that has compose."""
    return output(ROOT / "local/engine.sh", "client")


def run_python(image: str, code: str, *arguments: str, options: tuple[str, ...] = ()) -> str:
    """Runs Python code in a container of the image, returns what it prints. `options` are those of `docker run`."""
    return output(docker(), "run", "--rm", *options, "--entrypoint", "python3", image, "-c", code, *arguments)


@contextmanager
def emulated(*arguments: str | Path) -> Iterator[str]:
    """Run an image under its emulator, with these arguments of `docker run`. Yields the address to invoke it at."""
    container = output(docker(), "run", "--rm", "--detach", "--publish", "127.0.0.1::8080", *arguments)
    try:
        place = output(docker(), "port", container, "8080").splitlines()[0]
        yield f"http://{place}/2015-03-31/functions/function/invocations"
    finally:
        output(docker(), "rm", "--force", container)


def first_answer(url: str, event: object, seconds: float = 30) -> Any:
    """Invoke an emulator as soon as it listens, and return the answer. Raises StackError if it is an error."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            with DIRECT.open(url, json.dumps(event).encode(), timeout=seconds) as response:
                answer = json.load(response)
            break
        except (OSError, HTTPException) as error:  # it does not listen yet
            if time.monotonic() > deadline:
                raise StackError(f"no answer within {seconds:.0f} s ({error})") from error
            time.sleep(0.002)
    if "errorType" in answer:
        raise StackError(f"{event} was answered with {answer}")
    return answer


@dataclass(frozen=True)
class Stack:
    """The containers of one compose project. `up` twice is `up` once."""

    project: str
    image: str = "hwang-lambda:latest"
    overrides: tuple[Path, ...] = ()  # compose files on top
    variables: Mapping[str, str] = field(default_factory=dict)  # that those refer to

    @property
    def files(self) -> tuple[Path, ...]:
        """The compose files, the later ones on top; one of them mounts the working tree if that is tested."""
        from tests.support import tree  # which needs this module

        return (COMPOSE_FILE, *tree.compose_files(self.image), *self.overrides)

    @property
    def environment(self) -> dict[str, str]:
        """The variables that the compose files refer to."""
        return {"HWANG_IMAGE": self.image, "HWANG_CHECKOUT": str(ROOT), **self.variables}

    @cached_property
    def _compose(self) -> list[str]:
        files = [option for file in self.files for option in ("--file", str(file))]
        return [docker(), "compose", "--project-name", self.project, *files]

    def compose(self, *arguments: str) -> str:
        """Runs a command of docker compose and returns what it prints. Raises StackError."""
        return output(*self._compose, *arguments, environment=self.environment)

    def up(self, seconds: float = 60) -> None:
        """Starts what is not running, and waits until both answer."""
        self.compose("up", "--detach", "--timeout", "1")
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
        """Stops and removes the containers, with what they hold."""
        self.compose("down", "--volumes", "--remove-orphans", "--timeout", "2")

    def logs(self) -> str:
        """The last hundred lines of each container."""
        return self.compose("logs", "--no-color", "--tail", "100")

    def container(self, service: str) -> str:
        """The id of the service's running container. (Asking compose takes ten times as long.)"""
        labels = {"project": self.project, "service": service}
        filters = [
            word for name, value in labels.items() for word in ("--filter", f"label=com.docker.compose.{name}={value}")
        ]
        command = [docker(), "ps", "--quiet", "--no-trunc", *filters]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    def url(self, service: str, port: int) -> str:
        """Return the address on this machine of a service's port."""
        return f"http://127.0.0.1:{self._published[service, port]}"

    @cached_property
    def _published(self) -> dict[tuple[str, int], int]:
        """The ports on this machine, by service and its own port: one call, as each takes a quarter of a second."""
        running = [json.loads(line) for line in self.compose("ps", "--format", "json").splitlines()]
        return {
            (container["Service"], port["TargetPort"]): port["PublishedPort"]
            for container in running
            for port in container["Publishers"]
            if port["PublishedPort"]
        }

    @cached_property
    def cloud(self) -> str:
        """The address of the emulated AWS."""
        return self.url("cloud", 4566)

    @cached_property
    def function(self) -> str:
        """The address of the Runtime Interface Emulator."""
        return self.url("function", 8080)

    @cached_property
    def s3(self) -> S3Client:
        """A client of the emulated S3."""
        client: S3Client = aws_client("s3", self.cloud)
        return client

    def make_bucket(self, name: str) -> None:
        """Makes a bucket if it is not there."""
        if name not in {bucket["Name"] for bucket in self.s3.list_buckets()["Buckets"]}:
            self.s3.create_bucket(Bucket=name)

    def invoke(self, event: object) -> dict[str, Any]:
        """The function's answer: its result, or the error object that Lambda would report."""
        payload = event if isinstance(event, bytes) else json.dumps(event).encode()
        text = self._lambda.invoke(FunctionName="function", Payload=payload)["Payload"].read()
        try:
            result: dict[str, Any] = json.loads(text)
        except ValueError:
            raise StackError(f"the emulator answered {text[:300]!r}") from None
        return result

    def ask(self, event: Mapping[str, Any]) -> tuple[dict[str, Any], float]:
        """The function's result, and the seconds that the caller waited. Raises StackError if it is an error."""
        start = time.perf_counter()
        result = self.invoke(event)
        seconds = time.perf_counter() - start
        if "errorType" in result:
            problem = f"{result['errorType']}: {result.get('errorMessage')}"
            raise StackError(f"{event} was answered with {problem}\n{self.logs()}")
        return result, seconds

    @cached_property
    def _lambda(self) -> Any:
        return aws_client("lambda", self.function)


@dataclass(frozen=True)
class MapStack(Stack):
    """The stack of compose.map.yml beside this file, where Step Functions invokes the function."""

    variables: Mapping[str, str] = field(default_factory=lambda: {"HWANG_MEMORY_MB": str(MEMORY_MB)})
    concurrency: int = 2  # the emulator starts as many containers as it is asked for

    @property
    def files(self) -> tuple[Path, ...]:
        """The compose files, the later ones on top."""
        return (ROOT / "local/compose.map.yml", *self.overrides)

    @property
    def environment(self) -> dict[str, str]:
        """The variables that the compose files refer to."""
        from tests.support import tree  # which needs this module

        volumes = " ".join(f"--volume {volume}" for volume in tree.volumes(self.image))
        return super().environment | {"HWANG_VOLUMES": volumes}

    def up(self, seconds: float = 60) -> None:
        """Starts the emulated AWS, and makes function and state machine in it if they are not there."""
        self.compose("up", "--detach")
        self.wait(seconds, f"{self.cloud}/_ministack/health")
        if not any(machine["name"] == "frames" for machine in self.states.list_state_machines()["stateMachines"]):
            self._deploy()

    def down(self) -> None:
        """Stops and removes the containers; the functions' are the emulator's, which removes them."""
        DIRECT.open(urllib.request.Request(f"{self.cloud}/_ministack/reset", method="POST"), timeout=60).close()  # noqa: S310
        super().down()

    def run(self, job: dict[str, Any], progress: Progress = lambda *_: None) -> dict[str, Any]:
        """Runs a job and returns the answer of its execution. Raises JobError."""
        started = self.states.start_execution(stateMachineArn=self.machine, input=json.dumps(job))
        while True:
            found = self.states.describe_execution(executionArn=started["executionArn"])
            for run in self.states.list_map_runs(executionArn=started["executionArn"])["mapRuns"]:
                counts = self.states.describe_map_run(mapRunArn=run["mapRunArn"])["itemCounts"]
                name = run["mapRunArn"].split("/")[-1].partition(":")[0]
                progress(name, counts["succeeded"] + counts["failed"], counts["total"])
            if found["status"] != "RUNNING":
                break
            time.sleep(POLL_SECONDS)
        if found["status"] != "SUCCEEDED":
            raise JobError(f"{found['status']}: {found.get('error')}: {found.get('cause')}")
        result: dict[str, Any] = json.loads(found["output"])
        return result

    @cached_property
    def states(self) -> Any:
        """A client of the emulated Step Functions."""
        return aws_client("stepfunctions", self.cloud)

    @property
    def machine(self) -> str:
        """The ARN of the state machine."""
        return f"arn:aws:states:us-east-1:{ACCOUNT}:stateMachine:frames"

    def _deploy(self) -> None:
        functions = aws_client("lambda", self.cloud)
        made = functions.create_function(
            FunctionName="frames",
            PackageType="Image",
            Code={"ImageUri": self.image},
            Role=ROLE,
            Timeout=120,
            MemorySize=MEMORY_MB,
            Environment={"Variables": {"HWANG_INDEX_CACHE": "s3://indexes/"}},
        )
        self.make_bucket("indexes")
        deadline = time.monotonic() + 60
        while functions.get_function(FunctionName="frames")["Configuration"]["State"] == "Pending":
            if time.monotonic() > deadline:
                raise StackError(f"the function is still pending\n{self.logs()}")
            time.sleep(POLL_SECONDS)
        text = (ROOT / "deploy/frames.asl.json").read_text().replace("${Partition}", "aws")
        text = text.replace("${FunctionArn}", made["FunctionArn"])
        # The emulator knows this limit as a number only.
        text = text.replace('"MaxConcurrencyPath": "$.concurrency"', f'"MaxConcurrency": {self.concurrency}')
        self.states.create_state_machine(name="frames", definition=text, roleArn=ROLE)


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
    except OSError as error:
        return isinstance(error, urllib.error.HTTPError)
    return True
