"""A file of a job that is too long for memory, written while it is made."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from function.jobs.store import Store
from function.models.form import Writing
from function.models.places import Output
from function.output.publish import Publication
from function.output.undo_log import Journal
from function.session import Session


class FileWriter:
    """Takes the bytes of the file `name` below `_job/`; it is visible when the block is left without an error."""

    def __init__(self, store: Store, session: Session, name: str) -> None:
        output = Output(bucket=store.output.bucket, key=store.key(name))
        journal = Journal(session.run, session.run, output.manifest_key, session.tell)
        self._publication = Publication(session.client, output, Writing(), journal)
        self._object = self._publication.open(output.key, None, "application/json")

    def __enter__(self) -> Self:
        self._publication.__enter__()
        return self

    def write(self, data: bytes) -> None:
        self._object.write(data)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._object.close()
        finally:
            self._publication.__exit__(kind, error, trace)
