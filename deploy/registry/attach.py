"""Documents that the build of an image leaves in it (docs/build.md), stored beside it in the registry.

They are OCI artifacts whose `subject` is the image, which stays unchanged.
"""

from __future__ import annotations

import json
import posixpath
from dataclasses import dataclass
from typing import Final

from deploy.errors import ImageRefusedError, PushFailedError
from deploy.image.blobs import StoredBlob
from deploy.image.layers import read_file
from deploy.image.localimage import Image
from deploy.image.oci import OCI_MANIFEST, StoredManifest
from deploy.registry import silent
from deploy.registry.client import Registry
from deploy.registry.ecr import Repository
from deploy.registry.push import Pushed

SBOM: Final = "/opt/share/hwang-lambda/sbom.cdx.json"
VEX: Final = "/opt/share/hwang-lambda/vex.json"
_MAX_BYTES: Final = 16 * 1024 * 1024
CYCLONEDX: Final = "application/vnd.cyclonedx+json"
_EMPTY_TYPE: Final = "application/vnd.oci.empty.v1+json"
_TITLE: Final = "org.opencontainers.image.title"
_EMPTY: Final = StoredBlob.of(b"{}")


@dataclass(frozen=True)
class Document:
    """A document about an image, CycloneDX, with its file's name."""

    name: str
    data: bytes


def documents(image: Image) -> list[Document]:
    """Return the bill of materials and the answers to CVE records, if its build made any.

    Raises ImageRefusedError for an image without a bill of materials.
    """
    layers = image.saved.layers
    found = [Document(posixpath.basename(path), read_file(layers, path, _MAX_BYTES)) for path in (SBOM, VEX)]
    if not found[0].data:
        what = f"{image.reference} has no bill of materials that could be attached ({SBOM})"
        raise ImageRefusedError(what, then="push without --attach, or build it with this project's Dockerfile")
    return [document for document in found if document.data]


def attach(document: Document, pushed: Pushed, repository: Repository) -> str:
    """Store a document beside the image, unless it is there, read the list of referrers back, and return its digest.

    Raises PushFailedError and everything else that a push raises.
    """
    content = StoredBlob.of(document.data)
    with Registry(repository.address, repository.name, repository.login) as registry:
        subject = registry.manifest(pushed.digest)
        if subject is None:
            raise PushFailedError(f"{pushed.uri} is not there any more", then="run the same command again")
        artifact = _artifact(subject, content, document.name)
        if _is_listed(registry, artifact, pushed):
            return artifact.digest
        for blob in (content, _EMPTY):
            registry.upload(blob, silent)
        registry.put_manifest(artifact, artifact.digest)
        if not _is_listed(registry, artifact, pushed):
            what = f"{repository.uri} took {artifact.digest} and does not list it beside {pushed.digest}"
            raise PushFailedError(what, then="run the same command again")
        return artifact.digest


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
