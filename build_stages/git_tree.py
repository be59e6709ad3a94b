"""Reads a source archive that is pinned by its git tree id.

A host that compresses a commit on request serves other bytes each time, but always the same files. Git's id of a tree
is a hash of its files: names, contents, and which are executable. So the id proves what was read, whatever else is
wrong with an archive; what is compiled is packed anew from that. Links, devices and names that lead elsewhere are
refused. Reading unpacks nothing to disk, and takes no more than MAX_UNPACKED bytes of memory for the contents.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeAlias, cast

MAX_UNPACKED = 128 << 20  # bytes, headers included; x264 has 5 MB
MAX_DEPTH = 64  # directories in each other


class ArchiveError(Exception):
    """The file is no archive, a damaged one, or one with members that are refused."""


@dataclass(frozen=True)
class File:
    """A file of a tree."""

    content: bytes
    is_executable: bool


Tree: TypeAlias = dict[bytes, File]  # by path; directories without files are left out, as git has none


def read(path: Path) -> Tree:
    """Return the files below the archive's top directories. Raises ArchiveError, which names the member."""
    with path.open("rb") as file:
        try:
            return _read(_Bounded(_unpacked(file)))
        except ArchiveError:
            raise
        except Exception as error:  # Python's readers raise what they like for damaged bytes
            raise ArchiveError(f"damaged, or no tar archive ({error or type(error).__name__})") from error


def tree_id(tree: Tree) -> str:
    """Return git's id of the tree, 40 hexadecimal digits."""
    return _tree(tree).hex()


def pack(tree: Tree, top: str, path: Path) -> None:
    """Write the tree as a tar archive whose bytes depend on nothing but the tree and the name of its top directory."""
    packed: set[str] = set()
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT, encoding="utf-8", errors="surrogateescape") as archive:
        for name, file in sorted(tree.items(), key=lambda item: item[0].split(b"/")):
            parts = [top, *name.decode("utf-8", "surrogateescape").split("/")]
            directories = ["/".join(parts[:depth]) for depth in range(1, len(parts))]
            for directory in (directory for directory in directories if directory not in packed):
                member = tarfile.TarInfo(directory)
                member.mode, member.type = 0o755, tarfile.DIRTYPE
                archive.addfile(member)
                packed.add(directory)
            member = tarfile.TarInfo("/".join(parts))
            member.mode, member.size = 0o755 if file.is_executable else 0o644, len(file.content)
            archive.addfile(member, io.BytesIO(file.content))


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


def _read(file: _Bounded) -> Tree:
    tree: Tree = {}
    with tarfile.open(fileobj=file, mode="r|", encoding="utf-8", errors="surrogateescape") as archive:
        for member in archive:
            parts = member.name.split("/")  # a zero byte in one would pass for two entries of git's tree
            if any(part in ("", ".", "..") or "\0" in part for part in parts) or len(parts) > MAX_DEPTH:
                raise ArchiveError(f"{_shown(member.name)} is no plain path below the top directory")
            if member.isdir():
                continue
            content = archive.extractfile(member) if member.type in (tarfile.REGTYPE, tarfile.AREGTYPE) else None
            if content is None or member.issparse() or len(parts) == 1:
                raise ArchiveError(f"{_shown(member.name)} is not a plain file below the top directory")
            name = "/".join(parts[1:]).encode("utf-8", "surrogateescape")
            tree[name] = File(content.read(), bool(member.mode & 0o100))
    return tree


def _tree(tree: Tree) -> bytes:
    entries, directories = [], dict[bytes, Tree]()
    for path, file in tree.items():
        name, _, rest = path.partition(b"/")
        if rest:
            directories.setdefault(name, {})[rest] = file
        else:
            mode = b"100755" if file.is_executable else b"100644"
            entries.append((name, mode, _object(b"blob", file.content)))
    # With the slash that git sorts directories by.
    entries += [(name + b"/", b"40000", _tree(inner)) for name, inner in directories.items()]
    lines = (mode + b" " + name.rstrip(b"/") + b"\0" + digest for name, mode, digest in sorted(entries))
    return _object(b"tree", b"".join(lines))


def _object(kind: bytes, content: bytes) -> bytes:
    header = kind + b" %d\0" % len(content)
    return hashlib.sha1(header + content, usedforsecurity=False).digest()  # git's algorithm, not ours to choose


def _shown(name: str) -> str:
    return ascii(name if len(name) <= 200 else f"{name[:200]}…")
