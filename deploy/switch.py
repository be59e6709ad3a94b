"""The alias while a release moves it: from the state that was read, and back to exactly that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from deploy import alias
from deploy.alias import AliasState
from deploy.aws import Account, was_repeated
from deploy.errors import ConflictError
from deploy.restore import Changes

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient


class Switch:
    """`before` is where the alias is when nothing of this release is left: None if there was none."""

    def __init__(self, account: Account, changes: Changes, function: str, name: str) -> None:
        self.name = name
        self.before: AliasState | None = None
        self._functions: LambdaClient = account.functions
        self._changes = changes
        self._function = function
        self._now: AliasState | None = None
        self._asked: list[AliasState] = []

    def read(self) -> None:
        self._now = self.before = alias.read(self._functions, self._function, self.name)

    def send(self, wanted: AliasState) -> None:
        """Sends the traffic as wanted. Raises ConflictError if somebody else changed the alias since it was read."""
        if not self._asked:
            self._changes.about_to_change(f"alias {self.name}", self._put_back)
        self._asked.append(wanted)
        revision = self._now.revision if self._now else None
        try:
            self._now = alias.write(self._functions, self._function, self.name, wanted, revision)
        except (ClientError, BotoCoreError) as error:
            found = alias.read(self._functions, self._function, self.name) if was_repeated(error) else None
            if found != wanted:
                raise
            self._now = found

    def require_unmoved(self) -> None:
        """Raises ConflictError unless the alias is where `send` put it."""
        found = alias.read(self._functions, self._function, self.name)
        if found != self._now:
            raise ConflictError(
                f"alias {self.name} is at {found or 'nothing'}, not at {self._now}: somebody else moved it meanwhile, "
                "and theirs is kept",
                then="look at `ecr_push.py status`, then deploy again",
            )

    def _put_back(self) -> None:
        found = alias.read(self._functions, self._function, self.name)
        if found == self.before or found not in self._asked or found is None:
            return
        if self.before is None:
            self._functions.delete_alias(FunctionName=self._function, Name=self.name)
            return
        alias.write(self._functions, self._function, self.name, self.before, found.revision)
        found = alias.read(self._functions, self._function, self.name)
        if found != self.before:
            raise ConflictError(f"alias {self.name} is at {found}, not at {self.before}")
