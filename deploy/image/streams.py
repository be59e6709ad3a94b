"""Bytes of images: parts of files, unpacked as they are read, with digests verified and sizes bounded.

Streams here are iterators of pieces, so that they can be chained:

    Pieces(bounded(gunzipped(pieces_of(file), what), limit, what))
"""

from __future__ import annotations

import hashlib
import io
import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final, Literal, Self, TypeAlias, cast

from deploy.errors import ImageRefusedError
from deploy.image.oci import digest_of

Compression: TypeAlias = Literal["none", "gzip", "zstd", "unknown"]

PIECE_BYTES: Final = 1024 * 1024
_HEAD_BYTES: Final = 512
_AGAIN: Final = "it is damaged: build or save the image again"


@dataclass(frozen=True)
class StoredBlob:
    """Bytes that can be read again and again. `digest` is empty if nothing names it."""

    digest: str
    size: int
    opener: Callable[[], BinaryIO]

    @classmethod
    def of(cls, data: bytes) -> Self:
        """Keep the bytes in memory."""
        return cls(digest_of(data), len(data), lambda: io.BytesIO(data))

    def open(self) -> BinaryIO:
        """Return a new seekable file, which the caller closes."""
        return self.opener()

    @property
    def compression(self) -> Compression:
        """Compression of a layer, recognised by its first bytes."""
        with self.open() as file:
            return compression_of(file.read(_HEAD_BYTES))


class Window(io.RawIOBase):
    """Read-only view of a part of an open file; it stays usable after that file is closed."""

    def __init__(self, file: BinaryIO, offset: int, size: int) -> None:
        self._file = os.dup(file.fileno())
        self._offset = offset
        self._size = size
        self._position = 0

    @classmethod
    def open(cls, file: BinaryIO, offset: int, size: int) -> BinaryIO:
        """Return the view as an ordinary binary file."""
        return cast(BinaryIO, cls(file, offset, size))

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move within the part and return the new position."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = max(0, start + offset)
        return self._position

    def readinto(self, buffer: object) -> int:
        """Read into the buffer without moving the position of the underlying file."""
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type] # typeshed has no name for it before Python 3.12
        wanted = max(0, min(len(view), self._size - self._position))
        count = os.preadv(self._file, [view[:wanted]], self._offset + self._position) if wanted else 0
        self._position += count
        return count

    def close(self) -> None:
        """Close the view, not the file."""
        if not self.closed:
            os.close(self._file)
        super().close()


def compression_of(start: bytes) -> Compression:
    """Return the compression of a layer that begins with these bytes.

    A tar has its mark at byte 257; an empty tar is zeros.
    """
    if start.startswith(b"\x1f\x8b"):
        return "gzip"
    if start.startswith(b"\x28\xb5\x2f\xfd"):
        return "zstd"
    return "none" if start[257:262] == b"ustar" or not any(start[:512]) else "unknown"


def pieces_of(file: BinaryIO) -> Iterator[bytes]:
    """Read a file from its position to its end."""
    while piece := file.read(PIECE_BYTES):
        yield piece


def gunzipped(pieces: Iterable[bytes], what: str) -> Iterator[bytes]:
    """Unpack gzip, several streams one after another included. Raises ImageRefusedError, naming `what`, for damage."""
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
    """Pass bytes on. Raises ImageRefusedError at the end if their digest is another one."""
    found = hashlib.sha256()
    for piece in pieces:
        found.update(piece)
        yield piece
    if f"sha256:{found.hexdigest()}" != digest:
        raise ImageRefusedError(
            f"{what} does not have the bytes it is named for: {digest} is sha256:{found.hexdigest()}", then=_AGAIN
        )


def bounded(pieces: Iterable[bytes], limit: int, what: str) -> Iterator[bytes]:
    """Pass bytes on. Raises ImageRefusedError after `limit` bytes."""
    seen = 0
    for piece in pieces:
        seen += len(piece)
        if seen > limit:
            raise ImageRefusedError(
                f"{what} has more than {limit / 1024**3:.0f} GiB unpacked", then="Lambda takes 10 GB"
            )
        yield piece


class Pieces:
    """Input of a tar reader (`tarfiles.Input`) from a stream of pieces."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._piece = memoryview(b"")

    def read(self, size: int) -> bytes:
        """Return the next bytes; fewer than `size` at the end."""
        if size <= len(self._piece):
            taken, self._piece = self._piece[:size], self._piece[size:]
            return bytes(taken)
        return b"".join(self._taken(size))

    def skip(self, size: int) -> int:
        """Discard bytes and return how many there were."""
        return sum(map(len, self._taken(size)))

    def drain(self) -> None:
        """Read to the end, where digests are compared."""
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
    """Input of a tar reader (`tarfiles.Input`) from a file; skipped bytes are not read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._end = file.seek(0, os.SEEK_END)
        file.seek(0)

    def read(self, size: int) -> bytes:
        """Return the next bytes; fewer than `size` at the end."""
        return self._file.read(size)

    def skip(self, size: int) -> int:
        """Move on and return by how many bytes."""
        start = self._file.tell()
        return self._file.seek(min(start + size, self._end)) - start
