"""The alias while a release moves it: from the state that was read, and back to exactly that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from deploy.aws import Account, code_of, was_repeated
from deploy.errors import ConflictError
from deploy.release import alias
from deploy.release.alias import AliasState
from deploy.release.undo_stack import UndoStack
from deploy.signals import postponed

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

# What a change of the alias is answered if somebody else has changed, made or deleted it since it was read.
_CHANGED_MEANWHILE: Final = {
    "PreconditionFailedException",
    "ResourceConflictException",
    "ResourceNotFoundException",
}


class AliasMove:
    """`before` is where the alias is when nothing of this release is left: None if there was none."""

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
        self._now = self.before = self._found()

    def _found(self) -> AliasState | None:
        return alias.read(self._functions, self._function, self.name)

    def send(self, wanted: AliasState) -> None:
        """Sends the traffic as wanted. Raises ConflictError if somebody else changed the alias since it was read."""
        if self._ours is None:
            self._undo_stack.push(f"alias {self.name}", self._put_back)
        self._unanswered = wanted
        try:
            with postponed():
                self._now = self._ours = self._write(wanted, self._now)
        except (ClientError, BotoCoreError) as error:
            if not was_repeated(error):
                self._unanswered = None
                raise self._refusal(error) from error
            self._now = self._ours = self._found_as(wanted, error)
        self._unanswered = None

    def _write(self, wanted: AliasState, now: AliasState | None) -> AliasState:
        revision = now.revision if now else None
        return alias.write(self._functions, self._function, self.name, wanted, revision)

    def _found_as(self, wanted: AliasState, error: Exception) -> AliasState:
        found = self._found()
        if found != wanted or found is None:
            raise self._refusal(error) from error
        return found

    def _refusal(self, error: Exception) -> Exception:
        if isinstance(error, ClientError) and code_of(error) in _CHANGED_MEANWHILE:
            return self._conflict(f"alias {self.name} is no longer as it was read")
        return error

    def _conflict(self, what: str) -> ConflictError:
        return ConflictError(
            f"{what}: somebody else changed it meanwhile, and theirs is kept",
            then="look at `ecr_push.py status`, then deploy again",
        )

    def require_unmoved(self) -> None:
        """Raises ConflictError unless the alias is as `send` left it, revision and all."""
        found = self._found()
        if found != self._now or (found and self._now and found.revision != self._now.revision):
            raise self._conflict(f"alias {self.name}, which was sent to {self._now}, is at {found or 'nothing'}")

    @property
    def place(self) -> str:
        """Where the alias is after it was put back, in words."""
        if self._now != self.before:
            return f"is at {self._now or 'nothing'}, as somebody else wants it"
        return f"is back at {self.before}" if self.before else "is gone again"

    def _put_back(self) -> None:
        """If it is still as this release left it; what somebody else has made of it since is kept."""
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
        """Whether that has worked is for the alias to tell, not for the answer."""
        try:
            if self.before is None:
                self._functions.delete_alias(FunctionName=self._function, Name=self.name)
            else:
                self._write(self.before, found)
        except (ClientError, BotoCoreError) as error:
            return error
        return None
