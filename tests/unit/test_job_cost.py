"""Cost of a job, worked out by hand."""

from __future__ import annotations

import re

import pytest

from local.cost import job_cost

MANIFEST = {
    "videos": 40,
    "parts": 12,
    "pieces": 57,
    "objects": 57,
    "attempts": 13,
    "counters": {"requests": 400},
    "seconds": {"predicted": 300.1, "worked": 290.2},
}


def test_a_manifest_says_what_its_job_would_have_cost() -> None:
    compute = 580.4 * 0.0000166667 + (13 + 1 + 3) * 0.20e-6
    transitions = (6 + 26 + 1) * 25e-6
    requests = (400 + 40 + 36) * 0.40e-6 + (57 + 57 + 12 + 2) * 5e-6
    dollars, words = job_cost(MANIFEST, 2048)
    assert f"{compute:.2g} {transitions:.2g} {requests:.2g}" == "0.0097 0.00082 0.00083"
    assert re.fullmatch(
        r"Lambda 0\.0097, Step Functions 0\.00082, S3 0\.00083; list prices of us-east-1 on \d{4}-\d\d-\d\d", words
    )
    assert dollars == pytest.approx(compute + transitions + requests)


def test_memory_and_seconds_multiply() -> None:
    _, doubled = job_cost({**MANIFEST, "seconds": {"worked": 29020.0}}, 4096)
    assert doubled.startswith(f"Lambda {29020.0 * 4 * 0.0000166667 + 17 * 0.20e-6:.2g},")
