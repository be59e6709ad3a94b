"""Result of a check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Level: TypeAlias = Literal["ok", "note", "warning", "refused"]


@dataclass(frozen=True)
class Finding:
    """`subject` is the thing that was checked, `what` was found there, `why` it matters, and what to do `then`.

    "refused": Lambda would not take or could not run the image. "note" is information without a judgement.
    """

    level: Level
    subject: str
    what: str
    why: str = ""
    then: str = ""
