"""Layers of an image as they are stored: their entries, verified, and the contents of their files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
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
    """A layer. `compression` is that of the bytes of `blob`; `diff_id` is the digest of the tar in it.

    `name` is for messages. `media_type` is the manifest's for the layer, empty if there is no manifest yet.
    """

    name: str
    blob: StoredBlob
    diff_id: str
    media_type: str
    compression: Compression

    def unpacked(self, file: BinaryIO) -> Iterator[bytes]:
        """Yield the tar in pieces. Raises ImageRefusedError for damage; for wrong bytes only at the end."""
        packed = pieces_of(file)
        if self.compression == "gzip":
            if self.blob.digest:
                packed = verified(packed, self.blob.digest, self.name)
            packed = gunzipped(packed, self.name)
        return verified(bounded(packed, MAX_IMAGE_BYTES, self.name), self.diff_id, self.name)

    def listed(self) -> list[Entry]:
        """Return its entries. Reads and verifies all of it."""
        if self.compression not in READABLE:
            raise ImageRefusedError(
                f"{self.name} cannot be read here ({self.compression})", then="build it with gzip layers"
            )
        with self.blob.open() as file:
            tar = Pieces(self.unpacked(file))
            try:
                found = list(islice(entries(tar, hashed=True), MAX_NODES + 1))
            except TarError as error:
                raise ImageRefusedError(f"{self.name} is no sound tar: {error}", then="save the image again") from None
            tar.drain()
        return found


def _read(layers: Sequence[Layer], _: str, layer: int, entry: Entry, limit: int) -> bytes:
    stored, wanted = layers[layer], min(entry.stored, limit)
    with stored.blob.open() as file:
        if stored.compression == "none":
            file.seek(entry.offset)
            return file.read(wanted)
        tar = Pieces(gunzipped(pieces_of(file), stored.name))
        tar.skip(entry.offset)
        return tar.read(wanted)


def filesystem_of(layers: Sequence[Layer]) -> Filesystem:
    """Lay layers over each other, the lowest first. Raises ImageRefusedError if one is damaged."""
    files = Filesystem(partial(_read, layers))
    with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
        for listed in pool.map(Layer.listed, layers):
            files.add(listed)
    return files
