"""Tiny images that Lambda would take, made for a test: a layer, a configuration, a manifest."""

from __future__ import annotations

import gzip
import io
import itertools
import json
import tarfile
from dataclasses import dataclass, field, replace
from typing import Any, Final

from tests.support.aws.ecr_state import INDEXES, MANIFESTS, digest_of
from tests.support.aws.registry import Registry

_OCI: Final = {
    "manifest": MANIFESTS[1],
    "config": "application/vnd.oci.image.config.v1+json",
    "layer": "application/vnd.oci.image.layer.v1.tar+gzip",
}
_DOCKER: Final = {
    "manifest": MANIFESTS[0],
    "config": "application/vnd.docker.container.image.v1+json",
    "layer": "application/vnd.docker.image.rootfs.diff.tar.gzip",
}
_numbers: Final = itertools.count(1)


@dataclass(frozen=True)
class SampleImage:
    """`repository` is where it was pushed to; `blobs` are by digest. `architecture` is as Docker names it."""

    manifest: bytes = field(repr=False)
    media_type: str
    blobs: dict[str, bytes] = field(repr=False)
    architecture: str = "amd64"
    repository: str = ""
    tag: str = ""

    @property
    def digest(self) -> str:
        return digest_of(self.manifest)


def make(
    architecture: str = "amd64",
    *,
    content: str = "",
    docker: bool = False,
    labels: dict[str, str] | None = None,
    layer_type: str = "",
) -> SampleImage:
    """An image with one file. `content` is in it: without it, every image is another. `docker`: in Docker's types."""
    types = _DOCKER if docker else _OCI
    tar = _tar("var/task/content", (content or f"image {next(_numbers)}").encode())
    layer = gzip.compress(tar, mtime=0)
    config = {
        "architecture": architecture,
        "os": "linux",
        "config": {"Entrypoint": ["/lambda-entrypoint.sh"], "Cmd": ["handler.handler"], "Labels": labels or {}},
        "rootfs": {"type": "layers", "diff_ids": [digest_of(tar)]},
    }
    config_data = json.dumps(config).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": types["manifest"],
        "config": _descriptor(types["config"], config_data),
        "layers": [_descriptor(layer_type or types["layer"], layer)],
    }
    blobs = {digest_of(data): data for data in (config_data, layer)}
    return SampleImage(json.dumps(manifest).encode(), types["manifest"], blobs, architecture)


def index(*images: SampleImage) -> SampleImage:
    """An OCI index of these."""
    document = {
        "schemaVersion": 2,
        "mediaType": INDEXES[1],
        "manifests": [
            _descriptor(image.media_type, image.manifest)
            | {"platform": {"os": "linux", "architecture": image.architecture}}
            for image in images
        ],
    }
    return SampleImage(json.dumps(document).encode(), INDEXES[1], {})


def push(registry: Registry, repository: str, image: SampleImage, tag: str = "") -> SampleImage:
    """The image in the repository, put there by the registry's own protocol."""
    for digest, data in image.blobs.items():
        upload = registry.do(repository, "POST", "/blobs/uploads/").headers["Docker-Upload-Uuid"]
        registry.do(repository, "PUT", f"/blobs/uploads/{upload}?digest={digest}", data)
    registry.do(repository, "PUT", f"/manifests/{tag or image.digest}", image.manifest, image.media_type)
    return replace(image, repository=repository, tag=tag)


def _descriptor(media_type: str, data: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest_of(data), "size": len(data)}


def _tar(name: str, data: bytes) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        entry = tarfile.TarInfo(name)
        entry.size = len(data)
        archive.addfile(entry, io.BytesIO(data))
    return stream.getvalue()
