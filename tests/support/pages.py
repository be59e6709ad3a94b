"""The pages of the documentation: their prose, links and blocks of code.

The word behind a block's language says what tests do with it. Without one the block is carried out. `aws` is parsed, as
it means AWS itself; `parsed` too, as it needs a network, an engine or packages that tests lack (`parsed=torch`).
`answer` is what the event before it is answered with, `upload` a value of HWANG_ON_UPLOAD.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
MARKS: Final = ("", "answer", "aws", "parsed", "upload")
_BLOCK: Final = re.compile(r"^```(\w+)?(?: (\w+)(?:=[\w,]+)?)?\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_APART: Final = ("README.md", "bench.md", "numbers.md", "robustness.md")


@dataclass(frozen=True)
class Block:
    """A block of code. `line` is that of its first line in the page."""

    page: Path
    line: int
    language: str
    mark: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"

    @property
    def commands(self) -> list[str]:
        """The commands of a console session, without comments and with their continued lines joined."""
        joined = self.text.replace("\\\n", " ")
        found = re.findall(r"^\$ (.*(?:\n(?!\$ ).*)*)", joined, re.MULTILINE)
        return [re.sub(r"\s+# .*|\s{2,}#$", "", command).strip() for command in found]

    @property
    def documents(self) -> list[Any]:
        """The JSON values of the block, one after another."""
        decoder, values, at = json.JSONDecoder(), [], 0
        text = self.text.strip()
        while at < len(text):
            value, at = decoder.raw_decode(text, at)
            values.append(value)
            at += len(text[at:]) - len(text[at:].lstrip())
        return values


def pages() -> list[Path]:
    """Every page for users and contributors; decisions too."""
    roots = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")]
    return [*roots, *sorted(ROOT.glob("docs/**/*.md")), *sorted(ROOT.glob("examples/*/README.md"))]


def counted() -> list[Path]:
    """Return guides and reference, without their index and what is measured."""
    return [page for page in sorted(ROOT.glob("docs/*.md")) if page.name not in _APART]


def blocks(page: Path) -> list[Block]:
    """Return the blocks of a page, in their order."""
    text = page.read_text()
    return [
        Block(page, text.count("\n", 0, match.start()) + 2, match[1] or "", match[2] or "", match[3])
        for match in _BLOCK.finditer(text)
    ]


def every_block(*languages: str) -> list[Block]:
    """Return the blocks in these languages of README, guides, reference and examples."""
    skipped = {ROOT / "CHANGELOG.md", *ROOT.glob("docs/decisions/*.md")}
    return [block for page in pages() if page not in skipped for block in blocks(page) if block.language in languages]


def sentences(page: Path) -> Iterator[str]:
    """Yield the sentences of a page's prose: no code, tables, headings or pictures."""
    text = _BLOCK.sub("\n\n", page.read_text())
    text = re.sub(r"^(?:\||#|!\[|    |<!--).*$", "", text, flags=re.MULTILINE)
    text = re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", text).replace("**", "")
    for paragraph in re.split(r"\n\s*\n|^(?:\*|\d+\.) ", text, flags=re.MULTILINE):
        yield from (part for part in re.split(r"(?<=[.!?])\s+", paragraph.strip()) if re.search(r"\w", part))


def anchors(page: Path) -> set[str]:
    """Return the anchors that a page's headings make."""
    headings = re.findall(r"^#+ (.*)$", _BLOCK.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def function_policy() -> dict[str, Any]:
    """Return the policy of the function's role that docs/rights.md has."""
    documents = [document for block in blocks(ROOT / "docs/rights.md") if block.language == "json"
                 for document in block.documents]  # fmt: skip
    policy: dict[str, Any] = next(one for one in documents if one["Statement"][0].get("Sid") == "Read")
    return policy
