"""An image in a form that registries and Lambda take: blobs to upload and the manifest that names them."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from deploy.image import oci
from deploy.image.blobs import StoredBlob
from deploy.image.layers import Layer, each
from deploy.image.localimage import Image
from deploy.image.oci import StoredManifest

_LEVEL: Final = 6
_GZIP: Final = 31  # zlib's window with gzip's header, in which there is neither a name nor a time


@dataclass(frozen=True)
class Pushable:
    """An image's layers (the lowest first, each once, compressed by gzip), usable as long as the image is open."""

    layers: tuple[StoredBlob, ...]
    config: StoredBlob
    manifest: StoredManifest


def pack(image: Image) -> Pushable:
    """Return the image's own manifest and bytes if it has a manifest and all its layers are compressed.

    Otherwise its layers are compressed into temporary files, with the same bytes each time on one machine, and a
    manifest is made; a layer that is compressed keeps its bytes. The configuration is always the image's own, and so is
    its digest. Raises ImageRefusedError for damage.
    """
    image = image.saved
    layers = {layer.diff_id: layer for layer in image.layers}
    blobs = dict(zip(layers, each(partial(_packed, image), list(layers.values())), strict=True))
    config = StoredBlob.of(image.config_bytes)
    packed = [blobs[layer.diff_id] for layer in image.layers]
    is_complete = all(
        blob.digest == layer.blob.digest and oci.LAYERS.get(layer.media_type) == "gzip"
        for blob, layer in zip(packed, image.layers, strict=True)
    )
    manifest = image.manifest if image.manifest and is_complete else _manifest(config, packed)
    return Pushable(tuple(dict.fromkeys(packed)), config, manifest)


def _packed(image: Image, layer: Layer) -> StoredBlob:
    """Return the layer as gzip: as it is stored, or compressed now."""
    if layer.compression == "gzip":
        if layer.blob.digest:
            return layer.blob
        with layer.blob.open() as file:
            digest = hashlib.file_digest(file, "sha256")  # type: ignore[arg-type] # binary files have readinto
            return replace(layer.blob, digest=f"sha256:{digest.hexdigest()}")
    return StoredBlob.spooled(_gzipped(layer.unpacked()), layer.name, image.files)


def _gzipped(pieces: Iterator[bytes]) -> Iterator[bytes]:
    pack = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    for piece in pieces:
        if packed := pack.compress(piece):
            yield packed
    yield pack.flush()


def _manifest(config: StoredBlob, layers: list[StoredBlob]) -> StoredManifest:
    """Return a manifest of Docker's type, as an engine makes it of the same image."""
    document = {
        "schemaVersion": 2,
        "mediaType": oci.DOCKER_MANIFEST,
        "config": config.described_as(oci.DOCKER_CONFIG),
        "layers": [layer.described_as(oci.DOCKER_LAYER_GZIP) for layer in layers],
    }
    return StoredManifest(json.dumps(document, indent=3).encode(), oci.DOCKER_MANIFEST)
