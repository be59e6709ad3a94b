"""How much is added, and why each large file is there."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import recipe
from verify.tree import Addition

LARGE_BYTES = 1_000_000
MOST_BYTES = 80_000_000
MOST_BYTES_OF_AN_ADD_ON = 5_000_000
REASONS = Path(__file__).with_name("large.toml")


@dataclass(frozen=True)
class Large:
    path: str
    bytes: int
    reason: str


def large(addition: Addition, reasons: dict[str, str]) -> tuple[list[Large], list[str]]:
    """The large files with their reasons, the largest first; and those without one."""
    found, wrong = [], []
    for item in sorted(addition.files, key=lambda item: (-item.size, item.path)):
        if item.size <= LARGE_BYTES:
            break
        reason = next((reason for pattern, reason in reasons.items() if fnmatch(item.path, pattern)), None)
        if reason is None:
            wrong.append(f"{item.path} has {item.size:,} bytes; large.toml has no reason for it")
        else:
            found.append(Large(item.path, item.size, reason))
    return found, wrong


def idle(addition: Addition, reasons: dict[str, str]) -> list[str]:
    """Reasons for files that are not there. One that is may be large on another architecture alone."""
    paths = [item.path for item in addition.files]
    return [
        f"large.toml has a reason for {pattern}, which is not there"
        for pattern in reasons
        if not any(fnmatch(path, pattern) for path in paths)
    ]


def too_much(addition: Addition, switched_on: frozenset[str]) -> list[str]:
    most = MOST_BYTES + MOST_BYTES_OF_AN_ADD_ON * len(switched_on & {*recipe.ADD_ONS})
    if addition.bytes <= most:
        return []
    return [f"{addition.bytes:,} bytes are added to the base; {most:,} are allowed"]


def reasons(switched_on: frozenset[str]) -> dict[str, str]:
    """By pattern of paths; with those of the add-ons where one is switched on."""
    read = tomllib.loads(REASONS.read_text())
    of_add_ons: dict[str, str] = read.pop("add-ons")
    return read | of_add_ons if switched_on & {*recipe.ADD_ONS} else read
