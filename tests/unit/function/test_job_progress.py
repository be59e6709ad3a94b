"""Progress of a job on standard error: for people at a terminal, and for logs."""

from __future__ import annotations

import sys

import pytest

from function.errors import WorkerCrashed
from function.jobs.__main__ import Progress

PART = {"part": 0, "pieces": 2, "failed": 1, "frames": 1200, "attempts": 2}


def test_a_log_gets_a_line_at_the_start_and_at_the_end_of_a_step(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress()
    progress("cut", 0, 1, None)
    progress("cut", 1, 1, {})
    for done in range(1000):
        progress("decode", done, 1000, None)
    progress("decode", 1000, 1000, PART)
    assert capsys.readouterr().err.splitlines() == [
        "cut into parts: 0 of 1",
        "cut into parts: 1 of 1",
        "decode parts: 0 of 1,000 (0 frames, 0 failed)",
        "decode parts: 1,000 of 1,000 (1,200 frames, 1 failed)",
    ]


def test_a_part_that_raises_counts_as_failed(capsys: pytest.CaptureFixture[str]) -> None:
    Progress()("decode", 1, 1, WorkerCrashed("gone"))
    assert capsys.readouterr().err == "decode parts: 1 of 1 (0 frames, 1 failed)\n"


def test_a_terminal_gets_one_line_that_renews_itself(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    progress = Progress()
    for done in range(3):
        progress("survey", done, 2, None)
    lines = capsys.readouterr().err.split("\r")[1:]
    assert lines == [f"index videos, predict costs: {done} of 2\033[K" for done in range(2)] + [
        "index videos, predict costs: 2 of 2\033[K\n"
    ]
