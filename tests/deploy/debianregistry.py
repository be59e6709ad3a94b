"""Debian's docker-registry: the reference implementation, fetched by package name, run on a port of this machine."""

from __future__ import annotations

import base64
import re
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.registry.address import Address
from tests.deploy import debian

USER = "AWS"
PASSWORD = "correct horse battery staple"  # noqa: S105 - it protects nothing
_HTPASSWD = "AWS:$2y$05$abcdefghijklmnopqrstuuFiPhXf1sVd3pCCRO.uVh34H/qI/ZsuS\n"  # of PASSWORD
_START_SECONDS = 20


def token(password: str) -> str:
    """Basic authentication's token of the one user."""
    return base64.b64encode(f"{USER}:{password}".encode()).decode()


class RegistryError(Exception):
    """The registry does not start."""


@dataclass(frozen=True)
class DebianRegistry:
    """A registry that runs. `storage` has its files, `log` what it says."""

    port: int
    storage: Path
    log: Path
    secure: bool

    @property
    def address(self) -> Address:
        return Address(f"127.0.0.1:{self.port}", plain=not self.secure)

    @staticmethod
    def login() -> str:
        return token(PASSWORD)


@contextmanager
def running(
    directory: Path, *, certificate: Path | None = None, auth: Sequence[str] | None = None
) -> Iterator[DebianRegistry]:
    """A registry with its files in the directory. `certificate` has the key too; `auth` is instead of a password."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "htpasswd").write_text(_HTPASSWD)
    basic = ["htpasswd:", "  realm: tests", f"  path: {directory / 'htpasswd'}"]
    tls = ["  tls:", f"    certificate: {certificate}", f"    key: {certificate}"] if certificate else []
    lines = [
        "version: 0.1",
        "storage:",
        f"  filesystem: {{rootdirectory: {directory / 'storage'}}}",
        "  delete: {enabled: true}",
        "http:",
        "  addr: 127.0.0.1:0",
        *tls,
        "auth:",
        *(f"  {line}" for line in (basic if auth is None else auth)),
    ]
    configuration, log = directory / "config.yml", directory / "log"
    configuration.write_text("\n".join(lines) + "\n")
    with (
        log.open("w") as output,
        subprocess.Popen([binary(), "serve", configuration], stdout=output, stderr=output) as process,
    ):
        try:
            yield DebianRegistry(_port(process, log), directory / "storage", log, certificate is not None)
        finally:
            process.terminate()


def _port(process: subprocess.Popen[bytes], log: Path) -> int:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if match := re.search(r"listening on 127\.0\.0\.1:(\d+)", log.read_text()):
            return int(match[1])
        time.sleep(0.02)
    raise RegistryError(f"docker-registry does not start:\n{log.read_text()[-2000:]}")


def binary() -> Path:
    """The program, fetched at the first time."""
    return debian.unpacked("docker-registry") / "usr/bin/docker-registry"
