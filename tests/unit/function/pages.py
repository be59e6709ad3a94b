"""What a page of HTML consists of, and whether it is in order."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Final

VOID: Final = {"meta", "link", "img", "br", "hr"}
LINKS: Final = {"src", "href", "srcset", "action", "data", "poster", "xlink:href", "background"}


@dataclass
class Page(HTMLParser):
    """Read by `read_page`."""

    links: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    attributes: list[tuple[str, str | None]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    _open: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        self.links += [value or "" for name, value in attrs if name in LINKS]
        if len({name for name, _ in attrs}) != len(attrs):
            self.problems.append(f"<{tag}> has an attribute twice")

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.problems.append(f"</{tag}> ends nothing")

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] != "style":
            self.words.append(data)

    def close(self) -> None:
        super().close()
        self.problems += [f"<{tag}> does not end" for tag in self._open]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def read_page(html: bytes) -> Page:
    page = Page()
    page.feed(html.decode())
    page.close()
    return page
