"""An alias: the version that gets the traffic, and during a canary another that gets a share.

Lambda keeps no history of an alias, so the end of its description names the versions that it was at, newest first.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from deploy.aws import tolerated
from deploy.errors import FunctionNotReadyError, UpdateFailedError

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

MARK: Final = "ecr_push "
"""Beginning of the descriptions of the versions that this tool publishes; the image's digest follows."""
_HISTORY: Final = re.compile(r"(?:^|; )versions (\d+(?:, \d+)*)$")
_MAX_DESCRIPTION_CHARS: Final = 256
_LOOK_SECONDS: Final = 2
# There is none; the alias is at $LATEST; the alias is not there, in a dry run.
_NOT_PROVISIONED: Final = (
    "ProvisionedConcurrencyConfigNotFoundException",
    "InvalidParameterValueException",
    "ResourceNotFoundException",
)


@dataclass(frozen=True)
class AliasState:
    """`weights`: the shares, 0 to 1, of versions other than `version`. Two are equal if traffic goes the same ways."""

    version: str
    weights: Mapping[str, float] = field(default_factory=dict)
    revision: str = field(default="", compare=False)
    description: str = field(default="", compare=False)

    @property
    def history(self) -> list[str]:
        """Versions that had the traffic before, newest first, as far as this tool moved the alias or found it there."""
        found = _HISTORY.search(self.description)
        known = found[1].split(", ") if found else []
        return known[1:] if known[:1] == [self.version] else known

    def on_to(self, version: str) -> AliasState:
        """Return the state after a move to a version, which remembers where this one was."""
        return self._described(version, [self.version, *self.history] if self.version.isdecimal() else self.history)

    def back_to(self, version: str) -> AliasState:
        """Return the state after a way back to a version, which forgets everything after it."""
        before = self.history
        if version == self.version:
            return self._described(version, before)
        if before and version not in before:
            return self.on_to(version)
        return self._described(version, before[before.index(version) + 1 :] if before else [])

    def _described(self, version: str, before: list[str]) -> AliasState:
        theirs = _HISTORY.sub("", self.description)
        known = [version, *before]
        while known:
            text = "; ".join(filter(None, (theirs, f"versions {', '.join(known)}")))
            if len(text) <= _MAX_DESCRIPTION_CHARS:
                return AliasState(version, description=text)
            known.pop()
        return AliasState(version, description=theirs)

    def __str__(self) -> str:
        shares = "".join(f", {weight:.0%} to version {version}" for version, weight in self.weights.items())
        return f"version {self.version}{shares}"


def state(answer: Mapping[str, Any]) -> AliasState:
    """Parse the answer to GetAlias, CreateAlias or UpdateAlias, or an item of ListAliases."""
    weights = (answer.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}
    return AliasState(
        answer["FunctionVersion"], dict(weights), answer.get("RevisionId", ""), answer.get("Description", "")
    )


def read(functions: LambdaClient, function: str, name: str) -> AliasState | None:
    """Return the alias; None if there is none of this name."""
    with tolerated("ResourceNotFoundException"):
        return state(functions.get_alias(FunctionName=function, Name=name))
    return None


def write(functions: LambdaClient, function: str, name: str, wanted: AliasState, revision: str | None) -> AliasState:
    """Send the traffic as wanted: `revision` is the alias's last known one, or None to create the alias."""
    place: Any = {"FunctionName": function, "Name": name, "FunctionVersion": wanted.version}
    place |= {"Description": wanted.description}
    if revision is None:
        return state(functions.create_alias(**place))
    routing: Any = {"AdditionalVersionWeights": dict(wanted.weights)}
    return state(functions.update_alias(**place, RoutingConfig=routing, RevisionId=revision))


def wait_provisioned(functions: LambdaClient, function: str, alias: str, seconds: int) -> int:
    """Wait until the alias's provisioned concurrency has followed it, and return it; 0 if it has none."""
    deadline = time.monotonic() + seconds
    while True:
        found = None
        with tolerated(*_NOT_PROVISIONED):
            found = functions.get_provisioned_concurrency_config(FunctionName=function, Qualifier=alias)
        if found is None:
            return 0
        if found["Status"] == "READY":
            return found["RequestedProvisionedConcurrentExecutions"]
        if found["Status"] == "FAILED":
            raise UpdateFailedError(
                f"the provisioned concurrency of {alias} could not be moved: {found.get('StatusReason', '')}",
                then="look at the account's concurrency limits and at the function's log",
            )
        if time.monotonic() > deadline:
            raise FunctionNotReadyError(
                f"the provisioned concurrency of {alias} is still not ready after {seconds} s",
                then="--wait SECONDS waits longer",
            )
        time.sleep(_LOOK_SECONDS)
