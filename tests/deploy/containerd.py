"""An engine with containerd's image store, in a container of its own, which borrows the programs of this machine."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

DOCKERD: Final = Path("/usr/sbin/dockerd")
_READY_SECONDS: Final = 30
_FEATURES: Final = {
    "features": {"containerd-snapshotter": True},
    "bridge": "none",
    "iptables": False,
    "ip6tables": False,
}


class ContainerdEngine:
    """Answers at `host` while it is open. `docker` is the client, `image` any image with a shell in it."""

    def __init__(self, docker: str, image: str, directory: Path) -> None:
        self.host = f"unix://{directory}/docker.sock"
        self._docker = docker
        self._image = image
        self._directory = directory
        self._name = f"hwang-containerd-{os.getpid()}"

    def __enter__(self) -> Self:
        settings = self._directory / "daemon.json"
        settings.write_text(json.dumps(_FEATURES))
        command = [self._docker, "run", "--detach", "--privileged", "--network", "none", "--name", self._name]
        for mount in (
            "/usr:/usr:ro",
            "/etc/alternatives:/etc/alternatives:ro",
            "/var/lib",
            f"{settings}:/etc/docker/daemon.json:ro",
            f"{self._directory}:/sockets",
        ):
            command += ["--volume", mount]
        command += [
            "--env",
            "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
            "--env",
            "LD_LIBRARY_PATH=",
            "--entrypoint",
            "/bin/sh",
        ]
        start = "mkdir -p /run /var/lib/docker; exec dockerd --host unix:///sockets/docker.sock --userland-proxy=false"
        subprocess.run([*command, self._image, "-c", start], check=True, stdout=subprocess.DEVNULL)
        try:
            self._wait()
        except BaseException:
            self._remove()
            raise
        return self

    def run(self, *arguments: str) -> str:
        """The client, with this engine."""
        environment = os.environ | {"DOCKER_HOST": self.host}
        ended = subprocess.run(
            [self._docker, *arguments], check=True, env=environment, stdout=subprocess.PIPE, text=True
        )
        return ended.stdout.strip()

    def _wait(self) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        while time.monotonic() < deadline:
            try:
                self.run("version")
            except subprocess.CalledProcessError:
                time.sleep(0.1)
            else:
                return
        log = subprocess.run([self._docker, "logs", "--tail", "20", self._name], capture_output=True, text=True)
        raise AssertionError(f"the engine did not start:\n{log.stdout}{log.stderr}")

    def _remove(self) -> None:
        command = [self._docker, "rm", "--force", "--volumes", self._name]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._remove()
