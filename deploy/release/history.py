"""What came before a version, written into the version itself: Lambda keeps no history of an alias."""

from __future__ import annotations

import re
from typing import Final

from deploy.release.alias import AliasState
from deploy.release.function import LATEST

_AFTER: Final = re.compile(r"\bafter version (\d+)\b")
_MAX_DESCRIPTION_CHARS: Final = 256  # of a version's description


def description(digest: str, before: AliasState | None) -> str:
    """The description of a version that takes over from where the alias was."""
    after = f" after version {before.version}" if before and before.version != LATEST else ""
    return f"ecr_push {digest}{after}"[:_MAX_DESCRIPTION_CHARS]


def version_before(text: str) -> str | None:
    """The version that a version with this description took over from."""
    found = _AFTER.search(text)
    return found[1] if found else None
