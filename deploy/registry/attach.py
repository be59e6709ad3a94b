"""Documents about an image, stored beside it: OCI artifacts whose `subject` is the image, which stays unchanged."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from deploy.errors import PushFailedError
from deploy.image.blobs import StoredBlob
from deploy.image.oci import OCI_MANIFEST, StoredManifest
from deploy.registry.client import Registry
from deploy.registry.ecr import Repository
from deploy.registry.progress import Silent
from deploy.registry.push import Pushed
from deploy.registry.transport import RetryPolicy

CYCLONEDX: Final = "application/vnd.cyclonedx+json"
_EMPTY_TYPE: Final = "application/vnd.oci.empty.v1+json"
_TITLE: Final = "org.opencontainers.image.title"


@dataclass(frozen=True)
class Attached:
    """An artifact beside an image, by its digest."""

    digest: str
    already_there: bool


_EMPTY: Final = StoredBlob.of(b"{}")


def attach(
    data: bytes,
    name: str,
    pushed: Pushed,
    repository: Repository,
    *,
    retry_policy: RetryPolicy = RetryPolicy(),  # noqa: B008 - it is frozen
) -> Attached:
    """Store the data beside the image, unless it is there, and read the list of referrers back.

    Raises PushFailedError and everything else that a push raises.
    """
    content = StoredBlob.of(data)
    with Registry(repository.address, repository.name, repository.login, retry_policy) as registry:
        artifact = _artifact(_subject(registry, pushed), content, name)
        if artifact.digest in {found.digest for found in registry.referrers(pushed.digest)}:
            return Attached(artifact.digest, already_there=True)
        for blob in (content, _EMPTY):
            registry.upload(blob, Silent())
        registry.put_manifest(artifact, artifact.digest)
        if artifact.digest not in {found.digest for found in registry.referrers(pushed.digest)}:
            raise PushFailedError(
                f"{repository.uri} took {artifact.digest} and does not list it beside {pushed.digest}",
                then="run the same command again",
            )
        return Attached(artifact.digest, already_there=False)


def _subject(registry: Registry, pushed: Pushed) -> dict[str, Any]:
    manifest = registry.manifest(pushed.digest)
    if manifest is None:
        raise PushFailedError(f"{pushed.uri} is not there any more", then="run the same command again")
    return _descriptor(manifest.media_type, manifest.digest, len(manifest.data))


def _artifact(subject: dict[str, Any], content: StoredBlob, name: str) -> StoredManifest:
    """Return a manifest with the same bytes each time: there is no time in it."""
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": CYCLONEDX,
        "config": _descriptor(_EMPTY_TYPE, _EMPTY.digest, _EMPTY.size),
        "layers": [{**_descriptor(CYCLONEDX, content.digest, content.size), "annotations": {_TITLE: name}}],
        "subject": subject,
    }
    return StoredManifest(json.dumps(document).encode(), OCI_MANIFEST)


def _descriptor(media_type: str, digest: str, size: int) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest, "size": size}
