"""A release as a transaction: the function's code, its settings, a version, and at last the alias.

Whatever ends it early, the alias and $LATEST are put back as they were read at the start. A version that was published
stays, so that its failure can be examined. Of two releases at once, one ends with ConflictError.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

from deploy import errors
from deploy.aws import Account
from deploy.console import Reporter
from deploy.release import canary, function
from deploy.release.alias import MARK, AliasState, wait_provisioned
from deploy.release.alias_move import AliasTransaction
from deploy.release.canary import Canary
from deploy.release.function import LATEST, FunctionState, Settings, changed
from deploy.release.latest import Latest
from deploy.release.smoke import Smoke

_LOOK_SECONDS: Final = 15  # between two looks at a canary's errors, or a quarter of its time
_MENDED_BY_CODE: Final = {"ImageDeleted", "ImageAccessDenied", "InvalidImage"}


@dataclass(frozen=True)
class ReleaseTarget:
    """Function, alias and settings of a release.

    `architecture`: the image's, which the function gets only if `moves` is True. `role` makes the function, if it is
    missing. `from_live`: settings that are not given are those of the live version, not those of $LATEST. `force`:
    publish another version, even if nothing differs.
    """

    function: str
    alias: str
    architecture: str
    settings: Settings = field(default_factory=Settings)
    role: str | None = None
    wait_seconds: int = 300
    tags: Mapping[str, str] = field(default_factory=dict)
    moves: bool = False
    from_live: bool = False
    force: bool = False


class Release(AliasTransaction):
    """The steps of a release, in their order."""

    def __init__(self, account: Account, report: Reporter, target: ReleaseTarget) -> None:
        super().__init__(account, report, target.function, target.alias)
        self._target = target
        self._latest = Latest(account, report, self._undo_stack, target.function, target.wait_seconds)
        self._live: FunctionState | None = None
        self._version: FunctionState | None = None

    @property
    def before(self) -> AliasState | None:
        """State of the alias at the start."""
        return self._alias_move.before

    @property
    def version(self) -> str:
        """Version with the image: the one that is live already, or the one that was published."""
        return self._version.version if self._version else ""

    def read(self) -> None:
        """Read the function and its alias. Raises FunctionUnsuitableError or FunctionNotReadyError."""
        with self._report.step(f"Read function {self._function}") as note:
            try:
                self._latest.read()
            except errors.FunctionNotFoundError:
                if self._target.role is None:
                    raise
                note("it is not there and will be made")
                return
            self._require_suitable(self._latest.state)
            self._require_readable(self._latest.state)
            self._alias_move.read()
            self._read_live()
            note(f"alias {self._target.alias}: {self.before or 'not there yet'}")
        role = self._latest.state.settings["Role"]
        if self._target.role not in {None, role}:
            self._report.say(f"  --role is for a new function: {self._function} keeps {role}")

    def _read_live(self) -> None:
        """Read the version that gets all traffic."""
        if self.before and not self.before.version.startswith(LATEST):
            self._live = function.read(self._account.functions, self._function, self.before.version)
        if self._target.from_live:
            if self._live is None:
                raise errors.UsageError(
                    f"alias {self._target.alias} is at no version whose settings could be taken",
                    then="leave --settings-from out",
                )
            self._live.require_whole({*function.SETTINGS})
            self._latest.state.require_whole({*function.SETTINGS})

    def _require_suitable(self, seen: FunctionState) -> None:
        if seen.package_type != "Image":
            raise errors.FunctionUnsuitableError(
                f"{seen.name} is a {seen.package_type} function, and that never changes",
                then="deploy to a new function: --create --role ARN"
                + (", or serve this one by `make bundle`: docs/from-the-zip.md" if seen.package_type == "Zip" else ""),
            )
        if seen.architecture != self._target.architecture and not self._target.moves:
            raise errors.FunctionUnsuitableError(
                f"the image is for {self._target.architecture}, the function {seen.name} is {seen.architecture}",
                then=f"build the image for {seen.architecture}, or change the function: "
                f"--architecture {self._target.architecture}",
            )
        if seen.state == "Failed" and seen.state_code not in _MENDED_BY_CODE:
            function.require_success(seen, f"making {seen.name}")
        if seen.state in {"Deleting", "Deactivating", "Deactivated"}:
            raise errors.FunctionNotReadyError(f"{seen.name} is {seen.state.lower()}", then="deploy to another one")

    def _require_readable(self, seen: FunctionState) -> None:
        """Require to be told everything that would have to be put back."""
        seen.require_whole(self._target.settings.need_whole)
        if not seen.image_uri and seen.state_code not in _MENDED_BY_CODE:
            raise errors.AwsRefusedError(
                f"Lambda does not return the image of {seen.name}, so it could not be put back",
                then="look at the function in Lambda's console",
            )
        if self._target.tags and seen.tags is None:
            raise errors.PermissionDeniedError(
                f"these credentials may not see the tags of {seen.name}, so they could not be put back",
                then="ask for lambda:ListTags, or leave --function-tag out",
                action="lambda:ListTags",
            )

    def require_place(self, repository_arn: str) -> None:
        """Require the function in the repository's region and account: Lambda takes images from nowhere else."""
        if not self._latest.is_known:
            return
        here, there = repository_arn.split(":")[3:5], self._latest.state.arn.split(":")[3:5]
        for what, ours, theirs in zip(("region", "account"), here, there, strict=False):  # a dry run knows no ARN
            if ours != theirs:
                raise errors.FunctionUnsuitableError(
                    f"the repository is in {what} {ours}, the function in {what} {theirs}",
                    then=f"use a repository of the function's {what} (--region, --profile)",
                )

    @property
    def _wanted(self) -> dict[str, Any]:
        """Settings that the version is to have."""
        base = self._live if self._target.from_live and self._live else self._latest.state
        return self._target.settings.over(base.settings)

    def is_live(self, image_uri: str) -> bool:
        """Return whether the alias sends all traffic to this image with the wanted settings already."""
        if self._live is None or self.before is None or self.before.weights or self._target.force:
            return False
        differing = changed(self._live.settings, self._wanted)
        if differing:
            self._report.say(f"  changes from version {self._live.version}: {', '.join(differing)}")
        tagged = not changed(self._latest.state.tags or {}, self._target.tags)
        self._version = self._live
        return not differing and tagged and self._live.digest == function.digest_of(image_uri)

    def require_free_alias(self, image_uri: str, canary: Canary | None) -> None:
        """Raises ConflictError if another image's canary is under way; one of this image is started again."""
        if self.before is None:
            return
        if canary and self.before.version == LATEST:
            raise errors.UsageError(
                f"alias {self._alias_move.name} is at $LATEST, which cannot share traffic with a version",
                then="deploy without --canary once",
            )
        for version in self.before.weights:
            seen = function.read(self._account.functions, self._function, version)
            if seen.digest != function.digest_of(image_uri):
                raise errors.ConflictError(
                    f"a canary of another image is under way: alias {self._target.alias} is at {self.before}",
                    then="end it: `ecr_push.py rollback`",
                )
            self._report.say(f"  a canary of this image was left under way ({self.before}): it is started again")
            self._alias_move.before = replace(self.before, weights={})

    def update(self, image_uri: str) -> None:
        """Give $LATEST the image (by digest) and the settings; the function is made if it is missing."""
        target = self._target
        if not self._latest.is_known:
            more = target.settings.of_new_function() | {"Role": target.role}
            more |= {"Tags": target.tags} if target.tags else {}
            self._latest.create(image_uri, target.architecture, more)
        wanted = self._wanted
        self._latest.set_code(image_uri, target.architecture)
        self._latest.set_settings(wanted)
        self._latest.set_tags(target.tags)

    @property
    def image_config(self) -> Mapping[str, Any]:
        """The function's own command, entry point and working directory, as they will be, in Lambda's form."""
        wanted = self._wanted if self._latest.is_known else self._target.settings.over(function.SETTINGS)
        return wanted["ImageConfig"] or {}

    def publish(self) -> None:
        """Publish $LATEST as a version."""
        other_than = self._live.version if self._live and self._target.force else ""
        self._version = self._latest.publish(f"{MARK}{self._latest.state.digest}", other_than=other_than)

    def ask_version(self, asked: Smoke, qualifier: str = "") -> None:
        """Run the smoke test on the version, while it gets no traffic, or by an alias. LookupError before `publish`."""
        if self._version is None:
            raise LookupError("no version has been published")
        self.ask(qualifier or self.version, asked, self._version)

    def send_shares(self, asked: Canary) -> None:
        """Give the version one share of the traffic after the other, and watch it. Raises CanaryFailedError."""
        if self.before is None or self.before.version == self.version:
            self._report.say("  no canary: there is no other version to share the traffic with")
            return
        since = datetime.now(UTC)
        for share in asked.shares:
            self._report.say(f"  {share:.0%} of {self._alias_move.name} goes to version {self.version}")
            self._alias_move.send(replace(self.before, weights={self.version: share}))
            with self._report.step(f"Watch version {self.version} for {asked.seconds} s") as note:
                note(self._watch(asked, since))

    def _watch(self, asked: Canary, since: datetime) -> str:
        """Watch the version for its time, and then for that of the metrics that are still on their way."""
        end = time.monotonic() + asked.seconds + asked.lag_seconds
        name = self._latest.state.arn.rpartition(":function:")[2] or self._function
        while True:
            seen = canary.traffic(self._account, name, self._alias_move.name, self.version, since)
            asked.require_quiet(self._account)
            if seen.errors > asked.max_errors:
                raise self._canary_failed(f"{seen.errors} errors in {seen.invocations} invocations", seen)
            self._alias_move.require_unmoved()
            if self._account.dry_run:
                return "not watched in a dry run"
            if time.monotonic() >= end:
                break
            time.sleep(min(_LOOK_SECONDS, asked.seconds / 4 or _LOOK_SECONDS, max(end - time.monotonic(), 0)))
        if seen.invocations < asked.min_invocations:
            raise self._canary_failed(
                f"{seen.invocations} invocations, of at least {asked.min_invocations} (--canary-invocations)", seen
            )
        return f"{seen.invocations} invocations, {seen.errors} errors"

    def _canary_failed(self, what: str, seen: canary.Traffic) -> errors.CanaryFailedError:
        return errors.CanaryFailedError(
            f"version {self.version} had {what}",
            then="read `ecr_push.py logs --since 10m`",
            invocations=seen.invocations,
            errors=seen.errors,
        )

    def move_alias(self) -> None:
        """Give the version all traffic."""
        self._move((self.before or AliasState(LATEST)).on_to(self.version))

    def check_alias(self, asked: Smoke | None) -> None:
        """Wait for the alias's provisioned concurrency, run the smoke test through the alias, and read it back."""
        try:
            with self._report.step("Look at provisioned concurrency") as note:
                wait = self._target.wait_seconds
                count = wait_provisioned(self._account.functions, self._function, self._alias_move.name, wait)
                note(f"{count} ready" if count else "none on the alias")
            if asked:
                self.ask_version(asked, self._alias_move.name)
        except Exception:
            self._alias_move.require_unmoved()  # else it is another caller's version that fails
            raise
        self._read_back()

    def document(self, image_uri: str, *, changed: bool) -> dict[str, object]:
        """Return the result for `--json`."""
        return {
            "function": self._function,
            "alias": self._alias_move.name,
            "version": self.version,
            "image": image_uri,
            "before": str(self.before) if self.before else None,
            "changed": changed,
        }
