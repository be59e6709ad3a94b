"""Checks how much is added, and that each large file has a reason."""

from __future__ import annotations

import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import recipe
from verify.added_files import Addition

LARGE_BYTES = 1_000_000
MAX_BYTES = 150_000_000
MAX_ADD_ON_BYTES = 5_000_000  # more for each add-on
REASONS = Path(__file__).with_name("large.toml")


def large(addition: Addition, reasons: dict[str, str]) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Return bytes and reason of each large file, the largest first, and a problem for each file without a reason."""
    found: dict[str, dict[str, Any]] = {}
    wrong = []
    for item in sorted(addition.files, key=lambda item: (-item.size, item.path)):
        if item.size <= LARGE_BYTES:
            break
        reason = next((reason for pattern, reason in reasons.items() if fnmatch(item.path, pattern)), None)
        if reason is None:
            wrong.append(f"{item.path} has {item.size:,} bytes; large.toml has no reason for it")
        else:
            found[item.path] = {"bytes": item.size, "reason": reason}
    return found, wrong


def idle(addition: Addition, reasons: dict[str, str]) -> list[str]:
    """Return a problem for each reason without a file. A small file may have one: elsewhere it is large."""
    paths = [item.path for item in addition.files]
    return [
        f"large.toml has a reason for {pattern}, which is not there"
        for pattern in reasons
        if not any(fnmatch(path, pattern) for path in paths)
    ]


def too_much(addition: Addition, switched_on: frozenset[str]) -> list[str]:
    """Return a problem if more is added than is allowed."""
    allowed = MAX_BYTES + MAX_ADD_ON_BYTES * len(recipe.chosen(switched_on))
    if addition.bytes <= allowed:
        return []
    return [f"{addition.bytes:,} bytes are added to the base; {allowed:,} are allowed"]


def reasons(switched_on: frozenset[str]) -> dict[str, str]:
    """Return the reasons by pattern of paths: those of large.toml, and those of the add-ons that are switched on."""
    found: dict[str, str] = tomllib.loads(REASONS.read_text())
    for name in recipe.chosen(switched_on):
        found |= recipe.facts(name)["judge"].get("large", {})
    return found
