"""Documents that the build of an image leaves in it (docs/build.md), stored beside it in the registry.

They are OCI artifacts whose `subject` is the image, which stays unchanged.
"""

from __future__ import annotations

import json
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


def read_sbom(image: Image) -> bytes:
    """Return the bill of materials, CycloneDX. Raises ImageRefusedError for an image without one."""
    data = read_file(image.saved.layers, SBOM, _MAX_BYTES)
    if not data:
        what = f"{image.reference} has no bill of materials that could be attached ({SBOM})"
        raise ImageRefusedError(what, then="push without --attach, or build it with this project's Dockerfile")
    return data


def read_vex(image: Image) -> bytes:
    """Return the answers to CVE records, CycloneDX VEX; empty if an older build made none."""
    return read_file(image.saved.layers, VEX, _MAX_BYTES)


def attach(data: bytes, name: str, pushed: Pushed, repository: Repository) -> str:
    """Store the data beside the image, unless it is there, read the list of referrers back, and return its digest.

    Raises PushFailedError and everything else that a push raises.
    """
    content = StoredBlob.of(data)
    with Registry(repository.address, repository.name, repository.login) as registry:
        subject = registry.manifest(pushed.digest)
        if subject is None:
            raise PushFailedError(f"{pushed.uri} is not there any more", then="run the same command again")
        artifact = _artifact(subject, content, name)
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
