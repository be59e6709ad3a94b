"""$LATEST of a function, changed step by step from the state that was read, and published.

Every change carries the revision that was read last, and what is found afterwards must be what was asked for: whatever
somebody else does meanwhile ends in ConflictError, here or there, and never in a version that nobody asked for.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from deploy import function
from deploy.aws import Account, code_of, was_repeated
from deploy.console import Reporter
from deploy.errors import ConflictError
from deploy.function import FunctionState
from deploy.restore import Changes
from deploy.settings import changed

_ROLE_SECONDS: Final = 30  # a role that has just been made is not known everywhere at once


class Latest:
    """`state` is what was read last; LookupError before `read` or `create`."""

    def __init__(self, account: Account, report: Reporter, changes: Changes, name: str, wait_seconds: int) -> None:
        self.name = name
        self._functions = account.functions
        self._report = report
        self._changes = changes
        self._wait_seconds = wait_seconds
        self._state: FunctionState | None = None

    @property
    def state(self) -> FunctionState:
        if self._state is None:
            raise LookupError("the function has not been read")
        return self._state

    @property
    def is_known(self) -> bool:
        return self._state is not None

    def read(self) -> None:
        """Waits for whatever is under way. Raises FunctionNotFoundError, FunctionNotReadyError."""
        self._state = function.settled(self._functions, self.name, self._wait_seconds)

    def create(self, image_uri: str, role: str, architecture: Any, settings: Mapping[str, Any]) -> None:
        with self._report.step(f"Make function {self.name}"):
            deadline = time.monotonic() + _ROLE_SECONDS
            while True:
                try:
                    self._functions.create_function(
                        FunctionName=self.name,
                        Role=role,
                        PackageType="Image",
                        Code={"ImageUri": image_uri},
                        Architectures=[architecture],
                        **settings,
                    )
                    break
                except ClientError as error:
                    if code_of(error) == "ResourceConflictException" and was_repeated(error):
                        break
                    role_is_new = code_of(error) == "InvalidParameterValueException" and "assume" in str(error)
                    if not role_is_new or time.monotonic() > deadline:
                        raise
                time.sleep(random.uniform(1, 3))  # noqa: S311 - jitter
            self.read()
            function.require_success(self.state, f"making {self.name}")

    def set_code(self, image_uri: str) -> None:
        before, ours = self.state, function.digest_of(image_uri)
        if before.digest == ours and before.update != "Failed" and before.state != "Failed":
            return

        def put_back(seen: FunctionState) -> bool:
            if not (seen.digest == ours != before.digest):
                return False
            self._functions.update_function_code(
                FunctionName=self.name, ImageUri=before.image_uri, RevisionId=seen.revision
            )
            return True

        with self._report.step("Update the code of $LATEST"):
            self._change(
                "the code of $LATEST",
                lambda revision: self._functions.update_function_code(
                    FunctionName=self.name, ImageUri=image_uri, RevisionId=revision
                ),
                lambda seen: seen.digest == ours,
                put_back,
            )
            self._require(ours, before.published)

    def set_settings(self, wanted: Mapping[str, Any]) -> None:
        """`wanted` are complete settings; those that differ are changed."""
        before = self.state
        ours = changed(before.settings, wanted)
        if not ours:
            return
        names = ", ".join(ours)

        def put_back(seen: FunctionState) -> bool:
            back = {name: before.settings[name] for name in ours if seen.settings[name] == ours[name]}
            if not back:
                return False
            self._functions.update_function_configuration(FunctionName=self.name, RevisionId=seen.revision, **back)
            return True

        with self._report.step(f"Update {names} of $LATEST"):
            self._change(
                f"{names} of $LATEST",
                lambda revision: self._functions.update_function_configuration(
                    FunctionName=self.name, RevisionId=revision, **ours
                ),
                lambda seen: not changed(seen.settings, wanted),
                put_back,
            )
            self._require(before.digest, before.published | ours)

    def publish(self, description: str) -> FunctionState:
        """The version that $LATEST is now; an earlier one if it is the same."""
        with self._report.step("Publish a version") as note:
            answer = self._call(
                lambda revision: self._functions.publish_version(
                    FunctionName=self.name, RevisionId=revision, Description=description
                ),
                lambda _: False,
            )
            version = function.settled(self._functions, self.name, self._wait_seconds, answer["Version"])
            function.require_success(version, f"publishing version {version.version}")
            if version.digest != self.state.digest or version.published != self.state.published:
                raise ConflictError(
                    f"version {version.version} is not what was deployed: somebody else changed $LATEST meanwhile",
                    then="look at `ecr_push.py status`, then deploy again",
                )
            note(f"version {version.version}")
        return version

    def _change(
        self,
        what: str,
        change: Callable[[str], object],
        has_happened: Callable[[FunctionState], bool],
        put_back: Callable[[FunctionState], bool],
    ) -> None:
        """Makes a change and waits until Lambda has carried it out. `put_back` tells whether there was need of it."""

        def put_back_settled() -> None:
            self.read()
            if put_back(self.state):
                self.read()
                function.require_success(self.state, f"putting {what} back")

        self._changes.about_to_change(what, put_back_settled)
        try:
            self._call(change, has_happened)
        except ClientError as error:
            if not was_repeated(error):
                self._changes.did_not_change()
            raise
        self.read()
        function.require_success(self.state, f"updating {what}")

    def _call(self, change: Callable[[str], Any], has_happened: Callable[[FunctionState], bool]) -> Any:
        """The call, made again while Lambda is busy. None if the answer was lost but the change is seen to be there."""
        deadline, pause = time.monotonic() + self._wait_seconds, 1.0
        while True:
            try:
                return change(self.state.revision)
            except (ClientError, BotoCoreError) as error:
                if was_repeated(error) and has_happened(
                    function.settled(self._functions, self.name, self._wait_seconds)
                ):
                    return None
                busy = isinstance(error, ClientError) and code_of(error) == "ResourceConflictException"
                if not busy or time.monotonic() > deadline:
                    raise
            time.sleep(random.uniform(0.5, 1) * pause)  # noqa: S311 - jitter
            pause = min(pause * 2, 10)
            known = self.state
            self.read()
            self._require(known.digest, known.published)

    def _require(self, digest: str, published: Mapping[str, Any]) -> None:
        """Raises ConflictError unless $LATEST is as it should be."""
        names = changed(self.state.published, published)
        if self.state.digest == digest and not names:
            return
        what = f"runs {self.state.digest}" if self.state.digest != digest else f"has another {', '.join(names)}"
        raise ConflictError(
            f"$LATEST of {self.name} {what}: somebody else changed it meanwhile, and theirs is kept",
            then="look at `ecr_push.py status`, then deploy again",
        )
