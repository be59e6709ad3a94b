"""The deploy tool's numbers: how soon it is there, judges the image, and sees that there is nothing to do.

python -m local.measure_deploy     (make measure builds the image first)
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time

from local.clip import ROOT
from tests.support.aws import StrictAws
from tests.support.aws.strict import ROLE

IMAGE = "hwang-lambda:latest"
RUNS = 5
PLACE = ("--repository", "frames", "--function", "frames")


def seconds(command: list[str], environment: dict[str, str]) -> float:
    """The median time of a command, from its start to its end."""
    taken = []
    for _ in range(RUNS):
        start = time.perf_counter()
        subprocess.run(command, cwd=ROOT, env=os.environ | environment, check=True, capture_output=True)
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def main() -> None:
    tool = [sys.executable, "ecr_push.py"]
    bare = seconds([sys.executable, "-c", ""], {})
    print(f"import of the tool, beyond Python's own start: {seconds([*tool, '--help'], {}) - bare:.3f} s (limit 0.25)")
    print(f"check {IMAGE}: {seconds([*tool, 'check', IMAGE], {}):.2f} s (limit 2)")
    with StrictAws() as aws, tempfile.TemporaryDirectory() as home:
        environment = aws.environment() | {"HOME": home}
        first = [[*tool, "push", IMAGE, "--repository", "frames", "--create"]]
        first += [[*tool, "deploy", IMAGE, *PLACE, "--create", "--role", ROLE]]
        for command in first:
            subprocess.run(command, cwd=ROOT, env=os.environ | environment, check=True, capture_output=True)
        aws.forget_calls()
        taken = seconds([*tool, "deploy", IMAGE, *PLACE], environment)
        calls = len(aws.calls()) / RUNS
        assert not aws.changes()
        print(f"deploy of what is live: {taken:.2f} s (limit 3), {calls:g} calls (limit 6)")


if __name__ == "__main__":
    main()
