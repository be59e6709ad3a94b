"""The pages about triggers say what the code does, and the example page needs nothing from elsewhere."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

from function import errors
from function.triggers.delivery import parse
from function.triggers.function_url import status
from tests.unit.function.deliveries import event_bridge

DOCS = Path(__file__).resolve().parents[3] / "docs"
VOID = {"meta", "input"}


def test_the_status_table_is_what_is_answered() -> None:
    rows = re.findall(r"^\| (`.*?) \| (\d{3}) \|", (DOCS / "trouble.md").read_text(), re.MULTILINE)
    table = {code: int(number) for codes, number in rows for code in re.findall(r"`(\w+)`", codes)}
    kinds = errors.FunctionError.__subclasses__()
    assert {kind.__name__: table.get(kind.__name__) for kind in kinds} == {
        kind.__name__: status(kind("x")) for kind in kinds
    }


def test_the_example_of_an_upload_becomes_the_thumbnail_that_the_page_names() -> None:
    page = (DOCS / "triggers.md").read_text()
    configuration, key, thumbnail = re.findall(
        r"```json \w+\n(.*?)\n```\n\nWith it, `([^`]+)` becomes a thumbnail, `([^`]+)`", page, re.DOTALL
    )[0]
    delivery = parse(event_bridge(key), {"HWANG_ON_UPLOAD": configuration})
    (made,) = delivery.requests
    video = {"bucket": "uploads", "key": key}
    request = {"frames": {"timestamps": [1]}, "size": {"max_side": 320}, "output": thumbnail}
    assert made.event == {"video": video, **request, "if_exists": "reuse"}


class Page(HTMLParser):
    """Which elements are open, closed, labelled; and every address."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.unlabelled: list[str | None] = []
        self.identifiers: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "input" and "label" not in self.open:
            self.unlabelled.append(values.get("name"))
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "action", "srcset")]
        self.identifiers += [values["id"] or ""] if "id" in values else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_example_page_is_whole_labelled_and_loads_nothing() -> None:
    text = (DOCS / "function-url.html").read_text()
    page = Page()
    page.feed(text)
    assert page.open == []
    assert page.unlabelled == []
    assert page.addresses == []
    assert "default-src 'none'" in text
    assert "@import" not in text
    assert "url(" not in text
    assert set(re.findall(r'byId\("(\w+)"\)', text)) == set(page.identifiers)
    assert "innerHTML" not in text
