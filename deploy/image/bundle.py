"""Files of a saved image: in a directory or in a tar, read in place."""

from __future__ import annotations

import posixpath
import tarfile
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final

from deploy.errors import ImageRefusedError
from deploy.image import oci
from deploy.image.blobs import StoredBlob, Window, gunzipped, pieces_of

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
            raise oci.damaged(f"{self.name} has no {path}, which belongs to a saved image")
        return found

    def document(self, path: str) -> bytes:
        """Return the bytes of a small file."""
        file = self.file(path)
        if file.size > oci.MAX_DOCUMENT_BYTES:
            raise oci.too_big(f"{path} of {self.name}", file.size)
        return file.read()

    def blob_path(self, digest: str) -> str:
        """Return the path of a blob in a layout."""
        return f"blobs/sha256/{digest.removeprefix('sha256:')}"

    def blob(self, descriptor: oci.Descriptor) -> StoredBlob:
        """Return the bytes that a descriptor refers to. Raises ImageRefusedError if their number is wrong."""
        path = self.blob_path(descriptor.digest)
        file = self.file(path)
        if file.size != descriptor.size:
            raise oci.damaged(f"{path} of {self.name} has {file.size:,} bytes, not {descriptor.size:,}")
        return replace(file, digest=descriptor.digest)

    def parsed(self, model: type[oci.Model], descriptor: oci.Descriptor) -> tuple[bytes, oci.Model]:
        """Return a document that a descriptor refers to, verified: its bytes, and what they say."""
        self.blob(descriptor)
        path = self.blob_path(descriptor.digest)
        data = self.document(path)
        self.require_digest(path, data, descriptor.digest)
        return data, oci.parse(model, data, f"{path} of {self.name}")

    def require_digest(self, path: str, data: bytes, digest: str) -> None:
        """Raises ImageRefusedError if the file's bytes have another digest than its name."""
        if oci.digest_of(data) != digest:
            raise oci.damaged(f"{path} of {self.name} has other bytes than its name says")


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
    members: dict[str, tarfile.TarInfo] = {}
    lock = threading.Lock()
    try:
        with tarfile.open(fileobj=file, mode="r:") as tar:
            for member in tar:
                members[posixpath.normpath(member.name).lstrip("/")] = member
                if len(members) > _MAX_MEMBERS:
                    what = f"{name} has more than {_MAX_MEMBERS:,} files: it is no saved image"
                    raise ImageRefusedError(what, then="docker save IMAGE --output FILE")
    except (tarfile.TarError, ValueError, OverflowError, EOFError) as error:
        raise oci.damaged(f"{name} is no sound tar: {error}") from None

    def find(path: str) -> StoredBlob | None:
        for _ in range(_MAX_LINKS):
            member = members.get(posixpath.normpath(path))
            if member is None:
                return None
            if member.isreg():
                return StoredBlob("", member.size, partial(Window.open, file, lock, member.offset_data, member.size))
            base = posixpath.dirname(path) if member.issym() else ""
            path = posixpath.join(base, member.linkname)
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
        with gunzipped(file, str(path)) as unpacked:
            pieces = pieces_of(unpacked, str(path), _MAX_ARCHIVE_BYTES)
            file = files.enter_context(StoredBlob.spooled(pieces, str(path), files).open())
    return archive(str(path), file)


def _unreadable(path: Path, error: OSError) -> ImageRefusedError:
    return ImageRefusedError(f"{path} cannot be read: {error.strerror}", then="check its permissions")
