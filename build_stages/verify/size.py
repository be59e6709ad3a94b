"""How much is added, and why each large file is there."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from verify.tree import Addition

LARGE_BYTES = 1_000_000
MOST_BYTES = 80_000_000
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


def idle(found: list[Large], reasons: dict[str, str]) -> list[str]:
    """Reasons for files that are not there, or not large."""
    return [
        f"large.toml has a reason for {pattern}, which is not there, or not large"
        for pattern in reasons
        if not any(fnmatch(file.path, pattern) for file in found)
    ]


def too_much(addition: Addition) -> list[str]:
    if addition.bytes <= MOST_BYTES:
        return []
    return [f"{addition.bytes:,} bytes are added to the base; {MOST_BYTES:,} are allowed"]


def reasons() -> dict[str, str]:
    """By pattern of paths."""
    read: dict[str, str] = tomllib.loads(REASONS.read_text())
    return read
