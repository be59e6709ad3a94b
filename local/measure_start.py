"""Measures how soon a new container answers: beyond an empty handler on the same base, and what Python takes of it.

python -m local.measure_start     (make measure builds the image first)
"""

from __future__ import annotations

import http.client
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from rich.console import Console
from rich.table import Table

from local.stack import StackError, docker

IMAGE = "hwang-lambda:latest"
ROUNDS = 10
LONGEST_SECONDS = 30
EMPTY = "def handler(event, context):\n    return {}\n"
IMPORT = """
import json, statistics, subprocess, sys, time
seconds = []
for _ in range(15):
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import function.handler, os; os._exit(0)"], check=True)
    seconds.append(time.perf_counter() - start)
print(json.dumps(statistics.median(seconds)))
"""


def main() -> None:
    console = Console()
    with tempfile.TemporaryDirectory() as folder:
        empty = Path(folder) / "empty.py"
        empty.write_text(EMPTY)
        nothing = ["--volume", f"{empty}:/var/task/empty.py:ro", IMAGE, "empty.handler"]
        ours, theirs = [], []
        for _ in range(ROUNDS):
            ours.append(first_answer([IMAGE], {"action": "selftest"}))
            theirs.append(first_answer(nothing, {}))
    mine, empty_seconds = statistics.median(ours), statistics.median(theirs)
    command = [docker(), "run", "--rm", "--env", "AWS_REGION=us-east-1", "--entrypoint", "python3", IMAGE, "-c", IMPORT]
    imported = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    table = Table("what", "limit", "measured", box=None)
    parts = f"({mine * 1000:.0f} ms, {empty_seconds * 1000:.0f} ms)"
    table.add_row(
        f"docker run to the first selftest's answer, beyond an empty handler; medians of {ROUNDS}",
        "350 ms",
        f"{(mine - empty_seconds) * 1000:.0f} ms {parts}",
    )
    table.add_row("Python's start and import of the handler", "250 ms", f"{imported * 1000:.0f} ms")
    console.print(table)


def first_answer(image: list[str], event: dict[str, str]) -> float:
    """Seconds from `docker run` to the answer. Raises StackError if it is an error, or none comes."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    limits = ["--read-only", "--tmpfs", "/tmp", "--memory", "1769m", "--env", "AWS_REGION=us-east-1"]  # noqa: S108
    command = [docker(), "run", "--rm", "--detach", *limits, "--publish", f"127.0.0.1:{port}:8080", *image]
    start = time.perf_counter()
    container = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    try:
        answer = json.loads(_ask(port, json.dumps(event), start + LONGEST_SECONDS))
        seconds = time.perf_counter() - start
    finally:
        subprocess.run([docker(), "rm", "--force", container], capture_output=True, check=False)
    if "errorType" in answer:
        raise StackError(f"{event} was answered with {answer}")
    return seconds


def _ask(port: int, event: str, until: float) -> bytes:
    while time.perf_counter() < until:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LONGEST_SECONDS)
        with suppress(OSError, http.client.HTTPException):  # it does not listen yet
            connection.request("POST", "/2015-03-31/functions/function/invocations", event)
            return connection.getresponse().read()
        connection.close()
        time.sleep(0.002)
    raise StackError(f"no answer within {LONGEST_SECONDS} s")


if __name__ == "__main__":
    try:
        main()
    except StackError as error:
        sys.exit(f"measure: {error}")
