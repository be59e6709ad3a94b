"""Documentation that is complete, short and true: what the code has, the pages name, and what they name is there."""

from __future__ import annotations

import re
from pathlib import Path
from statistics import median
from typing import Final

import pytest

from function import errors
from function.models.event import ACTIONS, Decode
from function.models.form import Writing
from function.runtime import emf_log
from local import sizing
from tests.support.pages import ROOT, anchors, counted, pages, sentences

MAX_WORDS: Final = 13_000
MAX_README_LINES: Final = 100
LINK: Final = re.compile(r"\]\(([^)\s]+)\)")
TASKS: Final = {  # what somebody looks for: words of the link's row, the page that answers, words in it
    "thumbnails for uploads": ("triggers.md", "HWANG_ON_UPLOAD"),
    "a frame a second to my model": ("own-code.md", "HWANG_APPLY"),
    "roll back": ("first-deploy.md", "rollback"),
    "what it will cost": ("cost.md", "a million frames"),
    "install the library": ("install.md", "make wheel"),
    "PyTorch": ("recipes.md", "DataLoader"),
    "torchcodec": ("coming-from.md", "VideoDecoder"),
    "thousands of videos": ("jobs.md", "function.jobs"),
    "CI": ("ci.md", "OIDC"),
    "VPC": ("networks.md", "gateway endpoint"),
    "why it fails": ("trouble.md", "SourceForbidden"),
    "take it down": ("take-down.md", "delete-function"),
    "without internet": ("networks.md", "--vpc-config"),
    "least IAM rights": ("rights.md", "frames.json"),
    "alarms": ("watch.md", "put-metric-alarm"),
    "upgrade FFmpeg": ("upgrade-ffmpeg.md", "make bump"),
    "error code": ("trouble.md", "errorType"),
    "PyAV": ("coming-from.md", "av.open"),
}


def test_the_table_of_errors_has_a_remedy_for_every_code_and_the_sentence_above_it_names_those_to_retry() -> None:
    above, table = (ROOT / "docs/trouble.md").read_text().split("| code | HTTP | cause | do |", 1)
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)?) \| \d{3} \| [^|]+ \| [^|]+ \|$", table, re.MULTILINE)
    kinds = errors.FunctionError.__subclasses__()
    assert sorted(name for row in rows for name in re.findall(r"\w+", row)) == sorted(kind.__name__ for kind in kinds)
    [sentence] = re.findall(r"([^.]+) are retryable", above)
    assert set(re.findall(r"`([A-Z]\w+)`", sentence)) == {kind.__name__ for kind in kinds if kind.retryable}


def test_the_page_of_events_explains_every_action_and_field_in_its_table() -> None:
    """Fields of a decode have a row each; those of other actions stand in the row of their action."""
    text = (ROOT / "docs/function.md").read_text()
    actions, decode = (text.split(heading, 1)[1] for heading in ("# Events, formats and results", "## Decode"))
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


def test_the_page_about_watching_names_every_metric() -> None:
    counters = {"bytes_read": 1, "requests": 1, "samples_decoded": 1, "frames_decoded": 1}
    line = emf_log.line("1", {}, {"counters": counters}, 0.5)
    written = set(re.findall(r'"Name": "(\w+)"', line))
    page = (ROOT / "docs/watch.md").read_text()
    named = {
        name for row in re.findall(r"^\| (`[A-Z].*?) \|", page, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)
    }
    assert named == written


def test_the_page_of_events_names_every_variable_of_the_function() -> None:
    code = "".join(path.read_text() for path in ROOT.glob("function/**/*.py"))
    variables = set(re.findall(r'"(HWANG_[A-Z_]+)"', code))
    assert len(variables) > 10
    assert variables <= set(re.findall(r"`(HWANG_[A-Z_]+)`", (ROOT / "docs/function.md").read_text()))


def test_every_make_target_is_explained() -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = {name for names in re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE) for name in names.split()}
    explained = {name for names in re.findall(r"^([a-z -]+):.*## ", makefile, re.MULTILINE) for name in names.split()}
    assert phony - explained == {"announce"}  # what others begin with


def test_every_make_command_on_a_page_is_there() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = {name for names in re.findall(r"^([a-z][a-z -]+):", makefile, re.MULTILINE) for name in names.split()}
    named = {
        name
        for page in pages()
        if page.name != "CHANGELOG.md"
        for name in re.findall(r"(?:`|\$ |^    )make ([a-z][a-z-]+)", page.read_text(), re.MULTILINE)
    }
    assert len(named) > 20
    assert named <= targets


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_pages_sections_and_files_that_are_there(page: Path) -> None:
    for link in LINK.findall(page.read_text()):
        target, _, anchor = link.partition("#")
        if target.startswith("http"):
            continue
        path = page.parent / target if target else page
        assert path.exists(), link
        assert not anchor or anchor in anchors(path), link


def test_outer_links_are_listed_with_the_day_on_which_they_were_read() -> None:
    page = ROOT / "docs/decisions/outer-links.md"
    listed = re.findall(r"^\| (https://\S+) \| 20\d\d-\d\d-\d\d \|$", page.read_text(), re.MULTILINE)
    linked = {link for each in pages() for link in LINK.findall(each.read_text()) if link.startswith("http")}
    assert sorted(linked) == listed


def test_pages_name_files_that_are_there() -> None:
    for page in [ROOT / "CONTRIBUTING.md", ROOT / "docs/design.md"]:
        named = re.findall(r"\b(?:tests|function|deploy|docs|build_stages|hwang|local)/[\w/.-]+\w", page.read_text())
        assert [path for path in sorted(set(named)) if not (ROOT / path).exists()] == [], page.name


def test_every_page_is_in_the_index_of_its_folder() -> None:
    for folder in (ROOT / "docs", ROOT / "docs/decisions"):
        linked = set(LINK.findall((folder / "README.md").read_text()))
        assert {page.name for page in folder.glob("*.md")} - {"README.md"} == {
            link for link in linked if link.endswith(".md") and "/" not in link
        }


@pytest.mark.parametrize("task", TASKS)
def test_a_task_is_found_from_the_readme_in_two_links(task: str) -> None:
    answer, words = TASKS[task]
    readme, index = (ROOT / "README.md").read_text(), (ROOT / "docs/README.md").read_text()
    assert "](docs/README.md)" in readme
    assert any(task in line and f"]({answer})" in line for line in index.splitlines())
    assert words in (ROOT / "docs" / answer).read_text()


def test_pages_are_short() -> None:
    """Words are counted as `wc -w` does: in tables and code as well, lines between cells too."""
    assert len((ROOT / "README.md").read_text().splitlines()) <= MAX_README_LINES
    words = {page.name: len(page.read_text().split()) for page in counted()}
    assert sum(words.values()) <= MAX_WORDS, words


def test_sentences_are_short() -> None:
    lengths = {page.name: [len(sentence.split()) for sentence in sentences(page)] for page in counted()}
    assert median(length for page in lengths.values() for length in page) <= 16
    assert {name: median(page) for name, page in lengths.items() if page and median(page) > 16} == {}


def test_the_page_about_cost_has_the_tables_that_are_computed() -> None:
    """`python -m local.sizing` renews them."""
    page = sizing.PAGE.read_text()
    assert page == sizing.renewed(page)
    per_million = re.search(r"the same, as shards \|.*\$([\d.]+) \| \$([\d.]+) \| \d+ \|$", page, re.MULTILINE)
    thumbnails = re.search(r"1,000,000 uploads.*\$([\d.]+) \| \$[\d.]+ \| \d+ \|$", page, re.MULTILINE)
    assert per_million
    assert thumbnails
    readme = (ROOT / "README.md").read_text()
    assert all(f"${dollars}" in readme for dollars in (*per_million.groups(), *thumbnails.groups()))


def test_every_item_of_a_list_begins_a_line() -> None:
    """A page that was filled paragraph by paragraph has them in the middle of lines."""
    found = {
        page.name: re.findall(r"\S+[.;)`] - [A-Z`*\[][^.]{,20}", page.read_text())
        for page in {ROOT / "CHANGELOG.md", *pages()}
    }
    assert {name: hits for name, hits in found.items() if hits} == {}
