"""Layers of an image as they are stored: verified, and searched for a file."""

from __future__ import annotations

import hashlib
import os
import tarfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, Final, TypeVar

from deploy.errors import ImageRefusedError
from deploy.image.blobs import Compression, StoredBlob, gunzipped, pieces_of
from deploy.image.oci import damaged

T = TypeVar("T")

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

    @contextmanager
    def _tar(self) -> Iterator[BinaryIO]:
        if self.compression not in READABLE:
            then = "build with --output type=image,compression=gzip,force-compression=true"
            raise ImageRefusedError(f"{self.name} is compressed by {self.compression}", then=then)
        with self.blob.open() as file:
            if self.compression == "none":
                yield file
                return
            with gunzipped(file, self.name) as unpacked:
                yield unpacked

    def unpacked(self) -> Iterator[bytes]:
        """Yield the tar in pieces. Raises ImageRefusedError for damage; for wrong bytes only at the end."""
        digest = hashlib.sha256()
        with self._tar() as tar:
            for piece in pieces_of(tar, self.name, MAX_IMAGE_BYTES):
                digest.update(piece)
                yield piece
        found = f"sha256:{digest.hexdigest()}"
        if found != self.diff_id:
            raise damaged(f"{self.name} does not have the bytes it is named for: {self.diff_id} is {found}")

    def measure(self) -> int:
        """Return the size of the tar. Reads and verifies all of it."""
        return sum(map(len, self.unpacked()))

    def find(self, path: str, limit: int) -> bytes | None:
        """Return a file's bytes, `limit` at most; empty if this layer removes it, None if it is silent about it."""
        folder, _, name = path.strip("/").rpartition("/")
        whiteout = f"{folder}/.wh.{name}"
        with self._tar() as tar:
            try:
                with tarfile.open(fileobj=tar, mode="r|") as entries:
                    for entry in entries:
                        known = entry.name.removeprefix("./").strip("/")
                        if known == whiteout:
                            return b""
                        if known == path.strip("/"):
                            file = entries.extractfile(entry) if entry.isreg() else None
                            return file.read(limit) if file else b""
            except (tarfile.TarError, ValueError, OverflowError) as error:
                raise damaged(f"{self.name} is no sound tar: {error}") from None
        return None


def each(work: Callable[[Layer], T], layers: Sequence[Layer]) -> list[T]:
    """Return the results of work on each layer, done on all processors."""
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        return list(pool.map(work, layers))


def read_file(layers: Sequence[Layer], path: str, limit: int) -> bytes:
    """Return a file of the image; empty if there is none, or more than `limit` bytes of it."""
    for layer in reversed(layers):
        data = layer.find(path, limit + 1)
        if data is not None:
            return data if len(data) <= limit else b""
    return b""
