"""Makes the request for one picture from the query of a GET, for videos that HWANG_GET_PREFIXES allows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote

from function.errors import SourceBlocked
from function.models.formats import FORMATS, PREFIX_FORMAT
from function.models.incoming import wrong

VARIABLE: Final = "HWANG_GET_PREFIXES"

_PREFIX = re.compile(r"(s3|https?)://[^/\s]+/\S*")
_NUMBERS: Final[Mapping[str, type[int] | type[float]]] = {
    "at": float,
    "row": int,
    "max_side": int,
    "width": int,
    "height": int,
    "quality": int,
}
_NAMES: Final = ("video", "format", *_NUMBERS)


def request_for(query: Mapping[str, str], allowed: str) -> dict[str, Any]:
    """Return the request for a picture that is answered inline. `allowed`: prefixes of videos, with commas between.

    Raises BadRequest, and SourceBlocked for any other video.
    """
    for name in query:
        if name not in _NAMES:
            raise wrong("query", f"has the unknown parameter {name!r}; there are {', '.join(_NAMES)}")
    if "video" not in query:
        raise wrong("video", "is required, as in ?video=s3://bucket/key&at=12.5&max_side=320")
    _check(query["video"], allowed)
    kind = query.get("format", PREFIX_FORMAT)
    kinds = [name for name, facts in FORMATS.items() if facts.is_picture and facts.is_answer]
    if kind not in kinds:
        raise wrong("format", f"must be one of {', '.join(kinds)} in a GET")
    numbers = {name: _number(name, query[name], number) for name, number in _NUMBERS.items() if name in query}
    if "at" in numbers and "row" in numbers:
        raise wrong("row", "does not go with at")
    frames = {"timestamps": [numbers["at"]]} if "at" in numbers else [numbers.get("row", 0)]
    size = {name: numbers[name] for name in ("max_side", "width", "height") if name in numbers}
    request: dict[str, Any] = {"video": query["video"], "frames": frames, "format": kind}
    if size:
        request["size"] = size
    if "quality" in numbers:
        request["quality"] = numbers["quality"]
    return request


def _check(video: str, allowed: str) -> None:
    prefixes = [prefix for prefix in map(str.strip, allowed.split(",")) if prefix]
    for prefix in prefixes:
        if not _PREFIX.fullmatch(prefix):
            raise wrong(VARIABLE, f"has {prefix!r}; a prefix is like s3://bucket/prefix/ or https://host/")
    # A server may resolve dots, and parsers of addresses drop control characters.
    is_plain = video.isprintable() and {".", ".."}.isdisjoint(re.split(r"[/\\?#]", unquote(video)))
    if not is_plain or not any(video.startswith(prefix) for prefix in prefixes):
        raise SourceBlocked("video: a GET may not name it; the function's configuration says which videos it may name")


def _number(name: str, text: str, number: type[int] | type[float]) -> int | float:
    try:
        return number(text)
    except ValueError:
        raise wrong(name, f"must be {'an integer' if number is int else 'a number'}, not {text!r}") from None
