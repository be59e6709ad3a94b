"""ECR's repositories: made, described, deleted, with their policies and settings, and the token to push to them."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from tests.support.aws.ecr_state import EcrState, Repository
from tests.support.aws.errors import AwsError
from tests.support.aws.identities import Identity
from tests.support.aws.shared_state import ACCOUNT

_DEFAULTS: Final[dict[str, Any]] = {
    "imageTagMutability": "MUTABLE",
    "imageScanningConfiguration": {"scanOnPush": False},
    "encryptionConfiguration": {"encryptionType": "AES256"},
}
_PAGE: Final = 100


class Repositories:
    def __init__(self, ecr_state: EcrState) -> None:
        self._depot = ecr_state

    def get_authorization_token(self, asked: Mapping[str, Any], caller: Identity) -> dict[str, Any]:  # noqa: ARG002
        token = self._depot.issue_token(caller)
        data = {
            "authorizationToken": base64.b64encode(f"AWS:{token.password}".encode()).decode(),
            "expiresAt": datetime.fromtimestamp(token.expires, UTC),
            "proxyEndpoint": self._depot.shared_state.url,
        }
        return {"authorizationData": [data]}

    def create_repository(self, asked: Mapping[str, Any], caller: Identity) -> dict[str, Any]:  # noqa: ARG002
        name = asked["repositoryName"]
        if name in self._depot.repositories:
            raise AwsError(
                "RepositoryAlreadyExistsException",
                f"The repository with name '{name}' already exists in the registry with id '{ACCOUNT}'",
            )
        settings = _DEFAULTS | {key: value for key, value in asked.items() if key in _DEFAULTS}
        made = Repository(name, self._depot.shared_state.now(), settings)
        made.resource_tags = {tag["Key"]: tag.get("Value", "") for tag in asked.get("tags", [])}
        self._depot.repositories[name] = made
        return {"repository": self._described(made)}

    def describe_repositories(self, asked: Mapping[str, Any], caller: Identity) -> dict[str, Any]:  # noqa: ARG002
        if "repositoryNames" in asked:
            registry = {key: asked[key] for key in ("registryId",) if key in asked}
            names = asked["repositoryNames"]
            found = [self._depot.repository({"repositoryName": name} | registry) for name in names]
            return {"repositories": [self._described(repository) for repository in found]}
        everything = [self._described(repository) for _, repository in sorted(self._depot.repositories.items())]
        return page(everything, asked, "repositories")

    def delete_repository(self, asked: Mapping[str, Any], caller: Identity) -> dict[str, Any]:  # noqa: ARG002
        found = self._depot.repository(asked)
        if found.manifests and not asked.get("force"):
            raise AwsError(
                "RepositoryNotEmptyException",
                f"The repository with name '{found.name}' in registry with id '{ACCOUNT}' cannot be deleted because it "
                "still contains images",
            )
        del self._depot.repositories[found.name]
        return {"repository": self._described(found)}

    def get_repository_policy(self, asked: Mapping[str, Any], caller: Identity) -> dict[str, Any]:  # noqa: ARG002
        found = self._depot.repository(asked)
        if found.policy is None:
            raise AwsError(
                "RepositoryPolicyNotFoundException",
                f"Repository policy does not exist for the repository with name '{found.name}' in the registry with id "
                f"'{ACCOUNT}'",
            )
        return _named(found) | {"policyText": found.policy}

    def set_repository_policy(self, asked: Mapping[str, Any], caller: Identity) -> dict[str, Any]:  # noqa: ARG002
        found = self._depot.repository(asked)
        found.policy = _json(asked["policyText"], "policyText")
        return _named(found) | {"policyText": found.policy}

    def delete_repository_policy(self, asked: Mapping[str, Any], caller: Identity) -> dict[str, Any]:
        answer = self.get_repository_policy(asked, caller)
        self._depot.repository(asked).policy = None
        return answer

    def get_lifecycle_policy(self, asked: Mapping[str, Any], caller: Identity) -> dict[str, Any]:  # noqa: ARG002
        found = self._depot.repository(asked)
        if found.lifecycle is None:
            raise AwsError(
                "LifecyclePolicyNotFoundException",
                f"Lifecycle policy does not exist for the repository with name '{found.name}' in the registry with id "
                f"'{ACCOUNT}'",
            )
        return _named(found) | {"lifecyclePolicyText": found.lifecycle}

    def put_lifecycle_policy(self, asked: Mapping[str, Any], caller: Identity) -> dict[str, Any]:  # noqa: ARG002
        found = self._depot.repository(asked)
        found.lifecycle = _json(asked["lifecyclePolicyText"], "lifecyclePolicyText")
        return _named(found) | {"lifecyclePolicyText": found.lifecycle}

    def delete_lifecycle_policy(self, asked: Mapping[str, Any], caller: Identity) -> dict[str, Any]:
        answer = self.get_lifecycle_policy(asked, caller)
        self._depot.repository(asked).lifecycle = None
        return answer

    def put_image_tag_mutability(self, asked: Mapping[str, Any], caller: Identity) -> dict[str, Any]:  # noqa: ARG002
        return self._set(asked, "imageTagMutability")

    def put_image_scanning_configuration(self, asked: Mapping[str, Any], caller: Identity) -> dict[str, Any]:  # noqa: ARG002
        return self._set(asked, "imageScanningConfiguration")

    def list_tags_for_resource(self, asked: Mapping[str, Any], caller: Identity) -> dict[str, Any]:  # noqa: ARG002
        name = asked["resourceArn"].partition(":repository/")[2]
        tags = self._depot.repository({"repositoryName": name}).resource_tags
        return {"tags": [{"Key": key, "Value": value} for key, value in tags.items()]}

    def _set(self, asked: Mapping[str, Any], name: str) -> dict[str, Any]:
        found = self._depot.repository(asked)
        found.settings[name] = asked[name]
        return _named(found) | {name: asked[name]}

    def _described(self, repository: Repository) -> dict[str, Any]:
        return {
            **_named(repository),
            "repositoryArn": repository.arn,
            "repositoryUri": f"{self._depot.host}/{repository.name}",
            "createdAt": datetime.fromtimestamp(repository.created, UTC),
            **repository.settings,
        }


def page(items: list[Any], asked: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A part of a list, as ECR gives it."""
    start = int(asked.get("nextToken") or 0)
    end = start + asked.get("maxResults", _PAGE)
    return {name: items[start:end]} | ({"nextToken": str(end)} if end < len(items) else {})


def _named(repository: Repository) -> dict[str, Any]:
    return {"registryId": ACCOUNT, "repositoryName": repository.name}


def _json(text: str, member: str) -> str:
    try:
        json.loads(text)
    except ValueError as error:
        raise AwsError(
            "InvalidParameterException", f"Invalid parameter at '{member}' failed to satisfy constraint: {error}"
        ) from error
    return text
