"""The worker is killed at any moment of its writing: what is visible afterwards is whole, or there is nothing."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from local.stack import docker
from tests.cloud import signalling
from tests.cloud.asked import CLIP_URI, OK, check_report, meanwhile
from tests.cloud.function import Answer, Function
from tests.cloud.postconditions import Postconditions
from tests.cloud.stack import RESULTS, FaultStack
from tests.soak.conftest import Report, times
from tests.soak.space import reclaim

SIGNALLING = Path(signalling.__file__).read_text()
FORMS = {
    "pictures": {"frames": "0:48", "size": {"max_side": 640}, "output": "x/"},
    "array": {"frames": "0:20", "output": "x.npy"},  # 55 MB
    "shards": {"frames": "0:48", "format": "tar", "picture": "png", "shard_mb": 10, "output": "x/"},
    "own code": {"frames": "0:48", "apply": "brightness", "batch": 4, "output": "x.npz"},
}
pytestmark = pytest.mark.limits(
    environment={"HWANG_APPLY": "brightness=own_code:brightness"},
    files={"/var/task/own_code.py": "tests/support/own_code.py"},
)


@contextmanager
def killer(stack: FaultStack) -> Iterator[subprocess.Popen[str]]:
    """Waits inside the container to be told when to kill the worker."""
    inside = ["python3", "-c", SIGNALLING, str(int(signal.SIGKILL)), "told"]
    command = [docker(), "exec", "--interactive", stack.container("function"), *inside]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        try:
            yield process
        finally:
            assert process.stdin
            process.stdin.close()
            process.wait(30)


def killed(function: Function, event: dict[str, object], seconds: float) -> Answer:
    """The answer to a request whose worker is killed so long after its beginning."""
    with killer(function.stack) as process, meanwhile(function, event) as coming:
        assert process.stdin
        process.stdin.write(f"{seconds}\n")
        process.stdin.flush()
        return coming.result()


def visible(function: Function, prefix: str) -> list[str]:
    """What is wrong with what can be seen below the prefix: all of a result may be there, also of a worker that was
    killed when it had just finished; or nothing.
    """
    keys = set(function.keys(prefix))
    uploads = function.stack.s3.list_multipart_uploads(Bucket=RESULTS).get("Uploads", [])
    wrong = [f"an upload of {upload['Key']}" for upload in uploads]
    manifests = [key for key in keys if "manifest" in key]
    if not manifests:
        return [*wrong, *sorted(keys)]
    written = json.loads(function.stored(f"s3://{RESULTS}/{manifests[0]}"))["output"]
    wrong += [
        f"{item['uri']} is not what its manifest says"
        for item in written
        if hashlib.sha256(function.stored(item["uri"])).hexdigest() != item["sha256"]
    ]
    return [*wrong, *sorted(keys - {item["uri"].removeprefix(f"s3://{RESULTS}/") for item in written} - {*manifests})]


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_no_partial_result_is_ever_visible(
    form: dict[str, object], function: Function, after: Postconditions, prefix: str, report: Report
) -> None:
    def event(number: int) -> dict[str, object]:
        return {"video": CLIP_URI, **form, "output": f"s3://{RESULTS}/{prefix}{number}/{form['output']}"}

    function.invoke(event(0))
    longest = function.invoke(event(0)).seconds
    outcomes: Counter[str] = Counter()
    partial: list[str] = []
    answer = Answer({}, 0)
    for number in range(1, times(100) + 1):
        answer = killed(function, event(number), longest * number / times(100))
        outcomes[answer.code] += 1
        if answer.code != OK:
            check_report(answer, ["WorkerCrashed"])
        partial += visible(function, f"{prefix}{number}/")
        reclaim(function.stack, number)
        for key in function.keys(f"{prefix}{number}/"):
            function.stack.s3.delete_object(Bucket=RESULTS, Key=key)
    report(form=str(form["output"]), moments=times(100), outcomes=dict(outcomes), partial=len(partial))
    assert partial == []
    assert outcomes["WorkerCrashed"] >= times(100) // 2, "most kills hit"
    after.hold(function.invoke({}))
