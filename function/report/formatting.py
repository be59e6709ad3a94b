"""Numbers, times and foreign names as a reader sees them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from os.path import commonprefix
from typing import Any, Final

MAX_NAME_CHARS: Final = 90
MAX_FULL_CHARS: Final = 1100  # a key and its bucket
_MAX_GIVEN_CHARS: Final = 6000

_UNITS: Final = ("bytes", "kB", "MB", "GB", "TB", "PB", "EB")
_WEB_QUERY: Final = re.compile(r"(https?://[^?#]*)[?#].*", re.DOTALL | re.IGNORECASE)
_WEB_ADDRESS: Final = re.compile(r'https?://(?:[^"\\]|\\.)*', re.IGNORECASE)  # in JSON
_CREDENTIALS: Final = re.compile(r"://[^/@]*@")
_JOINER: Final = "\N{ZERO WIDTH JOINER}"  # not printable, and yet a part of many emoji


def count(number: float, noun: str = "") -> str:
    """`1,234`, `1 video`, `4 videos`."""
    return f"{number:,} {plural(number, noun)}" if noun else f"{number:,}"


def plural(number: float, noun: str) -> str:
    """`video`, `videos`."""
    return noun if number == 1 else f"{noun}s"


def size(number: float) -> str:
    """Bytes to three digits: `864 kB`, `1.21 GB`."""
    exponent = 0
    while number >= 999.5 and exponent < len(_UNITS) - 1:
        number /= 1000
        exponent += 1
    digits = 0 if exponent == 0 or number >= 99.95 else 1 if number >= 9.995 else 2
    return f"{number:.{digits}f} {_UNITS[exponent]}"


def duration(seconds: float) -> str:
    """`340 ms`, `12.3 s`, `2 min 05 s`, `1 h 02 min`."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    if seconds < 3599.5:
        return "{} min {:02} s".format(*divmod(round(seconds), 60))
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours:,} h {minutes:02} min"


def percent(share: float) -> str:
    """A share of 1; small ones keep a digit that says something."""
    value = share * 100
    if value >= 9.95 or value == 0:
        return f"{value:.0f} %"
    return f"{value:.1f} %" if value >= 0.095 else "less than 0.1 %"


def span(start: float, end: float) -> str:
    """`2026-11-24 12:00:03 to 12:02:13 UTC`, with the second date if it is another day."""
    first, last = (datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S") for seconds in (start, end))
    return f"{first} to {last[11:] if first[:10] == last[:10] else last} UTC"


def numbers(values: Iterable[int | None], limit: int = 20) -> str:
    """`4, 9, 12 to 20`: runs as ranges, at most so many of them."""
    runs: list[list[int]] = []
    for value in sorted({value for value in values if value is not None}):
        if runs and value == runs[-1][1] + 1:
            runs[-1][1] = value
        else:
            runs.append([value, value])
    shown = [f"{first:,}" if first == last else f"{first:,} to {last:,}" for first, last in runs[:limit]]
    left = sum(last - first + 1 for first, last in runs[limit:])
    return ", ".join(shown) + (f" and {left:,} more" if left else "")


def visible(text: str) -> str:
    """The text on one line, with nothing in it that acts on its surroundings: no control, no direction override."""
    return "".join(c if c.isprintable() or c == _JOINER else "\N{REPLACEMENT CHARACTER}" for c in text)


def address(text: str) -> str:
    """The address of a video or an object, without the query and the user of a web address: they may be secret."""
    return visible(_WEB_QUERY.sub(r"\1?…", _CREDENTIALS.sub("://…@", text) if text[:4].lower() == "http" else text))


def shortened(text: str, limit: int = MAX_NAME_CHARS) -> str:
    """The beginning and, of more use in a name, the end."""
    if len(text) <= limit:
        return text
    end = limit * 2 // 3
    return f"{text[: limit - end - 1]}…{text[-end:]}"


def full_name(text: str) -> str:
    """A foreign name as long as it is worth hovering for."""
    return shortened(address(text), MAX_FULL_CHARS)


def short_name(text: str, folder: str = "") -> str:
    """A foreign name without the folder that it shares with others."""
    whole = address(text)
    return shortened(whole.removeprefix(address(folder)) or whole)


def common_folder(addresses: Sequence[str]) -> str:
    """The beginning of all addresses, up to a slash."""
    same = commonprefix(addresses)  # noqa: RUF071 - addresses are no paths
    return same[: same.rfind("/") + 1]


def as_given(request: Mapping[str, Any]) -> str:
    """A job's request as JSON, without secrets in addresses; of a long one the beginning and the end."""
    text = _WEB_ADDRESS.sub(lambda found: address(found[0]), json.dumps(request, indent=2, ensure_ascii=False))
    return shortened("\n".join(map(visible, text.splitlines())), _MAX_GIVEN_CHARS)
