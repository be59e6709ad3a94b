"""docs/numbers.md, written by `make measure`."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from local.measure import Number, page
from local.measure import __main__ as program


def test_the_page_is_what_make_measure_writes() -> None:
    assert page.PAGE.read_text() == page.text(page.load())


def test_a_part_that_is_measured_again_replaces_its_numbers_alone() -> None:
    runs = page.replaced([], "image", [Number("size", 127.42, "MB", 150)])
    runs = page.replaced(runs, "deploy", [Number("calls", 5, "", 6, guarded=True)])
    runs = page.replaced(runs, "image", [Number("size", 126, "MB", 150)])
    assert [(run["part"], [one["value"] for one in run["numbers"]]) for run in runs] == [
        ("image", [126]),
        ("deploy", [5]),
    ]
    users, guarded = page.text(runs).split("## What is guarded")
    assert "| size | 126 MB | 150 MB | `make measure PARTS=image` |" in users
    assert "| calls | 5 | 6 | `make measure PARTS=deploy` |" in guarded


def test_a_number_over_its_limit_is_written_and_marked_and_fails_the_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(page, "DATA", tmp_path / "numbers.json")
    monkeypatch.setattr(page, "PAGE", tmp_path / "numbers.md")
    given = {"image": [Number("size", 149, "MB", 150)], "deploy": [Number("calls", 7, "", 6)]}
    parts = {name: SimpleNamespace(measure=lambda name=name: given[name]) for name in given}
    monkeypatch.setattr(program, "PARTS", parts)
    assert program.main([]) == 1
    assert capsys.readouterr().err == "over the limit: calls\n"
    written = page.PAGE.read_text()
    assert "| size | 149 MB | 150 MB |" in written
    assert "| calls | 7 **over** | 6 |" in written
    assert program.main(["image"]) == 0


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (2645857, "bytes", "2,645,857 bytes"),
        (1234.5, "ms", "1,234 ms"),
        (15.63, "MB", "15.6 MB"),
        (1.0042, "x", "1.004 x"),
        (0.62713, "s", "0.627 s"),
        (1.8, "", "1.8"),
    ],
)
def test_amounts_are_short_but_counts_are_whole(value: float, unit: str, text: str) -> None:
    assert page.amount(value, unit) == text


@pytest.mark.parametrize(("value", "limit", "exceeds"), [(1.0, None, False), (1.0, 1.0, False), (1.01, 1.0, True)])
def test_a_limit_is_the_highest_value_that_is_right(value: float, limit: float | None, exceeds: bool) -> None:
    assert Number("", value, "", limit).exceeds is exceeds
