"""Provisioned concurrency of aliases and versions. That of an alias follows it to another version, which takes time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.support.aws.errors import AwsError
from tests.support.aws.identities import Identity
from tests.support.aws.rights import function_arn
from tests.support.aws.settling import Failure, Pace
from tests.support.aws.shared_state import SharedState
from tests.support.aws.store import LATEST, Function, Provisioned, Store, page, stamp

_PUT = "PutProvisionedConcurrencyConfig"


class Concurrency:
    def __init__(self, shared_state: SharedState, store: Store, pace: Pace) -> None:
        self._world = shared_state
        self._store = store
        self._pace = pace

    def put_provisioned_concurrency_config(self, asked: Mapping[str, Any], caller: Identity) -> dict[str, Any]:  # noqa: ARG002
        function, qualifier = self._store.find(asked)
        if qualifier == LATEST:
            raise AwsError(
                "InvalidParameterValueException",
                "Provisioned Concurrency Configs cannot be applied to unpublished function versions.",
            )
        function.version(qualifier)
        return self._begin(function, qualifier, asked["ProvisionedConcurrentExecutions"], _PUT)

    def get_provisioned_concurrency_config(self, asked: Mapping[str, Any], caller: Identity) -> dict[str, Any]:
        function, qualifier = self._store.find(asked)
        function.version(qualifier)
        found = function.provisioned.get(qualifier)
        if found is None:
            raise AwsError(
                "ProvisionedConcurrencyConfigNotFoundException",
                "No Provisioned Concurrency Config found for this function",
            )
        found.settling.tick()
        if not caller.is_root:
            found.settling.look()
        return dict(found.configuration)

    def list_provisioned_concurrency_configs(self, asked: Mapping[str, Any], caller: Identity) -> dict[str, Any]:  # noqa: ARG002
        function = self._store.function(asked)
        found = [
            item.configuration | {"FunctionArn": function_arn(function.name, qualifier)}
            for qualifier, item in function.provisioned.items()
        ]
        return page(found, asked, "ProvisionedConcurrencyConfigs")

    def delete_provisioned_concurrency_config(self, asked: Mapping[str, Any], caller: Identity) -> dict[str, Any]:  # noqa: ARG002
        function, qualifier = self._store.find(asked)
        function.provisioned.pop(qualifier, None)
        return {}

    def follow(self, function: Function, alias: str) -> None:
        """The alias has moved."""
        if alias in function.provisioned:
            count = function.provisioned[alias].configuration["RequestedProvisionedConcurrentExecutions"]
            self._begin(function, alias, count, "UpdateAlias")

    def _begin(self, function: Function, qualifier: str, count: int, operation: str) -> dict[str, Any]:
        configuration = {
            "RequestedProvisionedConcurrentExecutions": count,
            "AvailableProvisionedConcurrentExecutions": 0,
            "AllocatedProvisionedConcurrentExecutions": 0,
            "Status": "IN_PROGRESS",
            "LastModified": stamp(self._world.now()),
        }

        def end(failure: Failure | None) -> None:
            if failure:
                configuration.update(Status="FAILED", StatusReason=f"{failure.code}: {failure.reason}")
            else:
                configuration.update(
                    Status="READY",
                    AvailableProvisionedConcurrentExecutions=count,
                    AllocatedProvisionedConcurrentExecutions=count,
                )

        function.provisioned[qualifier] = Provisioned(configuration, self._pace.begin(operation, end))
        return dict(configuration)
