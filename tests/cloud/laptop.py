"""`python -m function.jobs` in a container of its own, beside the S3 server of the fault tests."""

from __future__ import annotations

import json
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from local.stack import ROOT, docker
from tests.cloud.stack import FaultStack, key_of
from tests.support import tree

JSON = dict[str, Any]
_PATIENCE_SECONDS = 120
# In one process: a moment later another one may have the number.
_KILL_A_DECODER = """
import os
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        line = open(f"/proc/{pid}/cmdline").read()
        parent = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[1]
        parents = open(f"/proc/{parent}/cmdline").read()
    except OSError:
        continue
    if "function.runtime.stdio" in line and "function.runtime.stdio" in parents:
        os.kill(int(pid), 9)
        print(pid)
        break
"""


@dataclass(frozen=True)
class Ended:
    """How the command ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def result(self) -> JSON:
        """What it printed. Raises AssertionError if it failed."""
        assert self.code == 0, self
        result: JSON = json.loads(self.out)
        return result


@dataclass(frozen=True)
class Running:
    """The command in its container, while it works."""

    name: str
    process: subprocess.Popen[str]

    def end(self) -> Ended:
        out, err = self.process.communicate(timeout=_PATIENCE_SECONDS)
        return Ended(self.process.returncode, out, err)

    def interrupt(self) -> None:
        subprocess.run(
            [docker(), "kill", "--signal", str(signal.SIGINT.value), self.name], check=True, capture_output=True
        )

    def kill_a_decoder(self) -> int:
        """SIGKILL for a process that decodes, as soon as there is one. Gives its pid in the container."""
        return int(until(lambda: self._python(_KILL_A_DECODER).strip()))

    def _python(self, code: str) -> str:
        command = [docker(), "exec", self.name, "python3", "-c", code]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout


@contextmanager
def started(stack: FaultStack, job: JSON, workers: int = 2, *options: str) -> Iterator[Running]:
    """The job begun, with the own code of tests/support; whatever is left of it ends with the block."""
    name = f"hwang-map-{uuid.uuid4().hex[:12]}"
    key = key_of("function")
    variables = {
        "AWS_ACCESS_KEY_ID": key.access,
        "AWS_SECRET_ACCESS_KEY": key.secret,
        "AWS_ENDPOINT_URL_S3": "http://proxy:9000",
        "AWS_REGION": "us-east-1",
        "HWANG_APPLY": "brightness=own_code:brightness",
    }
    command = [
        docker(),
        "run",
        "--rm",
        "--interactive",
        "--init",
        "--name",
        name,
        "--network",
        f"{stack.project}_default",
    ]
    command += ["--read-only", "--tmpfs=/tmp:mode=1777", "--user", "993:990", "--cap-drop", "ALL"]
    command += [word for item in variables.items() for word in ("--env", "=".join(item))]
    own_code = f"{ROOT}/tests/support/own_code.py:/var/task/own_code.py:ro"
    command += [f"--volume={volume}" for volume in (*tree.volumes(stack.image), own_code)]
    command += ["--entrypoint", "python3", stack.image, "-m", "function.jobs", "-", "--workers", str(workers), *options]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdin
    try:
        process.stdin.write(json.dumps(job))
        process.stdin.close()
        process.stdin = None
        yield Running(name, process)
    finally:
        subprocess.run([docker(), "rm", "--force", name], check=False, capture_output=True)
        process.kill()
        process.communicate()


def run(stack: FaultStack, job: JSON, workers: int = 2, *options: str) -> Ended:
    with started(stack, job, workers, *options) as running:
        return running.end()


def until(call: Callable[[], Any]) -> Any:
    """What the call gives as soon as it gives something. Raises AssertionError after a while."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not (found := call()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found
