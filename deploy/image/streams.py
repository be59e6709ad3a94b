"""Bytes of images: parts of files, unpacked as they are read, with their digests verified and their amount bounded.

Streams here are iterators of pieces, so that they can be put one after another:

    Pieces(bounded(gunzipped(pieces_of(file), what), limit, what))
"""

from __future__ import annotations

import hashlib
import io
import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final, Literal, TypeAlias, cast

from deploy.errors import ImageRefusedError

Compression: TypeAlias = Literal["none", "gzip", "zstd", "unknown"]

PIECE_BYTES: Final = 1024 * 1024
_AGAIN: Final = "it is damaged: build or save the image again"


@dataclass(frozen=True)
class StoredBlob:
    """Bytes with a name. `open` gives a seekable file of its own, which the caller closes, as often as asked."""

    digest: str
    size: int
    opener: Callable[[], BinaryIO]

    def open(self) -> BinaryIO:
        return self.opener()


class Window(io.RawIOBase):
    """A part of an open file, as a file that is read only; it may outlive that file."""

    def __init__(self, file: BinaryIO, offset: int, size: int) -> None:
        self._file = os.dup(file.fileno())
        self._offset = offset
        self._size = size
        self._position = 0

    @classmethod
    def open(cls, file: BinaryIO, offset: int, size: int) -> BinaryIO:
        return cast(BinaryIO, cls(file, offset, size))

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = max(0, start + offset)
        return self._position

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type] # typeshed has no name for it before Python 3.12
        wanted = max(0, min(len(view), self._size - self._position))
        count = os.preadv(self._file, [view[:wanted]], self._offset + self._position) if wanted else 0
        self._position += count
        return count

    def close(self) -> None:
        if not self.closed:
            os.close(self._file)
        super().close()


def compression_of(start: bytes) -> Compression:
    """Of a layer that begins so. A tar has its mark at byte 257, an empty one is zeros."""
    if start.startswith(b"\x1f\x8b"):
        return "gzip"
    if start.startswith(b"\x28\xb5\x2f\xfd"):
        return "zstd"
    return "none" if start[257:262] == b"ustar" or not any(start[:512]) else "unknown"


def pieces_of(file: BinaryIO) -> Iterator[bytes]:
    while piece := file.read(PIECE_BYTES):
        yield piece


def gunzipped(pieces: Iterable[bytes], what: str) -> Iterator[bytes]:
    """Also of several gzip streams one after another. Raises ImageRefusedError for damage, naming `what`."""
    unpack, begun = zlib.decompressobj(wbits=31), False
    try:
        for packed in pieces:
            while packed:
                piece = unpack.decompress(packed, PIECE_BYTES)
                begun = True
                if piece:
                    yield piece
                if unpack.eof:
                    packed, unpack, begun = unpack.unused_data, zlib.decompressobj(wbits=31), False
                else:
                    packed = unpack.unconsumed_tail
    except zlib.error as error:
        raise ImageRefusedError(f"{what} is no sound gzip: {error}", then=_AGAIN) from None
    if begun:
        raise ImageRefusedError(f"{what} is cut off", then=_AGAIN)


def verified(pieces: Iterable[bytes], digest: str, what: str) -> Iterator[bytes]:
    """Raises ImageRefusedError at the end if the bytes were not those that the digest names."""
    found = hashlib.sha256()
    for piece in pieces:
        found.update(piece)
        yield piece
    if f"sha256:{found.hexdigest()}" != digest:
        raise ImageRefusedError(
            f"{what} does not have the bytes it is named for: {digest} is sha256:{found.hexdigest()}", then=_AGAIN
        )


def bounded(pieces: Iterable[bytes], limit: int, what: str) -> Iterator[bytes]:
    """Raises ImageRefusedError after `limit` bytes."""
    seen = 0
    for piece in pieces:
        seen += len(piece)
        if seen > limit:
            raise ImageRefusedError(
                f"{what} has more than {limit / 1024**3:.0f} GiB unpacked",
                then="make the image smaller: Lambda takes 10 GB",
            )
        yield piece


class Pieces:
    """Reads a stream of pieces as a tar reader wants it (`tarfiles.Input`)."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._piece = memoryview(b"")

    def read(self, size: int) -> bytes:
        if size <= len(self._piece):
            taken, self._piece = self._piece[:size], self._piece[size:]
            return bytes(taken)
        return b"".join(self._taken(size))

    def skip(self, size: int) -> int:
        return sum(map(len, self._taken(size)))

    def drain(self) -> None:
        """Reads to the end, where digests are compared."""
        self._piece = memoryview(b"")
        for _ in self._pieces:
            pass

    def _taken(self, size: int) -> Iterator[memoryview]:
        while size:
            if not self._piece:
                self._piece = memoryview(next(self._pieces, b""))
                if not self._piece:
                    return
            taken, self._piece = self._piece[:size], self._piece[size:]
            size -= len(taken)
            yield taken


class Seekable:
    """Reads a file as a tar reader wants it, without touching what is skipped."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._end = file.seek(0, os.SEEK_END)
        file.seek(0)

    def read(self, size: int) -> bytes:
        return self._file.read(size)

    def skip(self, size: int) -> int:
        start = self._file.tell()
        return self._file.seek(min(start + size, self._end)) - start
