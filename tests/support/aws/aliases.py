"""Aliases, with the shares of traffic that they may give to a second version."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.support.aws.concurrency import Concurrency
from tests.support.aws.errors import AwsError
from tests.support.aws.functions import targets
from tests.support.aws.identities import Identity
from tests.support.aws.rights import function_arn
from tests.support.aws.store import LATEST, Function, Store, new_revision, page, wrong_revision


class Aliases:
    def __init__(self, store: Store, concurrency: Concurrency) -> None:
        self._store = store
        self._concurrency = concurrency

    def create_alias(self, asked: Mapping[str, Any], caller: Identity) -> dict[str, Any]:  # noqa: ARG002
        function, name = self._store.function(asked), asked["Name"]
        if name in function.aliases:
            raise AwsError("ResourceConflictException", f"Alias already exists: {function_arn(function.name, name)}")
        made = {
            "AliasArn": function_arn(function.name, name),
            "Name": name,
            "FunctionVersion": asked["FunctionVersion"],
            "Description": asked.get("Description", ""),
            "RevisionId": new_revision(),
        } | _routing(asked)
        _require_sound(function, made)
        function.aliases[name] = made
        return dict(made)

    def get_alias(self, asked: Mapping[str, Any], caller: Identity) -> dict[str, Any]:  # noqa: ARG002
        return dict(self._store.function(asked).alias(asked["Name"]))

    def update_alias(self, asked: Mapping[str, Any], caller: Identity) -> dict[str, Any]:  # noqa: ARG002
        """What is not given stays; weights that are given replace those that were."""
        function = self._store.function(asked)
        before = function.alias(asked["Name"])
        if asked.get("RevisionId", before["RevisionId"]) != before["RevisionId"]:
            raise wrong_revision()
        given = {name: asked[name] for name in ("FunctionVersion", "Description") if name in asked}
        after = before | given | {"RevisionId": new_revision()}
        if "RoutingConfig" in asked:
            after.pop("RoutingConfig", None)
            after |= _routing(asked)
        _require_sound(function, after)
        function.aliases[asked["Name"]] = after
        if targets(before) != targets(after):
            self._concurrency.follow(function, asked["Name"])
        return dict(after)

    def delete_alias(self, asked: Mapping[str, Any], caller: Identity) -> dict[str, Any]:  # noqa: ARG002
        """Deleting what is not there succeeds."""
        function = self._store.function(asked)
        function.aliases.pop(asked["Name"], None)
        function.provisioned.pop(asked["Name"], None)
        return {}

    def list_aliases(self, asked: Mapping[str, Any], caller: Identity) -> dict[str, Any]:  # noqa: ARG002
        aliases = [dict(alias) for _, alias in sorted(self._store.function(asked).aliases.items())]
        if "FunctionVersion" in asked:
            aliases = [alias for alias in aliases if asked["FunctionVersion"] in targets(alias)]
        return page(aliases, asked, "Aliases")


def _routing(asked: Mapping[str, Any]) -> dict[str, Any]:
    weights = dict(asked.get("RoutingConfig", {}).get("AdditionalVersionWeights", {}))
    return {"RoutingConfig": {"AdditionalVersionWeights": weights}} if weights else {}


def _require_sound(function: Function, alias: Mapping[str, Any]) -> None:
    main = alias["FunctionVersion"]
    function.version(_number(main))
    weights = alias.get("RoutingConfig", {}).get("AdditionalVersionWeights", {})
    if len(weights) > 1:
        raise _invalid("Number of items in AdditionalVersionWeights cannot be greater than 1")
    for version, weight in weights.items():
        if not 0 <= weight <= 1:
            raise AwsError(
                "ValidationException",
                f"1 validation error detected: Value '{{{version}={weight}}}' at "
                "'routingConfig.additionalVersionWeights' failed to satisfy constraint: Map value must satisfy "
                "constraint: [Member must have value less than or equal to 1.0, Member must have value greater than or "
                "equal to 0.0, Member must not be null]",
                400,
            )
        if LATEST in (main, version):
            raise _invalid("$LATEST is not supported for an alias pointing to more than 1 version")
        if version == main:
            raise _invalid(
                f"Invalid function version {version}. "
                f"Function version {version} is already included in routing configuration."
            )
        function.version(_number(version))


def _number(version: str) -> str:
    """An alias cannot point to an alias."""
    if version != LATEST and not version.isdecimal():
        raise AwsError(
            "ValidationException",
            f"1 validation error detected: Value '{version}' at 'functionVersion' failed to satisfy constraint: "
            r"Member must satisfy regular expression pattern: (\$LATEST|[0-9]+)",
            400,
        )
    return version


def _invalid(message: str) -> AwsError:
    return AwsError("InvalidParameterValueException", message)
