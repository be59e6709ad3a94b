"""The deploy tool as users run it: a process with arguments, an environment and a home of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
MAX_SECONDS = 120
_SECRET = {"AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}


@dataclass(frozen=True)
class Ended:
    """How a run ended. `document` is its standard output as JSON."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out)
        return found

    @property
    def error(self) -> str:
        """The error's code, from the one line that tells it."""
        lines = [line for line in self.err.splitlines() if not line.startswith(("✓", "✗", "○", " "))]
        return lines[0].partition(":")[0] if lines else ""

    def __str__(self) -> str:
        return f"exit code {self.code}\n{self.out}\n{self.err}"


@dataclass(frozen=True)
class Tool:
    """Runs ecr_push.py. `environment` says which AWS; `home` is empty but for what a test puts there."""

    environment: Mapping[str, str]
    home: Path

    def start(
        self, *arguments: str, stdin: int = subprocess.DEVNULL, output: int = subprocess.PIPE
    ) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, str(ROOT / "ecr_push.py"), *arguments],
            stdin=stdin,
            stdout=output,
            stderr=output,
            text=True,
            env=self._environment(),
        )

    def run(self, *arguments: str) -> Ended:
        return self.wait(self.start(*arguments))

    def wait(self, process: subprocess.Popen[str], stop: signal.Signals | None = None, stdin: str = "") -> Ended:
        """The end of a run, after a signal if one is given."""
        if stop is not None:
            process.send_signal(stop)
        try:
            out, err = process.communicate(stdin or None, timeout=MAX_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            raise AssertionError(f"the tool did not end:\n{out}\n{err}") from None
        secrets = [value for name, value in self.environment.items() if name in _SECRET]
        assert not any(secret in out + err for secret in secrets)
        return Ended(process.returncode, out, err)

    def _environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "DOCKER_HOST") if name in os.environ}
        return {**kept, "HOME": str(self.home), "PYTHONDONTWRITEBYTECODE": "1", **self.environment}
