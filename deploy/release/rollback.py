"""Back to an earlier version, if it can still run."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from types import TracebackType
from typing import Final, Self

from deploy.aws import SDK_ERRORS, Account, explained
from deploy.console import Reporter
from deploy.errors import (
    ConflictError,
    DeployError,
    FunctionNotFoundError,
    ReleaseUndoneError,
    RollbackImpossibleError,
    StoppedError,
)
from deploy.release import function, smoke
from deploy.release.alias import AliasState
from deploy.release.alias_move import AliasMove
from deploy.release.function import LATEST, FunctionState
from deploy.release.history import version_before
from deploy.release.smoke import Smoke
from deploy.release.undo_stack import UndoStack
from deploy.release.versions import numbers, stored
from deploy.signals import hold_off

_MAX_CANDIDATES: Final = 10


class Rollback:
    """The steps, in their order. As a context manager it puts the alias back when left by an exception."""

    def __init__(self, account: Account, report: Reporter, name: str, alias: str, wait_seconds: int) -> None:
        self._account = account
        self._report = report
        self._name = name
        self._wait_seconds = wait_seconds
        self._undo_stack = UndoStack(report)
        self._alias_move = AliasMove(account, self._undo_stack, name, alias)
        self._moved = False

    def __enter__(self) -> Self:
        hold_off()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if error is None:
            self._undo_stack.keep()
            return
        told = explained(error) if isinstance(error, SDK_ERRORS) else error
        if told is None or not self._undo_stack:
            return
        self._undo_stack.put_back(told)
        if self._moved and isinstance(told, DeployError) and not isinstance(told, (ConflictError, StoppedError)):
            where = f"alias {self._alias_move.name} {self._alias_move.place}"
            raise ReleaseUndoneError(f"{told.what}; {where}", then=told.then) from error

    @property
    def before(self) -> AliasState:
        if self._alias_move.before is None:
            raise FunctionNotFoundError(
                f"{self._name} has no alias {self._alias_move.name}",
                then="`ecr_push.py status` lists the aliases",
            )
        return self._alias_move.before

    def read(self, wanted: str | None) -> FunctionState:
        """The version to go back to: the one asked for, or else the one before. Raises RollbackImpossibleError."""
        with self._report.step(f"Read alias {self._alias_move.name} of {self._name}") as note:
            self._alias_move.read()
            note(f"at {self.before}")
        with self._report.step("Look for the version to go back to") as note:
            number = wanted or self._previous()
            try:
                found = function.settled(self._account.functions, self._name, self._wait_seconds, number)
            except FunctionNotFoundError as error:
                raise self._impossible(f"version {number} of {self._name} does not exist any more") from error
            if reason := self._unusable(found):
                raise self._impossible(f"version {number} cannot run: {reason}")
            note(f"version {number}, {found.digest[:19]}…")
        return found

    def _previous(self) -> str:
        """During a canary, the version that the rest of the traffic goes to."""
        if self.before.weights:
            return self.before.version
        current = function.read(self._account.functions, self._name, self.before.version)
        number = version_before(current.description)
        if number is None:
            raise self._impossible(f"version {self.before.version} does not say which version was before it")
        return number

    def _unusable(self, found: FunctionState) -> str:
        if found.state == "Failed":
            return f"it is Failed ({found.state_code})"
        if not found.digest:
            return ""
        image = stored(self._account, found.image_uri)
        if image is None:
            return f"its image {found.digest} is no longer in the repository"
        return "" if image.is_there else f"its image {found.digest} is archived"

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
        """The other versions that can run, newest first."""
        for number in reversed(numbers(self._account, self._name)):
            if number in {LATEST, self.before.version}:
                continue
            try:
                seen = function.read(self._account.functions, self._name, number)
            except FunctionNotFoundError:  # deleted since it was listed
                continue
            if not self._unusable(seen):
                yield number

    def is_at(self, version: str) -> bool:
        """Whether the alias sends everything there already."""
        return self.before == AliasState(version)

    def ask_version(self, version: FunctionState, asked: Smoke) -> None:
        """The smoke test, before the version gets the traffic."""
        with self._report.step(f"Ask {self._name}:{version.version}") as note:
            note(smoke.run(self._account, self._name, version.version, asked, version))

    def move_alias(self, version: str) -> None:
        with self._report.step(f"Move alias {self._alias_move.name} to version {version}"):
            self._alias_move.send(AliasState(version))
            self._moved = True
        with self._report.step(f"Read alias {self._alias_move.name} back"):
            self._alias_move.require_unmoved()
