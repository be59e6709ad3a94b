"""An image in a form that registries and Lambda take: blobs to upload and the manifest that names them."""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Final

from deploy.errors import ImageRefusedError
from deploy.image import oci
from deploy.image.bundle import spool
from deploy.image.layers import READABLE, Layer
from deploy.image.localimage import Image
from deploy.image.oci import StoredManifest
from deploy.image.streams import StoredBlob, Window

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
    manifest is made. The configuration is always the image's own, and so is its digest. Raises ImageRefusedError for
    damage, and for an image whose configuration only an engine has: `image.engine` pushes that.
    """
    if image.config_bytes is None:
        raise ImageRefusedError(f"{image.reference} is pushed by its engine", then="docker save it first")
    layers = {layer.diff_id: layer for layer in image.layers}
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        blobs = dict(zip(layers, pool.map(partial(_packed, image), layers.values()), strict=True))
    config = StoredBlob.of(image.config_bytes)
    packed = [blobs[layer.diff_id] for layer in image.layers]
    is_complete = all(blob.digest == layer.blob.digest for blob, layer in zip(packed, image.layers, strict=True))
    manifest = image.manifest if image.manifest and is_complete else _manifest(config, packed)
    return Pushable(tuple(dict.fromkeys(packed)), config, manifest)


def _packed(image: Image, layer: Layer) -> StoredBlob:
    """Return the layer as gzip: as it is stored, or compressed now."""
    if layer.compression not in READABLE:
        raise ImageRefusedError(
            f"{layer.name} is compressed by {layer.compression}", then="build with compression=gzip"
        )
    if layer.compression == "gzip" and layer.blob.digest:
        return layer.blob
    digest = hashlib.sha256()

    def packed() -> Iterator[bytes]:
        with layer.blob.open() as file:
            for piece in _gzipped(layer.unpacked(file)):
                digest.update(piece)
                yield piece

    file = spool(packed(), layer.name, image.files)
    size = file.tell()
    return StoredBlob(f"sha256:{digest.hexdigest()}", size, lambda: Window.open(file, 0, size))


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
        "config": _descriptor(oci.DOCKER_CONFIG, config),
        "layers": [_descriptor(oci.DOCKER_LAYER_GZIP, layer) for layer in layers],
    }
    return StoredManifest(json.dumps(document, indent=3).encode(), oci.DOCKER_MANIFEST)


def _descriptor(media_type: str, blob: StoredBlob) -> dict[str, object]:
    return {"mediaType": media_type, "size": blob.size, "digest": blob.digest}
