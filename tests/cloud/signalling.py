"""Signals the function's worker from inside its container, where its source is run with `python3 -c`.

python3 -c SOURCE NUMBER          now
python3 -c SOURCE NUMBER told     says "ready", then waits for a line with seconds, and signals so much later

Prints the worker's process id. The worker is a fork: it has its parent's command line.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from pathlib import Path


def command(process: int) -> bytes:
    return Path(f"/proc/{process}/cmdline").read_bytes()


def parent(process: int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


def worker() -> int:
    for name in os.listdir("/proc"):  # noqa: PTH208 - numbers, not paths
        if name.isdecimal():
            with suppress(OSError):
                above = parent(int(name))
                if above > 0 and command(int(name)) == command(above) != b"":
                    return int(name)
    raise SystemExit("there is no worker")


def main() -> None:
    number, told = int(sys.argv[1]), sys.argv[2:] == ["told"]
    if told:
        print("ready", flush=True)
        seconds = float(sys.stdin.readline())
        began = time.monotonic()
        process = worker()
        time.sleep(max(0.0, began + seconds - time.monotonic()))
    else:
        process = worker()
    os.kill(process, number)
    print(process)


if __name__ == "__main__":
    main()
