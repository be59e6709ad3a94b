"""Publishing versions, and listing them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.support.aws.errors import AwsError
from tests.support.aws.identities import Identity
from tests.support.aws.rights import function_arn
from tests.support.aws.settling import Failure, Pace
from tests.support.aws.shared_state import SharedState
from tests.support.aws.store import LATEST, Function, Store, Version, new_revision, page, stamp


class Versions:
    def __init__(self, shared_state: SharedState, store: Store, pace: Pace) -> None:
        self._world = shared_state
        self._store = store
        self._pace = pace

    def publish_version(self, asked: Mapping[str, Any], caller: Identity) -> dict[str, Any]:  # noqa: ARG002
        """What $LATEST is, as a version; the last one if $LATEST has not changed since. $LATEST gets a new revision."""
        function = self._store.function(asked)
        latest = function.latest
        latest.require_ready_for_change()
        latest.require_revision(asked)
        current = latest.configuration["CodeSha256"]
        if asked.get("CodeSha256", current) != current:
            raise AwsError(
                "InvalidParameterValueException",
                f"CodeSHA256 ({asked['CodeSha256']}) is different from current CodeSHA256 in $LATEST ({current}). "
                "Please try again with the CodeSHA256 in $LATEST.",
            )
        last = function.versions.get(str(function.next_number - 1))
        if last and last.published_as == latest.content:
            last.tick()
            return dict(last.configuration)
        made = self._publish(function, asked.get("Description"))
        latest.configuration["RevisionId"] = new_revision()
        return dict(made.configuration)

    def _publish(self, function: Function, description: str | None) -> Version:
        latest, number = function.latest, str(function.next_number)
        configuration = {
            name: value for name, value in latest.configuration.items() if not name.startswith("LastUpdateStatus")
        } | {
            "Version": number,
            "FunctionArn": function_arn(function.name, number),
            "RevisionId": new_revision(),
            "LastModified": stamp(self._world.now()),
            "State": "Pending",
            "StateReason": "The function is being created.",
            "StateReasonCode": "Creating",
        }
        if description is not None:
            configuration["Description"] = description
        made = Version(configuration, dict(latest.code), published_as=latest.content)
        made.settling = self._pace.begin("PublishVersion", lambda failure: _published(made, failure))
        function.versions[number] = made
        function.next_number += 1
        return made

    def list_versions_by_function(self, asked: Mapping[str, Any], caller: Identity) -> dict[str, Any]:  # noqa: ARG002
        function = self._store.function(asked)
        latest = function.latest.listed() | {"FunctionArn": function_arn(function.name, LATEST)}
        return page([latest, *(version.listed() for version in function.versions.values())], asked, "Versions")


def _published(version: Version, failure: Failure | None) -> None:
    """The revision stays: a version that becomes active has not changed."""
    configuration = version.configuration
    del configuration["StateReason"], configuration["StateReasonCode"]
    configuration["State"] = "Failed" if failure else "Active"
    if failure:
        configuration |= {"StateReason": failure.reason, "StateReasonCode": failure.code}
    elif configuration["SnapStart"]["ApplyOn"] == "PublishedVersions":
        configuration["SnapStart"] = configuration["SnapStart"] | {"OptimizationStatus": "On"}
