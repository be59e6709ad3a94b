"""The files that an image was saved as: in a directory or in a tar, read in place."""

from __future__ import annotations

import posixpath
import tempfile
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from deploy.errors import ImageRefusedError
from deploy.image import oci
from deploy.image.streams import Seekable, StoredBlob, Window, bounded, compression_of, gunzipped, pieces_of
from deploy.image.tarfiles import Entry, Kind, TarError, entries

_START_BYTES: Final = 512
_MAX_MEMBERS: Final = 10_000  # an image has 127 layers at most
_MAX_ARCHIVE_BYTES: Final = 11 * 1024**3  # an image of 10 GB, and something for the wrapping
_MAX_LINKS: Final = 8


@dataclass(frozen=True)
class StoredFile:
    """A file of a bundle: `open` gives a seekable file of its own, which the caller closes."""

    size: int
    opener: Callable[[], BinaryIO]

    def open(self) -> BinaryIO:
        return self.opener()

    def start(self) -> bytes:
        with self.open() as file:
            return file.read(_START_BYTES)


class Bundle(Protocol):
    """Files by name; `name` is that of the whole, for messages."""

    name: str

    def find(self, path: str) -> StoredFile | None: ...


class Directory:
    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._path = path

    def find(self, path: str) -> StoredFile | None:
        file = self._path / path
        try:
            return StoredFile(file.stat().st_size, lambda: file.open("rb")) if file.is_file() else None
        except OSError as error:
            raise ImageRefusedError(f"{file} cannot be read: {error.strerror}", then="check its permissions") from None


class Archive:
    """A tar. It reads from `file`, which stays the caller's and has to stay open."""

    def __init__(self, name: str, file: BinaryIO) -> None:
        self.name = name
        self._file = file
        self._members: dict[str, Entry] = {}
        try:
            for entry in entries(Seekable(file)):
                self._members[posixpath.normpath(entry.name).lstrip("/")] = entry
                if len(self._members) > _MAX_MEMBERS:
                    raise ImageRefusedError(
                        f"{name} has more than {_MAX_MEMBERS:,} files: it is no saved image",
                        then="docker save IMAGE --output FILE",
                    )
        except TarError as error:
            raise ImageRefusedError(f"{name} is no sound tar: {error}", then="save the image again") from None

    def find(self, path: str) -> StoredFile | None:
        """Links are followed: older engines save a layer once, and name it several times."""
        for _ in range(_MAX_LINKS):
            entry = self._members.get(posixpath.normpath(path))
            if entry is None:
                return None
            if entry.kind is Kind.FILE:
                return StoredFile(entry.stored, partial(Window.open, self._file, entry.offset, entry.stored))
            base = posixpath.dirname(path) if entry.kind is Kind.SYMLINK else ""
            path = posixpath.join(base, entry.target)
        return None


def open_archive(path: Path, files: ExitStack) -> Archive:
    """The tar in a file, which gzip may have compressed: then it is unpacked into a temporary file."""
    try:
        file: BinaryIO = files.enter_context(path.open("rb"))
        compression = compression_of(file.read(_START_BYTES))
    except OSError as error:
        raise ImageRefusedError(f"{path} cannot be read: {error.strerror}", then="check its permissions") from None
    if compression == "zstd":
        raise ImageRefusedError(f"{path} is compressed by zstd", then=f"zstd -d {path}, then the tar that it makes")
    if compression == "gzip":
        file.seek(0)
        file = spool(bounded(gunzipped(pieces_of(file), str(path)), _MAX_ARCHIVE_BYTES, str(path)), str(path), files)
    elif compression == "unknown":
        raise ImageRefusedError(f"{path} is no tar", then="docker save IMAGE --output FILE")
    return Archive(str(path), file)


def spool(pieces: Iterable[bytes], what: str, files: ExitStack) -> BinaryIO:
    """A stream as a temporary file, which goes with `files`."""
    spooled = files.enter_context(tempfile.TemporaryFile(prefix="ecr-push-"))  # noqa: SIM115 - it is
    try:
        for piece in pieces:
            spooled.write(piece)
        spooled.flush()
    except OSError as error:
        raise ImageRefusedError(
            f"{what} does not fit into {tempfile.gettempdir()}: {error.strerror}",
            then="set TMPDIR to where there is room",
        ) from None
    return spooled


def document(bundle: Bundle, path: str) -> bytes:
    """A small file's bytes."""
    file = bundle.find(path)
    if file is None:
        raise ImageRefusedError(
            f"{bundle.name} has no {path}: it is no saved image, or a part is missing", then="save the image again"
        )
    if file.size > oci.MAX_DOCUMENT_BYTES:
        raise oci.too_big(f"{path} of {bundle.name}", file.size)
    with file.open() as opened:
        return opened.read()


def blob(bundle: Bundle, descriptor: oci.Descriptor) -> StoredFile:
    """The bytes that a descriptor is about, if their number is right."""
    path = blob_path(descriptor.digest)
    file = bundle.find(path)
    if file is None:
        raise ImageRefusedError(
            f"{bundle.name} has no {path}, which it refers to", then="save the image again, with all that belongs to it"
        )
    if file.size != descriptor.size:
        raise ImageRefusedError(
            f"{path} of {bundle.name} has {file.size:,} bytes, and should have {descriptor.size:,}",
            then="it is damaged: save the image again",
        )
    return file


def blob_path(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def blob_document(bundle: Bundle, descriptor: oci.Descriptor) -> bytes:
    """A small blob's bytes, verified."""
    blob(bundle, descriptor)
    data = document(bundle, blob_path(descriptor.digest))
    if oci.digest_of(data) != descriptor.digest:
        raise ImageRefusedError(
            f"{blob_path(descriptor.digest)} of {bundle.name} has other bytes than its name says",
            then="it is damaged: save the image again",
        )
    return data


def stored(file: StoredFile, digest: str) -> StoredBlob:
    return StoredBlob(digest, file.size, file.opener)
