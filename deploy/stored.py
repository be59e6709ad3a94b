"""An image that is in a repository already, as a function can run it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel, ValidationError

from deploy.ecr import Repository
from deploy.errors import ImageNotFoundError, ImageRefusedError
from deploy.manifest import Manifest
from deploy.registry import Registry

_LAMBDA_NAMES: Final = {"amd64": "x86_64", "arm64": "arm64"}
_OCI_NAMES: Final = {name: oci for oci, name in _LAMBDA_NAMES.items()}


class _Process(BaseModel):
    Labels: dict[str, str] | None = None


class _Config(BaseModel):
    """What of an image's configuration matters to a release."""

    architecture: str
    config: _Process | None = None


@dataclass(frozen=True)
class Stored:
    """`uri` is by the digest of a manifest, never of an index."""

    uri: str
    architecture: str
    labels: dict[str, str]


def resolve(repository: Repository, digest: str, architecture: str | None) -> Stored:
    """Raises ImageNotFoundError, and ImageRefusedError for an index without an image for this architecture."""
    manifest = _manifest(repository, digest)
    if manifest.is_index:
        wanted = architecture or "x86_64"
        child = manifest.child(_OCI_NAMES[wanted])
        if child is None:
            raise ImageRefusedError(
                f"{digest} is an index without an image for {wanted}", then="--architecture names the other one"
            )
        manifest = _manifest(repository, child)
    with Registry(repository.address, repository.name, repository.login) as registry:
        data = registry.blob(manifest.config_digest)
    try:
        config = _Config.model_validate_json(data)
    except ValidationError as error:
        raise ImageRefusedError(f"{manifest.digest} is not an image that can run: {error}") from error
    labels = (config.config and config.config.Labels) or {}
    found = _LAMBDA_NAMES.get(config.architecture, config.architecture)
    return Stored(f"{repository.uri}@{manifest.digest}", found, labels)


def _manifest(repository: Repository, digest: str) -> Manifest:
    found = repository.manifest(digest)
    if found is None:
        raise ImageNotFoundError(
            f"{repository.name} has no image {digest}", then="push it, or look at what is there: aws ecr list-images"
        )
    return found
