"""Types of the command line's values: each returns the value of a text, or raises what argparse shows."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_MAX_SECONDS: Final = 100_000 * 86400
_FUNCTION: Final = (
    r"(?P<name>(?:arn:[\w-]+:lambda:(?P<region>[\w-]+):)?(?:\d{12}:)?(?:function:)?[\w-]+)(?::(?P<qualifier>[\w$-]+))?"
)
_REPOSITORY: Final = (
    r"(?:(?:(?P<account>\d{12})\.dkr[.-]ecr(?:-fips)?\.(?P<region>[\w-]+)\.[\w.-]+|[\w.-]+[.:][\w.:-]*)/)?"
    r"(?P<name>[a-z0-9][a-z0-9._/-]*)(?::[\w.-]+)?(?:@sha256:[0-9a-f]+)?"
)


def duration(text: str) -> int:
    """Return the seconds of 90, 90s, 10m, 2h or 1d."""
    found = re.fullmatch(r"(\d+)([smhd]?)", text)
    seconds = int(found[1]) * _UNITS[found[2] or "s"] if found else _MAX_SECONDS + 1
    if seconds > _MAX_SECONDS:
        raise argparse.ArgumentTypeError(f"{text} is not a duration such as 90s, 10m, 2h or 1d")
    return seconds


def shares(text: str) -> list[float]:
    """Return the parts of 1 that percentages with commas between them are, each larger than the one before."""
    if not re.fullmatch(r"\d+(\.\d+)?%(,\d+(\.\d+)?%)*", text):
        raise argparse.ArgumentTypeError(f"{text} is not a share such as 10%, or several, such as 5%,25%")
    found = [float(part) / 100 for part in text.replace("%", "").split(",")]
    if found != sorted(set(found)) or not 0 < found[0] <= found[-1] < 1:
        raise argparse.ArgumentTypeError(f"{text}: each share must be larger than the one before, from 0% to 100%")
    return found


def pair(text: str) -> tuple[str, str]:
    """Return name and value of NAME=VALUE."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{text} is not NAME=VALUE")
    return name, value


def variable(text: str) -> tuple[str, str]:
    """Return name and value of an environment variable."""
    name, equals, value = text.partition("=")
    if not equals or not re.fullmatch(r"[a-zA-Z]\w+", name):
        shown = f"{name}=…" if equals else f"{name[:8]}…"  # the rest may be a secret
        raise argparse.ArgumentTypeError(f"{shown} is not NAME=VALUE (a name is two letters, digits or _ at least)")
    return name, value


def variables(path: str) -> dict[str, str]:
    """Read a JSON object of strings, or lines NAME=VALUE as `docker run --env-file` takes them."""
    try:
        data = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
        text = data.decode(json.detect_encoding(data))
        if text.lstrip().startswith("{"):
            return dict(variable(f"{name}={value}") for name, value in json.loads(text).items())
    except (OSError, ValueError, RecursionError) as error:
        raise argparse.ArgumentTypeError(f"{path} cannot be read: {error}") from error
    return dict(variable(line) for line in text.splitlines() if line.strip() and not line.startswith("#"))


def within(least: int, most: int, unit: str) -> Callable[[str], int]:
    """Return the type of whole numbers between two."""

    def number(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text} is not between {least} and {most} {unit}".rstrip())
        return int(text)

    return number


def _matching(pattern: str, what: str) -> Callable[[str], str]:
    def matching(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise argparse.ArgumentTypeError(f"{text} is {what}")
        return text

    return matching


digest: Final = _matching(r"sha256:[0-9a-f]{64}", "not sha256: and 64 hexadecimal digits")
alias: Final = _matching(r"(?!\d+$)[a-zA-Z0-9_-]{1,128}", "no alias: letters, digits, - and _, not digits alone")


class Name(str):
    """Name with what was written around it: an alias or version, or the region and account of an address."""

    qualifier: str = ""
    region: str = ""
    account: str = ""


def _named(pattern: str, text: str, what: str) -> Name:
    found = re.fullmatch(pattern, text, re.ASCII)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is {what}")
    groups = found.groupdict(default="")
    name = Name(groups.pop("name"))
    vars(name).update(groups)
    return name


def function(text: str) -> Name:
    """Take a name or ARN apart from the alias or version after it."""
    return _named(_FUNCTION, text, "no function: NAME, NAME:ALIAS, or an ARN")


def repository(text: str) -> Name:
    """Take a repository's name out of its URI, whose tag or digest is ignored."""
    return _named(_REPOSITORY, text, "no repository: NAME, or a URI as `push` prints it")
