"""Putting back what a release changed, last change first, and saying what could not be put back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from deploy.aws import SDK_ERRORS, explained
from deploy.console import Reporter
from deploy.errors import NotRestoredError
from deploy.signals import unstoppable


@dataclass(frozen=True)
class Undo:
    """`put_back` looks at what is there first: it must be right whether or not the change had its effect."""

    what: str
    put_back: Callable[[], None]


class UndoStack:
    """What may have to be put back. An undo is added before its change is begun, so that nothing can come between."""

    def __init__(self, report: Reporter) -> None:
        self._report = report
        self._undos: list[Undo] = []

    def __bool__(self) -> bool:
        return bool(self._undos)

    def push(self, what: str, put_back: Callable[[], None]) -> None:
        self._undos.append(Undo(what, put_back))

    def drop_last(self) -> None:
        """There is nothing of the last change that would have to be put back."""
        self._undos.pop()

    def keep(self) -> None:
        self._undos.clear()

    def put_back(self, cause: BaseException) -> None:
        """Raises NotRestoredError, which names all that is left and the cause, if anything could not be put back."""
        left = []
        with unstoppable():
            while self._undos:
                undo = self._undos.pop()
                try:
                    with self._report.step(f"Put back {undo.what}"):
                        undo.put_back()
                except Exception as error:  # whatever it is, the others are still to be put back
                    told = explained(error) if isinstance(error, SDK_ERRORS) else error
                    left.append(f"{undo.what} ({told})")
        if left:
            raise NotRestoredError(
                f"{cause}; and this could not be put back: {'; '.join(left)}",
                then="look at `ecr_push.py status`; `ecr_push.py rollback` moves the alias",
                not_restored=left,
            ) from cause
