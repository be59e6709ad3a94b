"""What a registry is told to let somebody in."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class Login:
    """A user and a password, which no text of this object shows. `expires` is None where nothing tells."""

    user: str
    password: str = field(repr=False)
    expires: datetime | None = None
