"""The journal of a deploy: whole lines, in order, whatever happens."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deploy.console import Reporter
from deploy.errors import JournalError
from deploy.journal import Journal


def test_each_step_is_a_line_when_it_begins_and_when_it_ends(tmp_path: Path) -> None:
    report = Reporter()
    with Journal.at(tmp_path / "journal") as report.journal:
        with report.step("one") as note:
            note("fine")
        with pytest.raises(KeyError), report.step("two"):
            raise KeyError("k")
    lines = [json.loads(line) for line in (tmp_path / "journal").read_text().splitlines()]
    assert [(line["event"], line["step"]) for line in lines] == [
        ("begin", "one"),
        ("done", "one"),
        ("begin", "two"),
        ("failed", "two"),
    ]
    assert lines[1]["notes"] == ["fine"]
    assert lines[3]["error"] == "KeyError"
    assert len({line["run"] for line in lines}) == 1


def test_a_second_run_goes_on_in_the_same_file(tmp_path: Path) -> None:
    for word in ("a", "b"):
        with Journal.at(tmp_path / "journal") as journal:
            journal.write(word)
    lines = [json.loads(line) for line in (tmp_path / "journal").read_text().splitlines()]
    assert [line["event"] for line in lines] == ["a", "b"]
    assert lines[0]["run"] != lines[1]["run"]


def test_a_journal_that_cannot_be_written_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="cannot be written"), Journal.at(tmp_path / "no" / "journal"):
        pass
