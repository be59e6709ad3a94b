"""Own code in the function: whatever it does, the request has an answer, nothing is half-written, the next one works.

R10 of docs/robustness.md.
"""

from __future__ import annotations

import io
import json
import subprocess
from typing import Any

import numpy as np
import pytest

from local import clip as real_clip
from local.stack import docker
from tests.cloud.asked import CLIP_URI
from tests.cloud.function import Answer, Function
from tests.cloud.postconditions import Postconditions
from tests.cloud.stack import RESULTS, FaultStack
from tests.support.clips import linear_decode

NAMES = ("brightness", "raises", "crashes", "leaves", "loops", "holds", "slow", "hungry", "short", "speaks", "Model")
LISTED = ", ".join(f"{name}=own_code:{name}" for name in NAMES) + ", missing=own_code:missing, nowhere=nowhere:f"
TIMEOUT = 12
pytestmark = pytest.mark.limits(
    timeout_seconds=TIMEOUT,
    memory_mb=1024,
    environment={"HWANG_APPLY": LISTED},
    files={"/var/task/own_code.py": "tests/support/own_code.py"},
)


def ask(function: Function, apply: str, key: str, **more: Any) -> Answer:
    place = {"output": f"s3://{RESULTS}/{key}"} if key else {"format": "inline"}
    return function.invoke({"video": CLIP_URI, "frames": "0:40", "apply": apply, "batch": 16, **place, **more})


def test_results_are_those_of_a_linear_decode(function: Function, after: Postconditions, prefix: str) -> None:
    truth = linear_decode(real_clip.fetch(), (1280, 720))
    rows = [100, 7, 7, 30]
    answer = ask(function, "brightness", f"{prefix}a.npz", frames=rows)
    after.succeeded(answer)
    found = np.load(io.BytesIO(function.stored(f"s3://{RESULTS}/{prefix}a.npz")))
    np.testing.assert_array_equal(found["values"], truth[rows].mean(axis=(1, 2, 3)), strict=True)
    assert found["rows"].tolist() == rows
    assert {"apply", "decode"} <= answer.value["milliseconds"].keys()


@pytest.mark.parametrize(
    ("apply", "code", "named"),
    [
        ("raises", "ApplyFailed", "raises failed with ValueError on rows 0 to 15"),
        ("short", "ApplyFailed", "15 results for 16 frames"),
        ("missing", "ApplyFailed", "missing could not be loaded with AttributeError"),
        ("nowhere", "ApplyFailed", "nowhere could not be loaded with ModuleNotFoundError"),
        ("unknown", "BadRequest", "must be one of brightness"),
        ("crashes", "WorkerCrashed", "SIGSEGV in crashes"),
        ("leaves", "WorkerCrashed", "status 7 in leaves"),
        ("hungry", "LimitExceeded", "hungry needs more memory"),
        ("loops", "DeadlineExceeded", ""),
        ("holds", "DeadlineExceeded", ""),
    ],
)
def test_what_it_does_wrong_is_named_and_nothing_is_written(
    function: Function, after: Postconditions, prefix: str, apply: str, code: str, named: str
) -> None:
    answer = ask(function, apply, f"{prefix}a.npy")
    after.refused(answer, code, named)
    assert "secret" not in json.dumps(answer.value)
    if code != "BadRequest":
        assert answer.report["detail"]["apply"] == apply
    if code in ("WorkerCrashed", "DeadlineExceeded") or apply == "raises":
        assert answer.report["detail"]["rows"] == list(range(16))


def logged(stack: FaultStack) -> list[str]:
    command = [docker(), "logs", stack.container("function")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return (done.stdout + done.stderr).splitlines()


def test_the_log_has_the_text_and_the_trace(function: Function, stack: FaultStack) -> None:
    ask(function, "raises", "")
    lines = [json.loads(line) for line in logged(stack) if line.startswith('{"_aws"') and "ApplyFailed" in line]
    trace = "".join(lines[-1]["trace"])
    assert "a secret of the caller" in trace
    assert "own_code.py" in trace


def test_it_may_be_silent_for_long(function: Function, prefix: str) -> None:
    """A loop in C that keeps the interpreter is no hang before the time is up."""
    answer = ask(function, "slow", f"{prefix}a.npy", frames="0:4")
    assert answer.code == "ok", answer.value
    assert answer.seconds > 7
    assert function.stored_array(f"s3://{RESULTS}/{prefix}a.npy").tolist() == [0, 1, 2, 3]


def test_a_class_is_made_once_for_all_requests(function: Function) -> None:
    first, second = (ask(function, "Model", "", frames="0:2") for _ in range(2))
    assert first.value["inline"]["data"] == second.value["inline"]["data"]
    assert second.seconds < 1


@pytest.mark.prints
def test_what_it_prints_is_in_the_log(function: Function, stack: FaultStack) -> None:
    answer = ask(function, "speaks", "", frames=[5])
    assert answer.value["values"] == [{"row": 5, "seconds": answer.value["frames"]["timestamps"][0]}]
    assert "own code speaks" in logged(stack)
