"""A record of what was done, one JSON object a line, each on the disk before the next thing is begun."""

from __future__ import annotations

import json
import os
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from deploy.errors import UsageError


class Journal:
    """Appends to a file, or does nothing if there is none. Every line carries the time (UTC) and the run it is of."""

    def __init__(self, path: Path | None) -> None:
        self._run = secrets.token_hex(4)
        self._file: IO[str] | None = None
        if path:
            try:
                self._file = path.open("a", encoding="utf-8")
            except OSError as error:
                raise UsageError(f"the journal {path} cannot be written: {error.strerror}") from error

    def write(self, event: str, **facts: object) -> None:
        if self._file is None:
            return
        line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "run": self._run, "event": event, **facts}
        self._file.write(json.dumps(line, default=str) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())
