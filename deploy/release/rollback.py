"""Moving an alias back to an earlier version, if that can still run."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Final

from deploy.aws import Account
from deploy.console import Reporter
from deploy.errors import FunctionNotFoundError, RollbackImpossibleError
from deploy.release import function, versions
from deploy.release.alias import AliasState
from deploy.release.alias_move import AliasTransaction
from deploy.release.function import LATEST, FunctionState
from deploy.release.versions import image_of, numbers

_MAX_CANDIDATES: Final = 10


class Rollback(AliasTransaction):
    """The steps of a rollback, in their order."""

    def __init__(self, account: Account, report: Reporter, name: str, alias: str, wait_seconds: int) -> None:
        super().__init__(account, report, name, alias)
        self._wait_seconds = wait_seconds

    @property
    def before(self) -> AliasState:
        """State of the alias at the start. Raises FunctionNotFoundError if there is no such alias."""
        if self._alias_move.before is None:
            raise FunctionNotFoundError(
                f"{self._function} has no alias {self._alias_move.name}", then="`ecr_push.py status` lists aliases"
            )
        return self._alias_move.before

    def read(self, wanted: str | None) -> FunctionState:
        """Return the version to go back to: the wanted one, or else the one before. Raises RollbackImpossibleError."""
        with self._report.step(f"Read alias {self._alias_move.name} of {self._function}") as note:
            self._alias_move.read()
            note(f"at {self.before}")
        with self._report.step("Look for the version to go back to") as note:
            number = wanted or self._previous()
            try:
                found = function.settled(self._account.functions, self._function, self._wait_seconds, number)
            except FunctionNotFoundError as error:
                raise self._impossible(f"version {number} of {self._function} does not exist any more") from error
            if reason := self._unusable(found):
                raise self._impossible(f"version {number} cannot run: {reason}")
            note(f"version {number}, {found.digest[:19]}…")
        return found

    def _previous(self) -> str:
        """Return what the alias was at before; during a canary, the version that gets the rest of the traffic."""
        if self.before.weights:
            return self.before.version
        if not self.before.history:
            raise self._impossible(f"nothing says which version was live before version {self.before.version}")
        return self.before.history[0]

    def _unusable(self, found: FunctionState) -> str:
        if found.state == "Failed":
            return f"it is Failed ({found.state_code})"
        match image_of(self._account, found)[1]:
            case "GONE":
                return f"its image {found.digest} is no longer in the repository"
            case None | "ACTIVE":
                return ""
            case versions.UNSEEN:
                self._report.say("  whether its image is there could not be seen: that takes ecr:DescribeImages")
                return ""
            case status:
                return f"its image {found.digest} is {status.lower()}"

    def _impossible(self, what: str) -> RollbackImpossibleError:
        candidates = list(islice(self._candidates(), _MAX_CANDIDATES))
        shown = ", ".join(candidates)
        return RollbackImpossibleError(
            what,
            then=f"--to VERSION goes to one that can run: {shown}"
            if shown
            else "no other version can run: deploy again",
            candidates=candidates,
        )

    def _candidates(self) -> Iterator[str]:
        """Yield the other versions that can run, newest first."""
        for number in reversed(numbers(self._account, self._function)):
            if number in {LATEST, self.before.version}:
                continue
            try:
                seen = function.read(self._account.functions, self._function, number)
            except FunctionNotFoundError:  # deleted since it was listed
                continue
            if not self._unusable(seen):
                yield number

    def is_at(self, version: str) -> bool:
        """Return whether the alias sends everything there already."""
        return self.before == AliasState(version)

    def move_alias(self, version: str) -> None:
        """Move the alias and read it back."""
        self._move(self.before.back_to(version))
        self._read_back()
