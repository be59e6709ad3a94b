"""Putting changes back, the last one first, and naming those that could not be put back."""

from __future__ import annotations

from collections.abc import Callable

from deploy.aws import explained
from deploy.console import Reporter
from deploy.errors import NotRestoredError
from deploy.signals import postponed


class UndoStack:
    """Changes that may have to be put back. Each is pushed before it is begun, so that nothing can come between."""

    def __init__(self, report: Reporter) -> None:
        self._report = report
        self._undos: list[tuple[str, Callable[[], None]]] = []

    def __bool__(self) -> bool:
        return bool(self._undos)

    def push(self, what: str, put_back: Callable[[], None]) -> None:
        """Add a change. `put_back` reads first, and is right whether or not the change had its effect."""
        self._undos.append((what, put_back))

    def drop_last(self) -> None:
        """Forget the last change, of which nothing would have to be put back."""
        self._undos.pop()

    def clear(self) -> None:
        """Keep all changes."""
        self._undos.clear()

    def put_back(self, cause: BaseException) -> None:
        """Raises NotRestoredError, which names everything left and the cause, if a change could not be put back."""
        left = []
        with postponed():
            while self._undos:
                what, put_back = self._undos.pop()
                try:
                    with self._report.step(f"Put back {what}"):
                        put_back()
                except Exception as error:  # whatever it is, the others are still to be put back
                    left.append(f"{what} ({explained(error)})")
        if left:
            raise NotRestoredError(
                f"{cause}; and this could not be put back: {'; '.join(left)}",
                then="look at `ecr_push.py status`; `ecr_push.py rollback` moves the alias",
                not_restored=left,
            ) from cause
