"""Bytes of images: files, parts of files, and what is packed or unpacked from them."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tempfile
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import BinaryIO, Final, Literal, Self, TypeAlias, cast

from deploy.errors import ImageRefusedError
from deploy.image.oci import damaged, digest_of

Compression: TypeAlias = Literal["none", "gzip", "zstd", "unknown"]

PIECE_BYTES: Final = 1024 * 1024


@dataclass(frozen=True)
class StoredBlob:
    """Bytes that can be read again and again. `digest` is empty if nothing names it.

    `open` returns a new seekable file, which the caller closes.
    """

    digest: str
    size: int
    open: Callable[[], BinaryIO]

    @classmethod
    def of(cls, data: bytes) -> Self:
        """Keep the bytes in memory."""
        return cls(digest_of(data), len(data), lambda: io.BytesIO(data))

    @classmethod
    def spooled(cls, pieces: Iterable[bytes], what: str, files: ExitStack) -> Self:
        """Write the bytes into a temporary file, which `files` closes and removes. `what` names them in errors."""
        spooled = files.enter_context(tempfile.TemporaryFile(prefix="ecr-push-"))  # noqa: SIM115 - it is
        digest = hashlib.sha256()
        try:
            for piece in pieces:
                spooled.write(piece)
                digest.update(piece)
            spooled.flush()
        except gzip.BadGzipFile:  # an OSError of what is read
            raise
        except OSError as error:
            full = f"{what} does not fit into {tempfile.gettempdir()}: {error.strerror}"
            raise ImageRefusedError(full, then="set TMPDIR to a larger disk") from None
        size, lock = spooled.tell(), threading.Lock()
        return cls(f"sha256:{digest.hexdigest()}", size, lambda: Window.open(spooled, lock, 0, size))

    def described_as(self, media_type: str) -> dict[str, object]:
        """Return a descriptor for a manifest."""
        return {"mediaType": media_type, "size": self.size, "digest": self.digest}

    def read(self) -> bytes:
        """Return all bytes."""
        with self.open() as file:
            return file.read()

    @property
    def compression(self) -> Compression:
        """Compression, recognised by the first bytes. A tar has its mark at byte 257; an empty tar is zeros."""
        with self.open() as file:
            start = file.read(512)
        if start.startswith(b"\x1f\x8b"):
            return "gzip"
        if start.startswith(b"\x28\xb5\x2f\xfd"):
            return "zstd"
        return "none" if start[257:262] == b"ustar" or not any(start) else "unknown"


class Window(io.RawIOBase):
    """Read-only view of a part of a file that other views read too; `lock` is for all views of the file."""

    def __init__(self, file: BinaryIO, lock: threading.Lock, offset: int, size: int) -> None:
        self._file = file
        self._lock = lock
        self._offset = offset
        self._size = size
        self._position = 0

    @classmethod
    def open(cls, file: BinaryIO, lock: threading.Lock, offset: int, size: int) -> BinaryIO:
        """Return the view as an ordinary binary file."""
        return cast(BinaryIO, cls(file, lock, offset, size))

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move within the part and return the new position."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = max(0, start + offset)
        return self._position

    def readinto(self, buffer: object) -> int:
        """Read into the buffer."""
        wanted = max(0, self._size - self._position)
        view = memoryview(buffer).cast("B")[:wanted]  # type: ignore[arg-type] # typeshed names it from Python 3.12 on
        with self._lock:
            self._file.seek(self._offset + self._position)
            count: int = self._file.readinto(view)  # type: ignore[attr-defined] # binary files have it
        self._position += count
        return count


@contextmanager
def gunzipped(file: BinaryIO, what: str) -> Iterator[BinaryIO]:
    """Read what gzip has compressed; `what` names it in errors. Raises ImageRefusedError for damage, in the block."""
    try:
        with gzip.open(file) as unpacked:
            yield cast(BinaryIO, unpacked)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise damaged(f"{what} is no sound gzip: {error}") from None


def pieces_of(file: BinaryIO, what: str, most: int) -> Iterator[bytes]:
    """Read a file from its position to its end. Raises ImageRefusedError for more than `most` bytes."""
    size = 0
    while piece := file.read(PIECE_BYTES):
        size += len(piece)
        if size > most:
            then = "Lambda takes 10 GB"
            raise ImageRefusedError(f"{what} has more than {most / 1024**3:.0f} GiB unpacked", then=then)
        yield piece
