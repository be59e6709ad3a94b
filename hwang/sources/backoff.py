"""Retry policy of requests to S3 and to other servers: attempts, pauses, Retry-After."""

from __future__ import annotations

import random
from typing import Final

MAX_ATTEMPTS: Final = 5
MAX_PAUSE_SECONDS: Final = 5.0
_FIRST_PAUSE_SECONDS: Final = 0.1


def pause_seconds(failures: int) -> float:
    """Return the pause before the next attempt: doubles with each failure, with jitter."""
    longest = min(MAX_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2**failures)
    return random.uniform(longest / 4, longest)  # noqa: S311 - it hides nothing


def stated_seconds(retry_after: str | None) -> float | None:
    """Parse a Retry-After header; None unless it is a plain number of seconds below 10^8."""
    return float(retry_after) if retry_after and retry_after.isdecimal() and len(retry_after) < 9 else None
