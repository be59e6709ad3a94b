"""Who may invoke a function or a version of it, and what triggers it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import Any

from tests.support.aws.errors import AwsError
from tests.support.aws.identities import Identity
from tests.support.aws.rights import function_arn
from tests.support.aws.store import LATEST, Store, new_revision, page


class Permissions:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._mappings: list[dict[str, Any]] = []

    def add_permission(self, asked: Mapping[str, Any], caller: Identity) -> dict[str, Any]:  # noqa: ARG002
        function, qualifier = self._store.find(asked)
        function.version(qualifier)
        arn = function_arn(function.name, "" if qualifier == LATEST else qualifier)
        principal = asked["Principal"]
        statement = {
            "Sid": asked["StatementId"],
            "Effect": "Allow",
            "Principal": {"Service" if "." in principal else "AWS": principal},
            "Action": asked["Action"],
            "Resource": arn,
        }
        function.policies.setdefault(qualifier, []).append(statement)
        return {"Statement": json.dumps(statement)}

    def get_policy(self, asked: Mapping[str, Any], caller: Identity) -> dict[str, Any]:  # noqa: ARG002
        function, qualifier = self._store.find(asked)
        function.version(qualifier)
        if qualifier not in function.policies:
            raise AwsError("ResourceNotFoundException", "The resource you requested does not exist.")
        document = {"Version": "2012-10-17", "Id": "default", "Statement": function.policies[qualifier]}
        return {"Policy": json.dumps(document), "RevisionId": new_revision()}

    def create_event_source_mapping(self, asked: Mapping[str, Any], caller: Identity) -> dict[str, Any]:  # noqa: ARG002
        function, qualifier = self._store.find(asked)
        function.version(qualifier)
        made = {
            "UUID": str(uuid.uuid4()),
            "EventSourceArn": asked["EventSourceArn"],
            "FunctionArn": function_arn(function.name, "" if qualifier == LATEST else qualifier),
            "State": "Enabled",
        }
        self._mappings.append(made)
        return dict(made)

    def list_event_source_mappings(self, asked: Mapping[str, Any], caller: Identity) -> dict[str, Any]:  # noqa: ARG002
        return page(self._mappings, asked, "EventSourceMappings")
