"""Documentation that is complete: what the code has, the pages name."""

from __future__ import annotations

import re
from pathlib import Path

from function import errors
from function.models.event import ACTIONS

ROOT = Path(__file__).resolve().parents[2]


def test_the_error_table_lists_every_code_and_whether_to_retry() -> None:
    table = dict(
        re.findall(r"^\| `(\w+)` \| .* \| (yes|no) \|$", (ROOT / "docs/function.md").read_text(), re.MULTILINE)
    )
    codes = {kind.__name__: "yes" if kind.retryable else "no" for kind in errors.FunctionError.__subclasses__()}
    assert table == codes


def test_the_page_of_events_names_every_field() -> None:
    text = (ROOT / "docs/function.md").read_text()
    names = {name for model in ACTIONS.values() for name in model.model_fields}
    assert sorted(name for name in names if f"`{name}`" not in text) == []


def test_every_make_target_is_explained() -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = {name for names in re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE) for name in names.split()}
    explained = {name for names in re.findall(r"^([a-z -]+):.*## ", makefile, re.MULTILINE) for name in names.split()}
    assert phony - explained == {"announce", "venv"}  # what others begin with


def test_links_between_pages_lead_somewhere() -> None:
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md")]:
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
            assert target.startswith("http") or (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_page_for_contributors_names_files_and_commands_that_are_there() -> None:
    text, makefile = (ROOT / "CONTRIBUTING.md").read_text(), (ROOT / "Makefile").read_text()
    paths = set(re.findall(r"\b(?:tests|function|deploy|docs|build_stages|hwang)/[\w/.-]+\w", text))
    assert [path for path in sorted(paths) if not (ROOT / path).exists()] == []
    commands = set(re.findall(r"`make ([a-z-]+)", text))
    assert commands <= set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE)) | {"bundle"}


def test_no_number_in_the_readme_is_a_placeholder() -> None:
    assert "MEASURED" not in (ROOT / "README.md").read_text()
