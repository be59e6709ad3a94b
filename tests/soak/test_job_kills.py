"""A process of a job is killed at any moment: its results are the same, byte for byte."""

from __future__ import annotations

import random
import time

import pytest

from tests.cloud.function import Function
from tests.cloud.laptop import JSON, run, started
from tests.cloud.stack import RESULTS
from tests.cloud.test_map import FORMS, clips, films, job, results  # noqa: F401 - fixtures
from tests.soak.conftest import Report, times


@pytest.mark.parametrize("name", FORMS)
def test_results_are_equal_after_kills(function: Function, job: JSON, name: str, report: Report) -> None:  # noqa: F811
    job |= FORMS[name]
    start = time.monotonic()
    run(function.stack, job)
    longest = time.monotonic() - start
    expected = results(function, job)
    folder, moments = job["output"], random.Random(1)  # noqa: S311 - moments
    different = 0
    for number in range(times(50)):
        job["output"] = folder.replace("/out/", f"/killed-{number}/")
        with started(function.stack, job) as running:
            time.sleep(moments.uniform(0.1, 0.9) * longest)
            if running.process.poll() is None:
                running.kill_a_decoder()
            assert running.end().result["complete"]
        different += results(function, job) != expected
        prefix = job["output"].partition(f"{RESULTS}/")[2]
        for key in function.keys(prefix):
            function.stack.s3.delete_object(Bucket=RESULTS, Key=key)
    report(form=name, moments=times(50), objects=len(expected), different=different)
    assert different == 0
