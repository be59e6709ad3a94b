"""Documents about an image, stored beside it: OCI artifacts whose `subject` is the image, which stays unchanged."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from deploy.errors import PushFailedError
from deploy.image.blobs import StoredBlob
from deploy.image.oci import OCI_MANIFEST, StoredManifest
from deploy.registry.client import Registry
from deploy.registry.ecr import Repository
from deploy.registry.progress import silent
from deploy.registry.push import Pushed

CYCLONEDX: Final = "application/vnd.cyclonedx+json"
_EMPTY_TYPE: Final = "application/vnd.oci.empty.v1+json"
_TITLE: Final = "org.opencontainers.image.title"


_EMPTY: Final = StoredBlob.of(b"{}")


@dataclass(frozen=True)
class Attached:
    """An artifact beside an image, by its digest."""

    digest: str
    already_there: bool


def attach(data: bytes, name: str, pushed: Pushed, repository: Repository) -> Attached:
    """Store the data beside the image, unless it is there, and read the list of referrers back.

    Raises PushFailedError and everything else that a push raises.
    """
    content = StoredBlob.of(data)
    with Registry(repository.address, repository.name, repository.login) as registry:
        subject = registry.manifest(pushed.digest)
        if subject is None:
            raise PushFailedError(f"{pushed.uri} is not there any more", then="run the same command again")
        artifact = _artifact(subject, content, name)
        if _is_listed(registry, artifact, pushed):
            return Attached(artifact.digest, already_there=True)
        for blob in (content, _EMPTY):
            registry.upload(blob, silent)
        registry.put_manifest(artifact, artifact.digest)
        if not _is_listed(registry, artifact, pushed):
            what = f"{repository.uri} took {artifact.digest} and does not list it beside {pushed.digest}"
            raise PushFailedError(what, then="run the same command again")
        return Attached(artifact.digest, already_there=False)


def _is_listed(registry: Registry, artifact: StoredManifest, pushed: Pushed) -> bool:
    return artifact.digest in {found.digest for found in registry.referrers(pushed.digest)}


def _artifact(subject: StoredManifest, content: StoredBlob, name: str) -> StoredManifest:
    """Return a manifest with the same bytes each time: there is no time in it."""
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": CYCLONEDX,
        "config": _EMPTY.described_as(_EMPTY_TYPE),
        "layers": [{**content.described_as(CYCLONEDX), "annotations": {_TITLE: name}}],
        "subject": StoredBlob.of(subject.data).described_as(subject.media_type),
    }
    return StoredManifest(json.dumps(document).encode(), OCI_MANIFEST)
