"""Documentation that is complete: what the code has, the pages name."""

from __future__ import annotations

import re
from pathlib import Path

from function import errors
from function.models.event import ACTIONS, Decode
from function.models.form import Writing

ROOT = Path(__file__).resolve().parents[2]


def test_the_error_table_lists_every_code_and_whether_to_retry() -> None:
    table = dict(
        re.findall(r"^\| `(\w+)` \| .* \| (yes|no) \|$", (ROOT / "docs/function.md").read_text(), re.MULTILINE)
    )
    codes = {kind.__name__: "yes" if kind.retryable else "no" for kind in errors.FunctionError.__subclasses__()}
    assert table == codes


def test_the_page_of_events_explains_every_action_and_field_in_its_table() -> None:
    """Fields of a decode have a row each; those of other actions stand in the row of their action."""
    text = (ROOT / "docs/function.md").read_text()
    actions, decode = (text.split(heading, 1)[1] for heading in ("# The function", "## Decode"))
    table = re.findall(r"^\| `.*\|$", actions.split("\n## ", 1)[0], re.MULTILINE)[1:]  # below the heads of the columns
    rows = {name: row for row in table for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert rows.keys() == ACTIONS.keys()
    first_cells = re.findall(r"^\| (`[^|]*) \|", decode.split("\n| `format` | result", 1)[0], re.MULTILINE)
    explained = {name for cell in first_cells for name in re.findall(r"`(\w+)`", cell)}
    assert explained == Decode.model_fields.keys() - {"action"}
    for action, model in ACTIONS.items():
        stated = set(re.findall(r"`(\w+)`", rows[action].split("|")[3])) | explained & Writing.model_fields.keys()
        if action != "decode":
            stated |= explained if "those of a decode" in rows[action] else set()
            assert set(model.model_fields) - {"action"} <= stated, action


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


def test_every_make_command_on_a_page_is_there() -> None:
    targets = {
        name
        for names in re.findall(r"^([a-z][a-z -]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        for name in names.split()
    }
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]
    named = {
        name
        for page in pages
        for name in re.findall(r"(?:`|\$ |^    )make ([a-z][a-z-]+)", page.read_text(), re.MULTILINE)
    }
    assert len(named) > 20
    assert named <= targets
