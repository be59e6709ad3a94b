"""Files of a saved image: in a directory or in a tar, read in place."""

from __future__ import annotations

import posixpath
import tempfile
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final

from deploy.errors import ImageRefusedError
from deploy.image import oci
from deploy.image.streams import Seekable, StoredBlob, Window, bounded, gunzipped, pieces_of
from deploy.image.tarfiles import Entry, Kind, TarError, entries

_MAX_MEMBERS: Final = 10_000  # an image has 127 layers at most
_MAX_ARCHIVE_BYTES: Final = 11 * 1024**3  # an image of 10 GB, and something for the wrapping
_MAX_LINKS: Final = 8


@dataclass(frozen=True)
class Bundle:
    """Files by name. `find` returns None for a missing one; `name` is the whole bundle's, for messages."""

    name: str
    find: Callable[[str], StoredBlob | None]

    def file(self, path: str) -> StoredBlob:
        """Return a file. Raises ImageRefusedError if it is missing."""
        found = self.find(path)
        if found is None:
            raise ImageRefusedError(f"{self.name} has no {path}, which belongs to a saved image", then=_SAVE_AGAIN)
        return found

    def document(self, path: str) -> bytes:
        """Return the bytes of a small file."""
        file = self.file(path)
        if file.size > oci.MAX_DOCUMENT_BYTES:
            raise oci.too_big(f"{path} of {self.name}", file.size)
        with file.open() as opened:
            return opened.read()

    def blob(self, descriptor: oci.Descriptor) -> StoredBlob:
        """Return the bytes that a descriptor refers to. Raises ImageRefusedError if their number is wrong."""
        path = blob_path(descriptor.digest)
        file = self.file(path)
        if file.size != descriptor.size:
            raise ImageRefusedError(
                f"{path} of {self.name} has {file.size:,} bytes, not {descriptor.size:,}", then=_DAMAGED
            )
        return replace(file, digest=descriptor.digest)

    def blob_document(self, descriptor: oci.Descriptor) -> bytes:
        """Return the bytes of a small blob, verified."""
        self.blob(descriptor)
        path = blob_path(descriptor.digest)
        data = self.document(path)
        self.require_digest(path, data, descriptor.digest)
        return data

    def require_digest(self, path: str, data: bytes, digest: str) -> None:
        """Raises ImageRefusedError if the file's bytes have another digest than its name."""
        if oci.digest_of(data) != digest:
            raise ImageRefusedError(f"{path} of {self.name} has other bytes than its name says", then=_DAMAGED)


_SAVE_AGAIN: Final = "save the image again, with all that belongs to it"
_DAMAGED: Final = "it is damaged: save the image again"


def directory(path: Path) -> Bundle:
    """Return the files of a directory."""

    def find(name: str) -> StoredBlob | None:
        file = path / name
        try:
            return StoredBlob("", file.stat().st_size, lambda: file.open("rb")) if file.is_file() else None
        except OSError as error:
            raise _unreadable(file, error) from None

    return Bundle(str(path), find)


def archive(name: str, file: BinaryIO) -> Bundle:
    """Return the files of a tar. It reads from `file`, which the caller keeps open and closes.

    Links are followed: older engines save a layer once, under several names.
    """
    members: dict[str, Entry] = {}
    try:
        for entry in entries(Seekable(file)):
            members[posixpath.normpath(entry.name).lstrip("/")] = entry
            if len(members) > _MAX_MEMBERS:
                raise ImageRefusedError(
                    f"{name} has more than {_MAX_MEMBERS:,} files: it is no saved image",
                    then="docker save IMAGE --output FILE",
                )
    except TarError as error:
        raise ImageRefusedError(f"{name} is no sound tar: {error}", then="save the image again") from None

    def find(path: str) -> StoredBlob | None:
        for _ in range(_MAX_LINKS):
            entry = members.get(posixpath.normpath(path))
            if entry is None:
                return None
            if entry.kind is Kind.FILE:
                return StoredBlob("", entry.stored, partial(Window.open, file, entry.offset, entry.stored))
            base = posixpath.dirname(path) if entry.kind is Kind.SYMLINK else ""
            path = posixpath.join(base, entry.target)
        return None

    return Bundle(name, find)


def open_archive(path: Path, files: ExitStack) -> Bundle:
    """Open a tar file; one that gzip has compressed is unpacked into a temporary file."""
    try:
        file: BinaryIO = files.enter_context(path.open("rb"))
        compression = StoredBlob("", 0, lambda: path.open("rb")).compression
    except OSError as error:
        raise _unreadable(path, error) from None
    if compression == "zstd":
        raise ImageRefusedError(f"{path} is compressed by zstd", then=f"zstd -d {path}, then the tar that it makes")
    if compression == "unknown":
        raise ImageRefusedError(f"{path} is no tar", then="docker save IMAGE --output FILE")
    if compression == "gzip":
        file = spool(bounded(gunzipped(pieces_of(file), str(path)), _MAX_ARCHIVE_BYTES, str(path)), str(path), files)
    return archive(str(path), file)


def _unreadable(path: Path, error: OSError) -> ImageRefusedError:
    return ImageRefusedError(f"{path} cannot be read: {error.strerror}", then="check its permissions")


def spool(pieces: Iterable[bytes], what: str, files: ExitStack) -> BinaryIO:
    """Write a stream into a temporary file, which `files` closes and removes."""
    spooled = files.enter_context(tempfile.TemporaryFile(prefix="ecr-push-"))  # noqa: SIM115 - it is
    try:
        for piece in pieces:
            spooled.write(piece)
        spooled.flush()
    except OSError as error:
        raise ImageRefusedError(
            f"{what} does not fit into {tempfile.gettempdir()}: {error.strerror}", then="set TMPDIR to a larger disk"
        ) from None
    return spooled


def blob_path(digest: str) -> str:
    """Return the path of a blob in a layout."""
    return f"blobs/{digest.replace(':', '/')}"
