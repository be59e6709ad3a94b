"""A record of what was done, one JSON object a line, each on the disk before the next thing is begun."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Self

from deploy.errors import UsageError


class Journal:
    """Writes to a file, or to nothing. Every line carries the time (UTC) and the run it is of."""

    def __init__(self, file: IO[str] | None = None) -> None:
        self._file = file
        self._run = secrets.token_hex(4)

    @classmethod
    @contextmanager
    def at(cls, path: Path | None) -> Iterator[Self]:
        """Appends to the file at `path`, if there is to be one. Raises UsageError if it cannot be written."""
        if path is None:
            yield cls()
            return
        try:
            file = path.open("a", encoding="utf-8")
        except OSError as error:
            raise UsageError(f"the journal {path} cannot be written: {error.strerror}") from error
        with file:
            yield cls(file)

    def write(self, event: str, **facts: object) -> None:
        if self._file is None:
            return
        line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "run": self._run, "event": event, **facts}
        self._file.write(json.dumps(line, default=str) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())
