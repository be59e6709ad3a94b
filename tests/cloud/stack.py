"""The containers of the fault tests: the function, an S3 server, a web server, and a proxy in between."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local.stack import DIRECT, ROOT, Stack, StackError, aws_client, docker
from tests.support import tree
from tests.support.faults.client import Faults

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

HERE = Path(__file__).resolve().parent
VIDEOS, RESULTS = "videos", "results"
BUCKETS = (VIDEOS, RESULTS, "unlisted", "denied", "versioned")  # what the function may do there is in s3.json


@dataclass(frozen=True)
class Limits:
    """What the function is given. Its time is short, so that a test that hangs does not hang for long."""

    memory_mb: int = 3008
    tmp_mb: int = 512
    timeout_seconds: int = 10
    environment: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)  # of the repository, by their paths in the container


@dataclass(frozen=True)
class Key:
    access: str
    secret: str


@cache
def key_of(identity: str) -> Key:
    """The credentials that the S3 server knows of `tests`, who may do everything, or of `function`."""
    identities = json.loads((HERE / "s3.json").read_text())["identities"]
    found = next(item for item in identities if item["name"] == identity)["credentials"][0]
    return Key(found["accessKey"], found["secretKey"])


@dataclass(frozen=True)
class FaultStack(Stack):
    """The stack of compose.yml beside this file. `scratch` is a folder of its own."""

    scratch: Path = field(kw_only=True)
    limits: Limits = field(default_factory=Limits, kw_only=True)

    @property
    def files(self) -> tuple[Path, ...]:
        mounted = tree.compose_files(self.image)
        return (HERE / "compose.yml", *mounted, self.scratch / "function.json", *self.overrides)

    @property
    def environment(self) -> dict[str, str]:
        key = key_of("function")
        return super().environment | {
            "HWANG_ACCESS_KEY": key.access,
            "HWANG_SECRET_KEY": key.secret,
            "HWANG_MEMORY_MB": str(self.limits.memory_mb),
            "HWANG_TMP_MB": str(self.limits.tmp_mb),
            "HWANG_TIMEOUT_SECONDS": str(self.limits.timeout_seconds),
        }

    def compose(self, *arguments: str) -> str:
        mounted = [f"{ROOT / file}:{place}:ro" for place, file in self.limits.files.items()]
        function: dict[str, Any] = {"environment": dict(self.limits.environment)}
        if mounted:
            function["volumes"] = mounted
        (self.scratch / "function.json").write_text(json.dumps({"services": {"function": function}}))
        return super().compose(*arguments)

    def up(self, seconds: float = 60) -> None:
        """Starts what is not running or has other limits, and waits until all answer; makes the buckets."""
        self.compose("up", "--detach", "--timeout", "1")
        self.wait(seconds, f"{self.s3_url}/healthz", self.faults.control, f"{self.web}/counts", self.function)
        existing = {bucket["Name"] for bucket in self.s3.list_buckets()["Buckets"]}
        for bucket in sorted({*BUCKETS} - existing):
            self.s3.create_bucket(Bucket=bucket)
        self.s3.put_bucket_versioning(Bucket="versioned", VersioningConfiguration={"Status": "Enabled"})

    def with_limits(self, limits: Limits) -> FaultStack:
        """The same containers with another function, which `up` starts."""
        return replace(self, limits=limits)

    @cached_property
    def s3_url(self) -> str:
        return self.url("s3", 8333)

    @cached_property
    def s3(self) -> S3Client:
        """The tests' own client: not through the proxy, allowed everything."""
        client: S3Client = aws_client("s3", self.s3_url, key_of("tests").access, key_of("tests").secret)
        return client

    def client(self, endpoint: str, access_key: str, secret_key: str, region: str = "us-east-1") -> S3Client:
        client: S3Client = aws_client("s3", endpoint, access_key, secret_key, region)
        return client

    @cached_property
    def proxy_url(self) -> str:
        """Where the function's S3 endpoint is on this machine."""
        return self.url("proxy", 9000)

    @cached_property
    def faults(self) -> Faults:
        return Faults(self.url("proxy", 9001))

    @cached_property
    def web(self) -> str:
        """The web server's control port."""
        return self.url("web", 8001)

    def web_counts(self) -> dict[str, Any]:
        with DIRECT.open(f"{self.web}/counts", timeout=10) as answer:
            counts: dict[str, Any] = json.load(answer)
        return counts

    def web_put(self, name: str, data: bytes) -> None:
        request = urllib.request.Request(f"{self.web}/files/{name}", data=data, method="PUT")  # noqa: S310
        DIRECT.open(request, timeout=10).close()

    def inspect(self, service: str) -> dict[str, Any]:
        """What the engine knows of the container."""
        described: dict[str, Any] = json.loads(self._engine("inspect", self._containers[service]))[0]
        return described

    def python(self, service: str, code: str, *arguments: str) -> str:
        """What the code prints when it runs inside the service's container. Raises StackError."""
        return self._engine("exec", self._containers[service], "python3", "-c", code, *arguments)

    @cached_property
    def _containers(self) -> dict[str, str]:
        """Ids as they were when first asked for: that a container has gone is an error."""
        return {service: self.container(service) for service in ("function", "proxy", "s3", "web")}

    @cached_property
    def _docker(self) -> str:
        return docker()

    def _engine(self, *arguments: str) -> str:
        done = subprocess.run([self._docker, *arguments], capture_output=True, text=True, check=False)
        if done.returncode:
            raise StackError(f"docker {arguments[0]}: {done.stderr.strip()}")
        return done.stdout
