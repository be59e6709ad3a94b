"""What a check has to say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Level: TypeAlias = Literal["ok", "note", "warning", "refused"]


@dataclass(frozen=True)
class Finding:
    """`subject` is what was looked at, `what` was found there, `why` it matters, and what to do `then`.

    "refused": Lambda would not take or could not run the image. "note" is information and no judgement.
    """

    level: Level
    subject: str
    what: str
    why: str = ""
    then: str = ""
