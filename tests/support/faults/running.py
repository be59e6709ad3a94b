"""The proxy as a process of its own, in front of a port of this machine."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.faults.client import Faults

_ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Proxy:
    """Listens at `port` of 127.0.0.1; `faults` tells it what to break."""

    faults: Faults
    port: int


@contextmanager
def proxy(upstream_port: int) -> Iterator[Proxy]:
    options = ["--listen", "127.0.0.1:0", "--upstream", f"127.0.0.1:{upstream_port}", "--control", "127.0.0.1:0"]
    command = [sys.executable, "-m", "tests.support.faults.proxy", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=_ROOT) as process:
        assert process.stdout
        try:
            control, port = map(int, process.stdout.readline().split())
            yield Proxy(Faults(f"http://127.0.0.1:{control}"), port)
        finally:
            process.terminate()
