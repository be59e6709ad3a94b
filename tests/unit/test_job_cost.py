"""Cost of a job, worked out by hand."""

from __future__ import annotations

import re

import pytest

from local.cost import Usage, usage, usage_cost


def test_compute_gets_cheaper_beyond_each_tier() -> None:
    found = usage_cost(Usage(invocations=0, gb_seconds=16e9, gets=0, puts=0, transitions=0))
    assert found.dollars == pytest.approx(6e9 * 0.0000166667 + 9e9 * 0.000015 + 1e9 * 0.0000133334)


def test_what_a_job_uses_costs_the_sum_of_the_services_by_hand() -> None:
    used = Usage(
        invocations=1_000_000,
        gb_seconds=2e6,
        gets=5_000_000,
        puts=200_000,
        transitions=3_000_000,
    )
    found = usage_cost(used)
    assert found.lambda_dollars == pytest.approx(0.20 + 2e6 * 0.0000166667)
    assert found.step_functions_dollars == pytest.approx(75)
    assert found.s3_dollars == pytest.approx(2.0 + 1.0)
    assert found.dollars == pytest.approx(0.20 + 33.3334 + 75 + 3.0)


def test_a_manifest_says_what_its_job_would_have_cost() -> None:
    manifest = {
        "videos": 40,
        "parts": 12,
        "pieces": 57,
        "objects": 57,
        "attempts": 13,
        "counters": {"requests": 400},
        "seconds": {"predicted": 300.1, "worked": 290.2},
    }
    used = usage(manifest, 2048)
    assert used == Usage(
        invocations=13 + 1 + 3, gb_seconds=580.4, gets=400 + 40 + 36, puts=57 + 57 + 12 + 2, transitions=6 + 26 + 1
    )
    assert re.fullmatch(
        r"Lambda 0\.0097, Step Functions 0\.00082, S3 0\.00083; list prices of us-east-1 on \d{4}-\d\d-\d\d",
        str(usage_cost(used)),
    )
