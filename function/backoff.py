"""How often something is tried, and how long to wait in between."""

from __future__ import annotations

import random
from typing import Final

MOST_TRIES: Final = 5
LONGEST_PAUSE_SECONDS: Final = 5.0
_FIRST_PAUSE_SECONDS: Final = 0.1


def pause_seconds(failures: int) -> float:
    """Before the next try, after so many failures: twice as long each time, and not in step with others."""
    longest = min(LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2**failures)
    return random.uniform(longest / 4, longest)  # noqa: S311 - it hides nothing


def stated_seconds(retry_after: str | None) -> float | None:
    """What a server's Retry-After header says, if that is a number of seconds."""
    return float(retry_after) if retry_after and retry_after.isdecimal() and len(retry_after) < 9 else None
