"""Reads a source archive that is pinned by its git tree id.

    git_tree.py ARCHIVE     the id of the tree below the archive's top directory

A host that compresses a commit on request serves other bytes each time, but always the same files. Git's id of a tree
is a hash of its files: names, contents, and which are executable. Only files and directories below one top directory
count; an archive with anything else in it (links, devices, names that lead elsewhere, …) is refused. Reading unpacks
nothing to disk, and takes no more than MAX_UNPACKED bytes of memory for the contents.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import sys
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeAlias, cast

MAX_UNPACKED = 128 << 20  # bytes, headers included; x264 has 5 MB
MAX_MEMBERS = 20_000
MAX_DEPTH = 64  # directories in each other
_REFUSED = {
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.LNKTYPE: "a hard link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a fifo",
}
# What Python's readers raise for bytes that are damaged, or made to break them.
_DAMAGE: tuple[type[Exception], ...] = (OSError, EOFError, ArithmeticError, LookupError, MemoryError, RecursionError)
_DAMAGE += (ValueError, zlib.error, lzma.LZMAError, tarfile.TarError)


class ArchiveError(Exception):
    """The file is no archive, a damaged one, or one with members that are refused."""


@dataclass(frozen=True)
class File:
    content: bytes
    is_executable: bool


Directory: TypeAlias = "dict[bytes, File | Directory]"


def read(path: Path) -> Directory:
    """The files below the archive's top directory; directories without files are left out, as git has none.

    Raises ArchiveError, which names the member that it is about.
    """
    with path.open("rb") as file:
        try:
            return _read(_Bounded(_unpacked(file)))
        except _DAMAGE as error:
            raise ArchiveError(f"damaged, or no tar archive ({error or type(error).__name__})") from error


def tree_id(directory: Directory) -> str:
    """Git's id of the tree, 40 hexadecimal digits."""
    return _tree(directory).hex()


def pack(directory: Directory, top: str, path: Path) -> None:
    """Writes the tree as a tar archive whose bytes depend on nothing but the tree and the name of its top directory."""
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT, encoding="utf-8", errors="surrogateescape") as archive:
        for name, entry in _walk(directory, top):
            member = tarfile.TarInfo(name)
            if isinstance(entry, File):
                member.mode = 0o755 if entry.is_executable else 0o644
                member.size = len(entry.content)
                archive.addfile(member, io.BytesIO(entry.content))
            else:
                member.mode, member.type = 0o755, tarfile.DIRTYPE
                archive.addfile(member)


class _Bounded(io.RawIOBase):
    """A file to read from that ends in an error once MAX_UNPACKED bytes were read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._left = MAX_UNPACKED

    def read(self, size: int = -1) -> bytes:
        block = self._file.read(size)
        self._left -= len(block)
        if self._left < 0:
            raise ArchiveError(f"larger than {MAX_UNPACKED} bytes unpacked")
        return block


def _unpacked(file: IO[bytes]) -> IO[bytes]:
    magic = file.read(6)
    file.seek(0)
    if magic.startswith(b"\x1f\x8b"):
        return cast(IO[bytes], gzip.GzipFile(fileobj=file))
    if magic.startswith(b"BZh"):
        return bz2.BZ2File(file)
    if magic == b"\xfd7zXZ\x00":
        return lzma.LZMAFile(file)
    return file


def _read(file: _Bounded) -> Directory:
    root: Directory = {}
    seen: set[bytes] = set()
    total = 0
    with tarfile.open(fileobj=file, mode="r|", encoding="utf-8", errors="surrogateescape") as archive:
        for member in archive:
            parts = _parts(member.name)
            name = b"/".join(parts)
            total += member.size
            if name in seen:
                raise ArchiveError(f"{_shown(member.name)} is in it twice")
            seen.add(name)
            if len(seen) > MAX_MEMBERS:
                raise ArchiveError(f"more than {MAX_MEMBERS} members, {_shown(member.name)} the first of them")
            if member.size < 0 or total > MAX_UNPACKED:
                raise ArchiveError(f"{_shown(member.name)}: with it the files are larger than {MAX_UNPACKED} bytes")
            _place(root, parts, _entry(archive, member))
            if len(root) > 1:
                raise ArchiveError(f"{_shown(member.name)} lies beside the top directory")
    while file.read(1 << 16):  # to the end, where compressed files have their checksum
        pass
    if not root:
        raise ArchiveError("nothing is in it")
    (top,) = root.values()
    if isinstance(top, File):
        raise ArchiveError("its only member is a file, not a directory")
    return _pruned(top)


def _parts(name: str) -> list[bytes]:
    parts = name.split("/")
    if any(part in ("", ".", "..") for part in parts) or "\0" in name:
        raise ArchiveError(f"{_shown(name)} is no plain path below the top directory")
    if len(parts) > MAX_DEPTH:
        raise ArchiveError(f"{_shown(name)}: more than {MAX_DEPTH} directories in each other")
    return [part.encode("utf-8", "surrogateescape") for part in parts]


def _entry(archive: tarfile.TarFile, member: tarfile.TarInfo) -> File | None:
    """The file, None for a directory."""
    if member.isdir():
        return None
    content = archive.extractfile(member) if member.type in (tarfile.REGTYPE, tarfile.AREGTYPE) else None
    if content is None or member.issparse():
        kind = _REFUSED.get(member.type, f"of type {member.type!r}")
        raise ArchiveError(f"{_shown(member.name)} is {kind}; only files and directories are taken")
    return File(content.read(), bool(member.mode & 0o100))


def _place(directory: Directory, parts: list[bytes], entry: File | None) -> None:
    name = b"/".join(parts).decode(errors="replace")
    for part in parts[:-1]:
        child = directory.setdefault(part, {})
        if isinstance(child, File):
            raise ArchiveError(f"{_shown(name)} lies below a file")
        directory = child
    if entry is None and isinstance(directory.setdefault(parts[-1], {}), dict):
        return
    if entry is None or parts[-1] in directory:
        raise ArchiveError(f"{_shown(name)} is in it twice")
    directory[parts[-1]] = entry


def _pruned(directory: Directory) -> Directory:
    full = {name: _pruned(entry) if isinstance(entry, dict) else entry for name, entry in directory.items()}
    return {name: entry for name, entry in full.items() if entry != {}}


def _tree(directory: Directory) -> bytes:
    entries = []
    for name, entry in directory.items():
        if isinstance(entry, File):
            mode = b"100755" if entry.is_executable else b"100644"
            entries.append((name, mode, _object(b"blob", entry.content)))
        else:
            entries.append((name + b"/", b"40000", _tree(entry)))  # with the slash that git sorts directories by
    lines = (mode + b" " + name.rstrip(b"/") + b"\0" + digest for name, mode, digest in sorted(entries))
    return _object(b"tree", b"".join(lines))


def _object(kind: bytes, content: bytes) -> bytes:
    header = kind + b" %d\0" % len(content)
    return hashlib.sha1(header + content, usedforsecurity=False).digest()  # git's algorithm, not ours to choose


def _walk(directory: Directory, path: str) -> Iterator[tuple[str, File | Directory]]:
    yield path, directory
    for name, entry in sorted(directory.items(), key=lambda item: item[0]):
        below = f"{path}/{name.decode('utf-8', 'surrogateescape')}"
        if isinstance(entry, File):
            yield below, entry
        else:
            yield from _walk(entry, below)


def _shown(name: str) -> str:
    return ascii(name if len(name) <= 200 else f"{name[:200]}…")


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    try:
        print(tree_id(read(Path(sys.argv[1]))))
    except (ArchiveError, OSError) as error:
        sys.exit(f"git_tree: {sys.argv[1]}: {error}")


if __name__ == "__main__":
    main()
