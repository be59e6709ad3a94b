"""The functions of the account, with their versions and aliases."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from tests.support.aws.errors import AwsError
from tests.support.aws.rights import function_arn, plain_name
from tests.support.aws.settling import Settling

LATEST: Final = "$LATEST"
_PAGE: Final = 50
_NOT_IN_LISTS: Final = {
    "State", "StateReason", "StateReasonCode", "LastUpdateStatus", "LastUpdateStatusReason",
    "LastUpdateStatusReasonCode", "RuntimeVersionConfig",
}  # fmt: skip


def new_revision() -> str:
    return str(uuid.uuid4())


def stamp(now: float) -> str:
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000"


@dataclass
class Version:
    """A published version, or $LATEST. `configuration` is a FunctionConfiguration, `code` a FunctionCodeLocation."""

    configuration: dict[str, Any]
    code: dict[str, Any]
    settling: Settling | None = None
    published_as: Mapping[str, Any] = field(default_factory=dict)
    """Of a published version: what $LATEST was like, without its states."""

    @property
    def number(self) -> str:
        return str(self.configuration["Version"])

    @property
    def digest(self) -> str:
        return str(self.code.get("ResolvedImageUri", "")).partition("@")[2]

    def tick(self) -> None:
        if self.settling:
            self.settling.tick()

    def look(self) -> None:
        if self.settling:
            self.settling.look()

    def require_ready_for_change(self) -> None:
        """Lambda makes one change at a time."""
        self.tick()
        if self.configuration["State"] == "Pending":
            raise AwsError(
                "ResourceConflictException",
                "The operation cannot be performed at this time. "
                "The function is currently in the following state: Pending",
            )
        if self.configuration.get("LastUpdateStatus") == "InProgress":
            raise AwsError(
                "ResourceConflictException",
                "The operation cannot be performed at this time. "
                f"An update is in progress for resource: {self.configuration['FunctionArn']}",
            )

    def require_revision(self, asked: Mapping[str, Any]) -> None:
        if asked.get("RevisionId", self.configuration["RevisionId"]) != self.configuration["RevisionId"]:
            raise wrong_revision()

    @property
    def content(self) -> dict[str, Any]:
        """What makes a version worth publishing: the code and the configuration, without states and names."""
        passing = _NOT_IN_LISTS | {"Version", "FunctionArn", "LastModified", "RevisionId"}
        return {name: value for name, value in self.configuration.items() if name not in passing}

    def listed(self) -> dict[str, Any]:
        """As lists have it: without the states."""
        self.tick()
        return {name: value for name, value in self.configuration.items() if name not in _NOT_IN_LISTS}


@dataclass
class Function:
    """`aliases` are AliasConfigurations by name; `provisioned` and `policies` are by qualifier."""

    name: str
    latest: Version
    versions: dict[str, Version] = field(default_factory=dict)
    aliases: dict[str, dict[str, Any]] = field(default_factory=dict)
    provisioned: dict[str, Provisioned] = field(default_factory=dict)
    next_number: int = 1
    tags: dict[str, str] = field(default_factory=dict)
    policies: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def version(self, qualifier: str) -> Version:
        """Of a number, $LATEST or an alias, which is at its first version then. Raises AwsError."""
        if qualifier in self.aliases:
            qualifier = self.aliases[qualifier]["FunctionVersion"]
        found = self.latest if qualifier == LATEST else self.versions.get(qualifier)
        if found is None:
            is_alias = not qualifier.isdecimal() and qualifier != LATEST
            what = "Cannot find alias arn" if is_alias else "Function not found"
            raise AwsError("ResourceNotFoundException", f"{what}: {function_arn(self.name, qualifier)}")
        found.tick()
        return found

    def alias(self, name: str) -> dict[str, Any]:
        if name not in self.aliases:
            raise AwsError("ResourceNotFoundException", f"Cannot find alias arn: {function_arn(self.name, name)}")
        return self.aliases[name]


@dataclass
class Provisioned:
    """Provisioned concurrency of an alias or a version."""

    configuration: dict[str, Any]
    settling: Settling


class Store:
    def __init__(self) -> None:
        self.functions: dict[str, Function] = {}

    def find(self, asked: Mapping[str, Any]) -> tuple[Function, str]:
        """The function and the qualifier (default $LATEST) of a call. Raises AwsError."""
        name, _, in_name = plain_name(asked["FunctionName"]).partition(":")
        qualifier = asked.get("Qualifier") or in_name or LATEST
        if name not in self.functions:
            suffix = "" if qualifier == LATEST else qualifier
            raise AwsError("ResourceNotFoundException", f"Function not found: {function_arn(name, suffix)}")
        return self.functions[name], qualifier

    def function(self, asked: Mapping[str, Any]) -> Function:
        return self.find(asked)[0]


def wrong_revision() -> AwsError:
    return AwsError(
        "PreconditionFailedException",
        "The Revision Id provided does not match the latest Revision Id. "
        "Call the GetFunction/GetAlias API to retrieve the latest Revision Id",
    )


def page(items: Sequence[Any], asked: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A part of a list, as Lambda gives it: at most fifty."""
    start = int(asked.get("Marker") or 0)
    end = start + min(asked.get("MaxItems", _PAGE), _PAGE)
    return {name: items[start:end]} | ({"NextMarker": str(end)} if end < len(items) else {})
