"""Names of many pictures, made from a template such as `{row:06d}-{seconds:.2f}.jpg`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from string import Formatter
from typing import Final

from pydantic_core import PydanticCustomError

from function.models.formats import FORMATS

DEFAULT_NAME: Final = "frame-{row:06d}.{ext}"
MAX_NAME_CHARS: Final = 200
_FIELDS: Final = {
    "row": re.compile(r"(0?[1-9][0-9]?d?)?"),
    "position": re.compile(r"(0?[1-9][0-9]?d?)?"),
    "seconds": re.compile(r"(0?[1-9]?[0-9]?\.[0-6]f)?"),
    "ext": re.compile(""),
}
_LITERAL = re.compile(r"[^/\\\x00-\x1f\x7f]*")


@dataclass(frozen=True)
class NameTemplate:
    """A parsed template; the name is the last part of a key."""

    parts: tuple[tuple[str, str, str], ...]  # literal text, then a field ("" for none) and its format

    @property
    def max_bytes(self) -> int:
        """Length in bytes of the longest name of any frame."""
        longest = max((one for facts in FORMATS.values() for one in facts.extensions), key=len)
        return len(self.name(row=2**24, position=10**7, seconds=1e7, ext=longest).encode())

    def name(self, *, row: int, position: int, seconds: float, ext: str) -> str:
        """Fill in the template for one frame."""
        values: dict[str, object] = {"row": row, "position": position, "seconds": seconds, "ext": ext}
        return "".join(text + (format(values[field], spec) if field else "") for text, field, spec in self.parts)


def parse_template(text: str) -> NameTemplate:
    """Parse a template. Raises PydanticCustomError (for a validator) that says the problem.

    Only known fields with plain number formats are allowed: a template comes from an event, and Python's own
    formatting would follow attributes and make strings of any length.
    """
    if not 1 <= len(text) <= MAX_NAME_CHARS:
        raise PydanticCustomError("name", "must have 1 to {most} characters", {"most": MAX_NAME_CHARS})
    try:
        parsed = [
            (literal, field or "", spec or "", conversion)
            for literal, field, spec, conversion in Formatter().parse(text)
        ]
    except ValueError:
        raise PydanticCustomError("name", "has a brace without its partner") from None
    for literal, field, spec, conversion in parsed:
        if not _LITERAL.fullmatch(literal):
            raise PydanticCustomError("name", "must not have slashes or control characters")
        if field not in {*_FIELDS, ""} or conversion:
            raise PydanticCustomError("name", "may use {row}, {position}, {seconds} and {ext} only")
        if field and not _FIELDS[field].fullmatch(spec):
            raise PydanticCustomError("name", "formats numbers like {row:06d} and {seconds:.2f}")
    fields = {field for _, field, _, _ in parsed}
    if not fields & {"row", "position"}:
        raise PydanticCustomError("name", "needs {row} or {position}, so that no two frames have one name")
    template = NameTemplate(tuple((literal, field, spec) for literal, field, spec, _ in parsed))
    if template.name(row=1, position=1, seconds=1, ext="x").startswith("_manifest.json"):
        raise PydanticCustomError("name", "is the manifest's")
    return template
