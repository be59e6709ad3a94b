"""One version for the whole product, and a changelog that goes with it."""

from __future__ import annotations

import datetime
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
CHANGELOG = (ROOT / "CHANGELOG.md").read_text()
SECTIONS = {"Breaking", "Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_the_version_is_a_semantic_one() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", VERSION)


def test_the_deploy_tool_has_no_version_of_its_own() -> None:
    project = tomllib.loads((ROOT / "deploy/pyproject.toml").read_text())
    assert "version" not in project["project"]
    hatch = project["tool"]["hatch"]["version"]
    found = re.search(hatch["pattern"], (ROOT / "deploy" / hatch["path"]).read_text(), re.MULTILINE)
    assert found
    assert found["version"] == VERSION


def test_the_changelogs_newest_release_is_the_version() -> None:
    headings = re.findall(r"^## \[(.+?)\](?: - (\S+))?$", CHANGELOG, re.MULTILINE)
    assert headings[0] == ("Unreleased", "")
    assert headings[1][0] == VERSION
    dates = [datetime.date.fromisoformat(date) for _, date in headings[1:]]
    assert dates == sorted(dates, reverse=True)


def test_the_changelog_has_the_sections_that_it_says_it_has() -> None:
    assert set(re.findall(r"^### (.+)$", CHANGELOG, re.MULTILINE)) <= SECTIONS
    assert re.findall(r"^## (?!\[)", CHANGELOG, re.MULTILINE) == []


def test_no_other_file_states_the_version() -> None:
    for path in [ROOT / "Dockerfile", ROOT / "Makefile", *ROOT.glob("build_stages/*.py"), *ROOT.glob("local/*.sh")]:
        assert VERSION not in path.read_text(), path


def test_everything_is_of_the_day_of_the_release() -> None:
    date = re.findall(r"^## \[\d.+?\] - (\S+)$", CHANGELOG, re.MULTILINE)[0]
    stated = re.findall(r"^ENV SOURCE_DATE_EPOCH=(\d+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    midnight = datetime.datetime.fromisoformat(f"{date}T00:00:00+00:00")
    assert [int(time) for time in stated] == [midnight.timestamp()]
