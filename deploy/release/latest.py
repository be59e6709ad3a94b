"""$LATEST of a function, changed step by step from the state that was read, and published.

Every change carries the revision that was read last, and the state afterwards must be the wanted one: anything that
another caller does meanwhile ends in ConflictError, here or there, and never in a version that nobody asked for.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from deploy.aws import Account, code_of, was_repeated
from deploy.console import Reporter
from deploy.errors import FunctionNotReadyError
from deploy.release import function
from deploy.release.function import FunctionState, changed, conflict
from deploy.release.undo_stack import UndoStack
from deploy.signals import postponed

_BUSY: Final = "ResourceConflictException"  # also for something that exists already
_CHANGED: Final = "PreconditionFailedException"
_ROLE_SECONDS: Final = 30  # a role that has just been made is not known everywhere at once


@dataclass(frozen=True)
class _Change:
    """A change of $LATEST. `back` returns the parameters that undo the visible part of it; none if none is visible."""

    what: str
    update: Callable[..., object]
    parameters: Mapping[str, Any]
    back: Callable[[FunctionState], Mapping[str, Any]]


class Latest:
    """$LATEST. `state` is the one that was read last; LookupError before `read` or `create`."""

    def __init__(self, account: Account, report: Reporter, undo_stack: UndoStack, name: str, wait_seconds: int) -> None:
        self.name = name
        self._functions = account.functions
        self._report = report
        self._undo_stack = undo_stack
        self._wait_seconds = wait_seconds
        self._state: FunctionState | None = None
        self._is_answer_lost = False

    @property
    def state(self) -> FunctionState:
        """State that was read last. Raises LookupError if there is none."""
        if self._state is None:
            raise LookupError("the function has not been read")
        return self._state

    @property
    def is_known(self) -> bool:
        """True if the function exists and has been read."""
        return self._state is not None

    def read(self) -> None:
        """Read, after waiting for changes that are under way. Raises FunctionNotFoundError, FunctionNotReadyError."""
        self._state = function.settled(self._functions, self.name, self._wait_seconds)

    def create(self, image_uri: str, architecture: Any, more: Any) -> None:
        """Make the function, which stays if a later step fails. Raises ConflictError if another caller makes it."""
        with self._report.step(f"Make function {self.name}"):
            deadline = time.monotonic() + _ROLE_SECONDS
            while True:
                try:
                    with postponed():
                        self._functions.create_function(
                            FunctionName=self.name,
                            PackageType="Image",
                            Code={"ImageUri": image_uri},
                            Architectures=[architecture],
                            **more,
                        )
                    break
                except ClientError as error:
                    if code_of(error) == _BUSY and was_repeated(error):
                        break
                    if code_of(error) == _BUSY:
                        raise conflict(f"{self.name} was not there, and now is") from error
                    role_is_new = code_of(error) == "InvalidParameterValueException" and "assume" in str(error)
                    if not role_is_new or time.monotonic() > deadline:
                        raise
                time.sleep(random.uniform(1, 3))  # noqa: S311 - jitter
            self.read()
            function.require_success(self.state, f"making {self.name}")

    def set_code(self, image_uri: str, architecture: str) -> None:
        """Set the image, by digest, and its architecture, unless they are set."""
        before, ours = self.state, function.digest_of(image_uri)
        if before.digest == ours and before.update != "Failed" and before.state != "Failed":
            return
        anew = {} if architecture == before.architecture else {"Architectures": [architecture]}

        def back(seen: FunctionState) -> dict[str, Any]:
            old = {name: before.published[name] for name in anew}
            return {"ImageUri": before.image_uri, **old} if seen.digest == ours != before.digest else {}

        with self._report.step("Update the code of $LATEST"):
            parameters = {"ImageUri": image_uri, **anew}
            self._change(
                _Change("the code of $LATEST", self._functions.update_function_code, parameters, back),
                lambda seen: seen.digest == ours,
            )
            self._require(ours, before.published | anew)

    def set_settings(self, wanted: Mapping[str, Any]) -> None:
        """Change the settings that differ from `wanted`, which are complete."""
        before = self.state
        ours = changed(before.settings, wanted)
        if not ours:
            return
        names = ", ".join(ours)

        def back(seen: FunctionState) -> dict[str, Any]:
            return {name: before.settings[name] for name in ours if seen.settings[name] == ours[name]}

        with self._report.step(f"Update {names} of $LATEST"):
            self._change(
                _Change(f"{names} of $LATEST", self._functions.update_function_configuration, ours, back),
                lambda seen: not changed(seen.settings, wanted),
            )
            self._require(before.digest, before.published | ours)

    def set_tags(self, wanted: Mapping[str, str]) -> None:
        """Set tags; others stay. No version has any."""
        before = self.state.tags or {}
        ours = changed(before, wanted)
        if not ours:
            return

        def back() -> None:
            self.read()
            mine = [name for name, value in ours.items() if (self.state.tags or {}).get(name) == value]
            if old := {name: before[name] for name in mine if name in before}:
                self._functions.tag_resource(Resource=self.state.arn, Tags=old)
            if new := [name for name in mine if name not in before]:
                self._functions.untag_resource(Resource=self.state.arn, TagKeys=new)

        with self._report.step(f"Tag {self.name}"), postponed():
            self._undo_stack.push("tags", back)
            self._functions.tag_resource(Resource=self.state.arn, Tags=ours)

    def publish(self, description: str, *, other_than: str = "") -> FunctionState:
        """Publish $LATEST and return the version; an earlier one if it is the same, has not failed and may be it."""
        with self._report.step("Publish a version") as note:
            answer = self._publish(description)
            if answer.get("State") == "Failed":
                answer = self._publish_again(f"without version {answer['Version']}, which failed", description)
            elif answer["Version"] == other_than:
                answer = self._publish_again(f"after version {other_than}, which is the same", description)
            version = function.settled(self._functions, self.name, self._wait_seconds, answer["Version"])
            function.require_success(version, f"publishing version {version.version}")
            if version.digest != self.state.digest or version.published != self.state.published:
                raise conflict(f"version {version.version} of {self.name} is not what was deployed")
            note(f"version {version.version}: {function.shown(version.settings)}")
        return version

    def _publish(self, description: str) -> Any:
        return self._call(
            lambda revision: self._functions.publish_version(
                FunctionName=self.name, RevisionId=revision, Description=description
            ),
            lambda _: False,  # publishing once more gives the version that was published
        )

    def _publish_again(self, ours: str, description: str) -> Any:
        """Publish with $LATEST described by `ours` meanwhile, because Lambda publishes the same only once."""
        before = self.state.description
        apart = _Change(
            "the description of $LATEST",
            self._functions.update_function_configuration,
            {"Description": ours},
            lambda seen: {"Description": before} if seen.description == ours else {},
        )
        self._change(apart, lambda seen: seen.description == ours)
        answer = self._publish(description)
        self._put_back(apart)
        self._undo_stack.drop_last()
        return answer

    def _change(self, change: _Change, is_made: Callable[[FunctionState], bool]) -> None:
        """Make a change and wait until Lambda has carried it out."""
        self._undo_stack.push(change.what, lambda: self._put_back(change))

        def update(revision: str) -> object:
            return change.update(FunctionName=self.name, RevisionId=revision, **change.parameters)

        try:
            self._call(update, is_made)
        except Exception:
            if not self._is_answer_lost:
                self._undo_stack.drop_last()
            raise
        self.read()
        function.require_success(self.state, f"updating {change.what}")

    def _put_back(self, change: _Change) -> None:
        """Undo the part that is still as the change made it. The function shows whether that worked, not the answer."""
        deadline = time.monotonic() + self._wait_seconds
        self.read()
        while back := change.back(self.state):
            failure: ClientError | BotoCoreError | None = None
            try:
                change.update(FunctionName=self.name, RevisionId=self.state.revision, **back)
            except (ClientError, BotoCoreError) as error:
                failure = error
            self.read()
            if failure is None:
                break
            if change.back(self.state) and (_code(failure) not in {_BUSY, _CHANGED} or time.monotonic() > deadline):
                raise failure
            time.sleep(random.uniform(0.5, 1))  # noqa: S311 - jitter
        else:
            return
        function.require_success(self.state, f"putting {change.what} back")

    def _call(self, call: Callable[[str], Any], has_happened: Callable[[FunctionState], bool]) -> Any:
        """Call, and again while Lambda is busy. Returns None if the answer was lost but the change is visible."""
        self._is_answer_lost = False
        deadline, pause = time.monotonic() + self._wait_seconds, 1.0
        while True:
            try:
                with postponed():
                    return call(self.state.revision)
            except (ClientError, BotoCoreError) as error:
                lost = was_repeated(error)
                self._is_answer_lost |= lost
                if lost and has_happened(function.settled(self._functions, self.name, self._wait_seconds)):
                    return None
                # after a lost answer the revision may have changed by the call itself
                if not (_code(error) == _BUSY or (lost and _code(error) == _CHANGED)):
                    raise
                if time.monotonic() > deadline:
                    raise FunctionNotReadyError(
                        f"{self.name} was still busy after {self._wait_seconds} s", then="--wait TIME waits longer"
                    ) from error
            time.sleep(random.uniform(0.5, 1) * pause)  # noqa: S311 - jitter
            pause = min(pause * 2, 10)
            known = self.state
            self.read()
            self._require(known.digest, known.published)

    def _require(self, digest: str, published: Mapping[str, Any]) -> None:
        """Raises ConflictError unless $LATEST is as it should be."""
        names = changed(self.state.published, published)
        if self.state.digest != digest:
            raise conflict(f"$LATEST of {self.name} runs {self.state.digest}")
        if names:
            raise conflict(f"$LATEST of {self.name} has another {', '.join(names)}")


def _code(error: ClientError | BotoCoreError) -> str:
    return code_of(error) if isinstance(error, ClientError) else ""
