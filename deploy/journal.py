"""Record of all steps, one JSON object a line, each on the disk before the next step is begun."""

from __future__ import annotations

import json
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Self

from deploy.errors import JournalError


class Journal:
    """Writer of the record to a file, or to none. Every line carries the time (UTC) and the run."""

    def __init__(self, file: IO[bytes] | None = None) -> None:
        self._file = file
        self._run = secrets.token_hex(4)

    @classmethod
    @contextmanager
    def at(cls, path: Path | None) -> Iterator[Self]:
        """Open the file at `path`, if there is one, for appending. Raises JournalError if it cannot be written."""
        if path is None:
            yield cls()
            return
        try:
            file = path.open("ab", buffering=0)
        except OSError as error:
            raise _failed(error) from error
        with file:
            yield cls(file)

    def write(self, event: str, **facts: object) -> None:
        """Write a line. Raises JournalError at the first that cannot be written, and then writes nothing more.

        So a command stops where its record does, and its changes can still be put back.
        """
        if self._file is None:
            return
        line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "run": self._run, "event": event, **facts}
        data = json.dumps(line, default=str).encode() + b"\n"
        try:
            while data:
                data = data[self._file.write(data) :]
            if stat.S_ISREG(os.fstat(self._file.fileno()).st_mode):
                os.fsync(self._file.fileno())
        except OSError as error:
            self._file = None
            raise _failed(error) from error


def _failed(error: OSError) -> JournalError:
    return JournalError(
        f"the journal cannot be written: {error.strerror}", then="choose another --journal, or make room"
    )
