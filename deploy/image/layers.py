"""The layers of an image as they are stored: what they list, verified, and what is in their files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO, Final

from deploy.errors import ImageRefusedError
from deploy.image.filesystem import MAX_NODES, Filesystem
from deploy.image.streams import Compression, Pieces, StoredBlob, bounded, gunzipped, pieces_of, verified
from deploy.image.tarfiles import Entry, TarError, entries

MAX_IMAGE_BYTES: Final = 10 * 1024**3  # Lambda takes no more in a whole image
READABLE: Final = frozenset({"none", "gzip"})


@dataclass(frozen=True)
class Layer:
    """`blob` may be compressed, and how is told by its bytes; `diff_id` is the digest of the tar in it.

    `name` is for messages. `media_type` is the manifest's word for the layer, empty where nobody has made a manifest.
    """

    name: str
    blob: StoredBlob
    diff_id: str
    media_type: str
    compression: Compression

    def unpacked(self, file: BinaryIO) -> Iterator[bytes]:
        """The tar in pieces. Raises ImageRefusedError for damage, at the end if the bytes are not the right ones."""
        packed = pieces_of(file)
        if self.compression == "gzip":
            if self.blob.digest:
                packed = verified(packed, self.blob.digest, self.name)
            packed = gunzipped(packed, self.name)
        return verified(bounded(packed, MAX_IMAGE_BYTES, self.name), self.diff_id, self.name)

    def listed(self) -> list[Entry]:
        """What is in it. Reads all of it."""
        if self.compression not in READABLE:
            raise ImageRefusedError(
                f"{self.name} cannot be read here: {self.compression} compression", then="build it with gzip layers"
            )
        with self.blob.open() as file:
            tar = Pieces(self.unpacked(file))
            try:
                found = list(islice(entries(tar), MAX_NODES + 1))
            except TarError as error:
                raise ImageRefusedError(
                    f"{self.name} is no sound tar: {error}", then="build or save the image again"
                ) from None
            tar.drain()
        return found


@dataclass(frozen=True)
class LayerContents:
    """Reads files out of layers (`filesystem.Contents`)."""

    layers: Sequence[Layer]

    def read(self, path: str, layer: int, entry: Entry, limit: int) -> bytes:  # noqa: ARG002 - the entry is enough
        stored, wanted = self.layers[layer], min(entry.stored, limit)
        with stored.blob.open() as file:
            if stored.compression == "none":
                file.seek(entry.offset)
                return file.read(wanted)
            tar = Pieces(gunzipped(pieces_of(file), stored.name))
            tar.skip(entry.offset)
            return tar.read(wanted)


def filesystem_of(layers: Sequence[Layer]) -> Filesystem:
    """The files of layers, the lowest first. Raises ImageRefusedError if one is damaged."""
    files = Filesystem(LayerContents(layers))
    with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
        for listed in pool.map(Layer.listed, layers):
            files.add(listed)
    return files
