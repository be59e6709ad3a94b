"""What all services of the account share."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Final

ACCOUNT: Final = "123456789012"
REGION: Final = "us-east-1"


@dataclass
class SharedState:
    """`lock` is held while a call has its effect. `violations` are what no real AWS and no real client would say."""

    host: str = ""
    """Where all services answer: 127.0.0.1:PORT."""
    skew_seconds: float = 0
    """How far AWS's clock is before this machine's."""
    violations: list[str] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    def now(self) -> float:
        """AWS's time, in seconds since the epoch."""
        return time.time() + self.skew_seconds
