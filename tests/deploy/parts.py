"""Pieces of images, and ears for what is told of them."""

from __future__ import annotations

import io
import json
import random
from dataclasses import dataclass, field

from deploy.image.blobs import StoredBlob
from deploy.image.oci import OCI_INDEX, OCI_MANIFEST, StoredManifest, digest_of
from deploy.registry import LayerStatus


@dataclass(frozen=True, init=False)
class Bytes(StoredBlob):
    """A blob in memory. With another `digest` than its own it is a wrong one."""

    data: bytes

    def __init__(self, data: bytes, digest: str = "") -> None:
        super().__init__(digest or digest_of(data), len(data), lambda: io.BytesIO(data))
        object.__setattr__(self, "data", data)


def noise(size: int, seed: int = 0) -> Bytes:
    return Bytes(random.Random(f"{size} {seed}").randbytes(size))  # noqa: S311 - it hides nothing


def manifest_of(config: Bytes, *layers: Bytes) -> StoredManifest:
    kind = "application/vnd.oci.image"
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": f"{kind}.config.v1+json", "digest": config.digest, "size": config.size},
        "layers": [
            {"mediaType": f"{kind}.layer.v1.tar+gzip", "digest": layer.digest, "size": layer.size} for layer in layers
        ],
    }
    return StoredManifest(json.dumps(document).encode(), OCI_MANIFEST)


def index_of(*children: tuple[StoredManifest, str]) -> StoredManifest:
    """An index of manifests, each with its platform as OS/ARCHITECTURE."""
    manifests = [
        {
            "mediaType": child.media_type,
            "digest": child.digest,
            "size": len(child.data),
            "platform": dict(zip(("os", "architecture"), platform.split("/"), strict=True)),
        }
        for child, platform in children
    ]
    return StoredManifest(
        json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests}).encode(), OCI_INDEX
    )


@dataclass
class Heard:
    """A Progress that remembers."""

    events: list[tuple[str, LayerStatus, int, int]] = field(default_factory=list)

    def __call__(self, id: str, status: LayerStatus, done: int, total: int) -> None:  # noqa: A002
        self.events.append((id, status, done, total))

    def last(self, id: str) -> tuple[LayerStatus, int, int]:  # noqa: A002
        return [event[1:] for event in self.events if event[0] == id][-1]
