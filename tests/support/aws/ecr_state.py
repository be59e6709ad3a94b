"""What ECR holds: repositories, manifests, blobs, tags, and the passwords for them."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from tests.support.aws.errors import AwsError
from tests.support.aws.identities import Identity
from tests.support.aws.rights import repository_arn
from tests.support.aws.shared_state import ACCOUNT, SharedState

MANIFESTS: Final = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
)
INDEXES: Final = (
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.index.v1+json",
)
_TOKEN_SECONDS: Final = 12 * 3600


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@dataclass
class Manifest:
    """A manifest or an index as it was pushed, byte for byte."""

    data: bytes
    media_type: str
    pushed: float
    archived: bool = False

    @cached_property
    def digest(self) -> str:
        return digest_of(self.data)

    @cached_property
    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.data)
        return found

    @property
    def is_index(self) -> bool:
        return self.media_type in INDEXES

    @property
    def subject(self) -> str:
        """The digest of the image that it is about; empty if it is about none."""
        found: str = self.document.get("subject", {}).get("digest", "")
        return found

    @property
    def artifact_type(self) -> str:
        """What kind of thing it is."""
        found: str = self.document.get("artifactType") or self.document.get("config", {}).get("mediaType", "")
        return found

    @property
    def children(self) -> list[str]:
        return [child["digest"] for child in self.document.get("manifests", [])]

    @property
    def blobs(self) -> list[str]:
        parts = [self.document["config"], *self.document["layers"]] if not self.is_index else []
        return [part["digest"] for part in parts]

    @property
    def layers_bytes(self) -> int:
        return sum(layer["size"] for layer in self.document.get("layers", []))


@dataclass
class Repository:
    """`tags` are digests by tag, `settings` the members of ECR's Repository that a client chooses."""

    name: str
    created: float
    settings: dict[str, Any]
    policy: str | None = None
    lifecycle: str | None = None
    resource_tags: dict[str, str] = field(default_factory=dict)
    manifests: dict[str, Manifest] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    uploads: dict[str, bytearray] = field(default_factory=dict)
    scans: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def arn(self) -> str:
        return repository_arn(self.name)

    @property
    def is_immutable(self) -> bool:
        return bool(self.settings["imageTagMutability"] == "IMMUTABLE")

    def find(self, reference: str) -> Manifest | None:
        """By tag or digest."""
        return self.manifests.get(self.tags.get(reference, reference))

    def referrers(self, digest: str) -> list[Manifest]:
        return [manifest for manifest in self.manifests.values() if manifest.subject == digest]

    def tags_of(self, digest: str) -> list[str]:
        return sorted(tag for tag, tagged in self.tags.items() if tagged == digest)

    def bytes_of(self, manifest: Manifest) -> int:
        """The sum of the layers; of an index the most that one of its images has."""
        children = [self.manifests[child] for child in manifest.children if child in self.manifests]
        return max((child.layers_bytes for child in children), default=manifest.layers_bytes)

    def put(self, manifest: Manifest, tag: str | None) -> None:
        """Raises AwsError for what ECR refuses: missing parts, a tag that is another's, what is there already."""
        missing = [blob for blob in manifest.blobs if blob not in self.blobs]
        if missing:
            raise AwsError(
                "LayersNotFoundException",
                f"The layers with digests '[{', '.join(missing)}]' required for pushing image into repository with "
                f"name '{self.name}' in the registry with id '{ACCOUNT}' do not exist",
            )
        unknown = [child for child in manifest.children if child not in self.manifests]
        if unknown:
            raise AwsError("ReferencedImagesNotFoundException", f"Images with digests '{unknown}' do not exist")
        held = self.tags.get(tag) if tag else None
        if held == manifest.digest or (not tag and manifest.digest in self.manifests):
            tagged = f" and tag '{tag}'" if tag else ""
            raise AwsError(
                "ImageAlreadyExistsException",
                f"Image with digest '{manifest.digest}'{tagged} already exists in the repository with name "
                f"'{self.name}' in registry with id '{ACCOUNT}'",
            )
        if held and self.is_immutable:
            raise AwsError(
                "ImageTagAlreadyExistsException",
                f"The image tag '{tag}' already exists in the '{self.name}' repository and cannot be overwritten "
                "because the repository is immutable.",
            )
        self.manifests.setdefault(manifest.digest, manifest)
        if tag:
            self.tags[tag] = manifest.digest

    def delete(self, digest: str) -> None:
        """The image with all its tags."""
        self.manifests.pop(digest, None)
        for tag in self.tags_of(digest):
            del self.tags[tag]


@dataclass(frozen=True)
class Token:
    identity: Identity
    password: str
    expires: float


class EcrState:
    """All repositories. `host` is the registry that answers name: this machine's, unless a test says otherwise."""

    def __init__(self, shared_state: SharedState) -> None:
        self.shared_state = shared_state
        self.repositories: dict[str, Repository] = {}
        self._tokens: list[Token] = []
        self._host = ""

    @property
    def host(self) -> str:
        return self._host or self.shared_state.host

    @host.setter
    def host(self, host: str) -> None:
        self._host = host

    def repository(self, asked: Mapping[str, Any]) -> Repository:
        """Raises AwsError."""
        name = asked["repositoryName"]
        if asked.get("registryId", ACCOUNT) != ACCOUNT or name not in self.repositories:
            raise AwsError(
                "RepositoryNotFoundException",
                f"The repository with name '{name}' does not exist in the registry with id "
                f"'{asked.get('registryId', ACCOUNT)}'",
            )
        return self.repositories[name]

    def issue_token(self, identity: Identity) -> Token:
        token = Token(identity, secrets.token_urlsafe(200), self.shared_state.now() + _TOKEN_SECONDS)
        self._tokens.append(token)
        return token

    @property
    def passwords(self) -> list[str]:
        """All that have been issued."""
        return [token.password for token in self._tokens]

    def token(self, password: str) -> Token | None:
        """The token, though it may have expired."""
        return next((token for token in self._tokens if secrets.compare_digest(token.password, password)), None)

    def expire_tokens(self) -> None:
        """All that have been issued so far."""
        self._tokens = [Token(token.identity, token.password, 0) for token in self._tokens]
