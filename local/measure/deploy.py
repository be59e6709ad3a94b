"""The deploy tool: how soon it is there, judges the image, and sees that there is nothing to do."""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Iterator

from local.measure import IMAGE, Row
from local.stack import output
from tests.support.aws import StrictAws
from tests.support.aws.strict import ROLE

RUNS = 5
TOOL = (sys.executable, "ecr_push.py")
DEPLOY = (*TOOL, "deploy", IMAGE, "--repository", "frames", "--function", "frames")


def measure() -> Iterator[Row]:
    """The command line alone, and a deploy against the strict account."""
    bare = _seconds(sys.executable, "-c", "")
    yield "import of the tool, beyond Python's own start", "0.25", f"{_seconds(*TOOL, '--help') - bare:.3f} s"
    yield f"check {IMAGE}", "2", f"{_seconds(*TOOL, 'check', IMAGE):.2f} s"
    with StrictAws() as aws, tempfile.TemporaryDirectory() as home:
        environment = aws.environment() | {"HOME": home}
        output(*TOOL, "push", IMAGE, "--repository", "frames", "--create", environment=environment)
        output(*DEPLOY, "--create", "--role", ROLE, environment=environment)
        aws.forget_calls()
        seconds = _seconds(*DEPLOY, **environment)
        calls = len(aws.calls()) / RUNS
        assert not aws.changes()
    yield "deploy of what is live", "3 s, 6 calls", f"{seconds:.2f} s, {calls:g} calls"


def _seconds(*command: str, **environment: str) -> float:
    """The median time of a command, from its start to its end."""
    taken = []
    for _ in range(RUNS):
        start = time.perf_counter()
        output(*command, environment=environment)
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)
