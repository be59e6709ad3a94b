"""Moving an alias from the state that was read, and back to exactly that; and transactions that do so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NoReturn, Self

from botocore.exceptions import BotoCoreError, ClientError

from deploy.aws import Account, code_of, explained, was_repeated
from deploy.console import Reporter
from deploy.errors import ConflictError, DeployError, NotRestoredError, ReleaseUndoneError, StoppedError
from deploy.release import alias, smoke
from deploy.release.alias import AliasState
from deploy.release.function import FunctionState, conflict
from deploy.release.smoke import Smoke
from deploy.release.undo_stack import UndoStack
from deploy.signals import hold_off, postponed

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

# Answers to a change of an alias that another caller has changed, made or deleted since it was read.
_CHANGED_MEANWHILE: Final = {"PreconditionFailedException", "ResourceConflictException", "ResourceNotFoundException"}

_SHOWN_AS_THEY_ARE: Final = (StoppedError, ConflictError, NotRestoredError)


class AliasMove:
    """The alias during a release. `before` is its state without the release: None if there was no alias."""

    def __init__(self, account: Account, undo_stack: UndoStack, function: str, name: str) -> None:
        self.name = name
        self.before: AliasState | None = None
        self._functions: LambdaClient = account.functions
        self._undo_stack = undo_stack
        self._function = function
        self._now: AliasState | None = None
        self._ours: AliasState | None = None
        self._unanswered: AliasState | None = None

    def read(self) -> None:
        """Read the state that everything starts from, and returns to."""
        self._now = self.before = self._found()

    def _found(self) -> AliasState | None:
        return alias.read(self._functions, self._function, self.name)

    def send(self, wanted: AliasState) -> None:
        """Send the traffic as wanted. Raises ConflictError if the alias was changed since it was read."""
        if self._ours is None:
            self._undo_stack.push(f"alias {self.name}", self._put_back)
        self._unanswered = wanted
        try:
            with postponed():
                self._now = self._ours = self._write(wanted, self._now)
        except (ClientError, BotoCoreError) as error:
            if not was_repeated(error):
                self._unanswered = None
                self._refuse(error)
            self._now = self._ours = self._found_as(wanted, error)
        self._unanswered = None

    def _write(self, wanted: AliasState, now: AliasState | None) -> AliasState:
        revision = now.revision if now else None
        return alias.write(self._functions, self._function, self.name, wanted, revision)

    def _found_as(self, wanted: AliasState, error: Exception) -> AliasState:
        found = self._found()
        if found != wanted or found is None:
            self._refuse(error)
        return found

    def _refuse(self, error: Exception) -> NoReturn:
        if isinstance(error, ClientError) and code_of(error) in _CHANGED_MEANWHILE:
            raise conflict(f"alias {self.name} is no longer as it was read") from error
        raise error

    def require_unmoved(self) -> None:
        """Raises ConflictError unless the alias is as `send` left it, revision and all."""
        found = self._found()
        if found != self._now or (found and self._now and found.revision != self._now.revision):
            raise conflict(f"alias {self.name}, which was sent to {self._now}, is at {found or 'nothing'}")

    @property
    def place(self) -> str:
        """Place of the alias after it was put back, in words."""
        if self._now != self.before:
            return f"is at {self._now or 'nothing'}, as another caller left it"
        return f"is back at {self.before}" if self.before else "is gone again"

    def _put_back(self) -> None:
        """Put the alias back if it is still as this release left it; another caller's change since then is kept."""
        found = self._found()
        if self._is_ours(found):
            failure = self._restore(found)
            found = self._found()
            if self._is_ours(found):
                raise failure or ConflictError(
                    f"alias {self.name} is at {found}, not at {self.before}", then="look at `ecr_push.py status`"
                )
        self._now = found

    def _is_ours(self, found: AliasState | None) -> bool:
        if found is None or found == self.before:
            return False
        return found == self._unanswered or (self._ours is not None and found.revision == self._ours.revision)

    def _restore(self, found: AliasState | None) -> Exception | None:
        """Return the error. The caller reads the alias, because the error does not show whether the call worked."""
        try:
            if self.before is None:
                self._functions.delete_alias(FunctionName=self._function, Name=self.name)
            else:
                self._write(self.before, found)
        except (ClientError, BotoCoreError) as error:
            return error
        return None


class AliasTransaction:
    """Changes of a function that end with its alias. As a context manager it puts them back if left by an exception."""

    def __init__(self, account: Account, report: Reporter, function: str, alias_name: str) -> None:
        self._account = account
        self._report = report
        self._function = function
        self._undo_stack = UndoStack(report)
        self._alias_move = AliasMove(account, self._undo_stack, function, alias_name)
        self._moved = False

    def __enter__(self) -> Self:
        hold_off()
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is None:
            self._undo_stack.clear()
        elif self._undo_stack:
            cause = explained(error) if isinstance(error, Exception) else error
            self._undo_stack.put_back(cause)
            if self._moved and isinstance(cause, DeployError) and not isinstance(cause, _SHOWN_AS_THEY_ARE):
                where = f"alias {self._alias_move.name} {self._alias_move.place}"
                raise ReleaseUndoneError(f"{cause.what}; {where}", then=cause.then) from error

    def ask(self, qualifier: str, asked: Smoke, version: FunctionState) -> None:
        """Run the smoke test; the version must be the one that answers."""
        with self._report.step(f"Ask {self._function}:{qualifier}") as note:
            note(smoke.run(self._account, self._function, qualifier, asked, version))

    def _move(self, wanted: AliasState) -> None:
        with self._report.step(f"Move alias {self._alias_move.name} to version {wanted.version}"):
            self._alias_move.send(wanted)
            self._moved = True

    def _read_back(self) -> None:
        with self._report.step(f"Read alias {self._alias_move.name} back"):
            self._alias_move.require_unmoved()
