"""An image that is in a repository already, as a function can run it."""

from __future__ import annotations

from dataclasses import dataclass

from deploy.errors import ImageNotFoundError, ImageRefusedError
from deploy.image import oci
from deploy.image.oci import StoredManifest
from deploy.registry.client import Registry
from deploy.registry.ecr import Repository


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
        manifest = _manifest(repository, _child(manifest, architecture or "x86_64"))
    parsed = oci.parse(oci.Manifest, manifest.data, f"the manifest {manifest.digest} in the registry")
    with Registry(repository.address, repository.name, repository.login) as registry:
        data = registry.blob(parsed.config.digest)
    config = oci.parse(oci.ImageConfig, data, f"the configuration of {manifest.digest}")
    found = oci.LAMBDA_NAMES.get(config.architecture, config.architecture)
    return Stored(f"{repository.uri}@{manifest.digest}", found, config.config.labels)


def _child(manifest: StoredManifest, architecture: str) -> str:
    index = oci.parse(oci.Index, manifest.data, f"the index {manifest.digest} in the registry")
    for child in index.manifests:
        platform = child.platform
        if platform and (platform.os, oci.LAMBDA_NAMES.get(platform.architecture)) == ("linux", architecture):
            return child.digest
    raise ImageRefusedError(
        f"{manifest.digest} is an index without an image for {architecture}", then="--architecture names the other one"
    )


def _manifest(repository: Repository, digest: str) -> StoredManifest:
    found = repository.manifest(digest)
    if found is None:
        raise ImageNotFoundError(
            f"{repository.name} has no image {digest}", then="push it, or look at what is there: aws ecr list-images"
        )
    return found
