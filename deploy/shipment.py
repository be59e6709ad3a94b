"""An image as a registry takes it: blobs to upload and the manifest that names them.

with open_image("image.tar") as image:
    shipment = pack(image)
    for blob in (*shipment.layers, shipment.config):
        upload(blob)                      # blob.digest, blob.size, blob.open()
    put(shipment.manifest.data, shipment.manifest.media_type)   # its digest: shipment.manifest.digest
"""

from __future__ import annotations

from dataclasses import dataclass

from deploy.localimage import Image
from deploy.oci import StoredManifest
from deploy.streams import StoredBlob as Blob


@dataclass(frozen=True)
class Shipment:
    """`layers` are the lowest first, without repetition, compressed by gzip each. All of it lives as long as the image."""

    layers: tuple[Blob, ...]
    config: Blob
    manifest: StoredManifest


def pack(image: Image) -> Shipment:
    """The image's own manifest and bytes where it has a manifest and all its layers are compressed.

    Else its layers are compressed (the same bytes each time on one machine), into temporary files, and a manifest is made.
    The configuration is always the image's own, so that its digest is. Not for an image that only an engine has configured:
    `image.engine` pushes that.
    """
    raise NotImplementedError
