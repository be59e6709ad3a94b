"""The lines of the function's log that are no JSON: there shall be none but the emulator's."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator

from local.stack import StackError, docker

# The emulator's: what Lambda writes for each invocation, and what it says of itself, with the time in front.
EMULATOR = re.compile(r"(START|END|REPORT) RequestId: |\d\d \w{3} \d{4} \d\d:\d\d:\d\d,\d{3} \[\w+\] \(rapid\) ")


def container_log(container: str, since: float = 0) -> str:
    """What the container has written from then on (seconds since 1970), to both streams. Raises StackError."""
    command = [docker(), "logs", "--since", f"{since:.3f}", container]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise StackError(f"docker logs: {done.stdout.strip()}")
    return done.stdout


def not_json(log: str) -> Iterator[str]:
    """Yields each line that is neither the emulator's nor a JSON object."""
    for line in log.splitlines():
        if line.strip() and not EMULATOR.match(line):
            try:
                is_object = isinstance(json.loads(line), dict)
            except ValueError:
                is_object = False
            if not is_object:
                yield line
