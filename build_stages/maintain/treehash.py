"""Computes one hash of a tree of files, or lists where two trees differ.

    treehash.py TREE…              a line for each: the sha256 of everything that counts
    treehash.py --diff TREE TREE   what differs, a path a line; the status is 1 if anything does

A TREE is a directory, a tar archive (as `docker export` writes it) or a zip archive. What counts is each path, what is
there (file, directory, link), permissions, contents, and where a link leads; times, owners and order do not.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import stat
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

Tree = dict[str, str]  # what is at each path, in words that are the same only if it is the same


def read(path: Path) -> Tree:
    """Read a tree. Raises OSError, or ValueError if it is neither a directory nor an archive."""
    if path.is_dir():
        return dict(_of_directory(path))
    if zipfile.is_zipfile(path):
        return dict(_of_zip(path))
    if tarfile.is_tarfile(path):
        return dict(_of_tar(path))
    raise ValueError(f"{path} is neither a directory nor an archive")


def digest(tree: Tree) -> str:
    """Return the hash of the whole tree."""
    lines = "".join(f"{path!r} {what}\n" for path, what in sorted(tree.items()))
    return f"sha256:{hashlib.sha256(lines.encode()).hexdigest()}"


def differences(one: Tree, other: Tree) -> list[str]:
    """Return a line for each path that is not the same in both, by path."""
    lines = []
    for path in sorted(one.keys() | other.keys()):
        if path not in other:
            lines.append(f"only in the first: {path}")
        elif path not in one:
            lines.append(f"only in the second: {path}")
        elif one[path] != other[path]:
            lines.append(f"differs: {path}: {one[path]} and {other[path]}")
    return lines


def _file(mode: int, content: IO[bytes]) -> str:
    hashed = hashlib.sha256()
    while block := content.read(1 << 20):
        hashed.update(block)
    return f"file {stat.S_IMODE(mode):04o} {hashed.hexdigest()}"


def _directory(mode: int) -> str:
    return f"directory {stat.S_IMODE(mode):04o}"


def _of_directory(root: Path) -> Iterator[tuple[str, str]]:
    for path in root.rglob("*"):
        name, mode = str(path.relative_to(root)), path.lstat().st_mode
        if stat.S_ISLNK(mode):
            yield name, f"link to {os.readlink(path)!r}"  # noqa: PTH115 - as it is written: Path drops a leading ./
        elif stat.S_ISDIR(mode):
            yield name, _directory(mode)
        elif stat.S_ISREG(mode):
            with path.open("rb") as content:
                yield name, _file(mode, content)
        else:
            yield name, f"special {mode:o}"


def _of_tar(archive: Path) -> Iterator[tuple[str, str]]:
    with tarfile.open(archive) as members:
        for member in members:
            name = os.path.normpath(member.name).lstrip("/")
            if member.issym():
                yield name, f"link to {member.linkname!r}"
            elif member.isdir():
                if name != ".":
                    yield name, _directory(member.mode)
            elif content := members.extractfile(member):  # a hard link is the file that it is another name of
                yield name, _file(member.mode, content)
            else:
                yield name, f"special {member.type!r} {member.mode:o}"


def _of_zip(archive: Path) -> Iterator[tuple[str, str]]:
    with zipfile.ZipFile(archive) as members:
        for entry in members.infolist():
            mode = entry.external_attr >> 16
            if entry.is_dir():
                yield entry.filename.rstrip("/"), _directory(mode)
            else:
                with members.open(entry) as content:
                    yield entry.filename, _file(mode, content)


def main() -> int:
    """Print hashes or differences; return the status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--diff", action="store_true", help="compare two trees")
    parser.add_argument("tree", type=Path, nargs="+", metavar="TREE")
    arguments = parser.parse_args()
    if arguments.diff and len(arguments.tree) != 2:
        parser.error("--diff compares two trees")
    try:
        trees = [read(path) for path in arguments.tree]
    except (OSError, ValueError, tarfile.TarError, zipfile.BadZipFile) as error:
        sys.exit(f"treehash: {error}")
    if arguments.diff:
        lines = differences(*trees)
        print("\n".join(lines) if lines else f"the same {len(trees[0])} paths, {digest(trees[0])}")
        return int(bool(lines))
    for path, tree in zip(arguments.tree, trees, strict=True):
        print(f"{digest(tree)}  {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
