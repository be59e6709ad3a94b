"""The deploy tool: how soon it is there, judges the image, and sees that there is nothing to do."""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Iterator

from local.measure import IMAGE, Number
from local.stack import output
from tests.support.aws import StrictAws
from tests.support.aws.strict import ROLE

RUNS = 5
TOOL = (sys.executable, "ecr_push.py")
DEPLOY = (*TOOL, "deploy", IMAGE, "--repository", "frames", "--function", "frames")


def measure() -> Iterator[Number]:
    """The command line alone, and a deploy against the strict account."""
    bare = _seconds(sys.executable, "-c", "")
    start = 1000 * (_seconds(*TOOL, "--help") - bare)
    yield Number("start of ecr-push beyond Python's own", start, "ms", 250, guarded=True)
    yield Number("`ecr-push check` of the image in the engine", _seconds(*TOOL, "check", IMAGE), "s", 2)
    with StrictAws() as aws, tempfile.TemporaryDirectory() as home:
        environment = aws.environment() | {"HOME": home}
        output(*TOOL, "push", IMAGE, "--repository", "frames", "--create", environment=environment)
        output(*DEPLOY, "--create", "--role", ROLE, environment=environment)
        aws.forget_calls()
        seconds = _seconds(*DEPLOY, **environment)
        calls = len(aws.calls()) / RUNS
        assert not aws.changes()
    yield Number("`ecr-push deploy` of what is live already", seconds, "s", 1.5)
    yield Number("`ecr-push deploy` of what is live already: calls of AWS", calls, "", 6, guarded=True)


def _seconds(*command: str, **environment: str) -> float:
    """The median time of a command, from its start to its end."""
    taken = []
    for _ in range(RUNS):
        start = time.perf_counter()
        output(*command, environment=environment)
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)
