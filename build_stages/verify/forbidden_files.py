"""Finds files that must not be in the image: dangerous modes, tools and files of the build, stale bytecode."""

from __future__ import annotations

import importlib.util
import re
import stat
from collections.abc import Iterator
from pathlib import PurePosixPath

from verify.added_files import Addition, Item
from verify.packages import SITE

_PROGRAMS = frozenset([
    "apt", "apt-get", "as", "aws-lambda-rie", "c++", "cc", "clang", "cmake", "conda", "cpp", "dnf", "dpkg", "g++",
    "gcc", "git", "gold", "ld", "make", "meson", "microdnf", "nasm", "ninja", "pip", "pip3", "rpm", "uv", "yum",
])  # fmt: skip
_PLACES = frozenset({".cache", ".git", "pip", "setuptools", "test", "tests", "wheel"})
_KINDS = frozenset({".a", ".c", ".cpp", ".h", ".la", ".o", ".pc", ".whl"})
_BYTECODE = re.compile(r"(.+)\.(cpython-\d+)\.pyc")
_HEADER_BYTES = 16  # of bytecode: magic number, flags, hash of the source


def problems(addition: Addition) -> list[str]:
    """Return a problem for each such file. Packages may have headers and sources of C."""
    wrong = [f"{path} of the base is changed" for path in addition.changed]
    wrong += [f"{path} of the base is gone" for path in addition.removed]
    for item in addition.items:
        path = PurePosixPath(item.path)
        wrong += (f"{path} {what}" for what in _faults(item, path))
        wrong += (f"{path} {what}" for what in _not_for_running(path))
    return wrong


def _faults(item: Item, path: PurePosixPath) -> Iterator[str]:
    mode = item.status.st_mode
    if mode & (stat.S_ISUID | stat.S_ISGID):
        yield "is setuid or setgid"
    if item.is_file and mode & stat.S_IWOTH:
        yield "can be written by anybody"
    if item.is_file and not mode & stat.S_IROTH:
        yield "cannot be read by the function's user"
    if path.parent.name == "__pycache__":
        yield from _stale(item, path)


def _not_for_running(path: PurePosixPath) -> Iterator[str]:
    if path.name in _PROGRAMS or path.parts[1:2] == ("root",):
        yield "is for building"
    if path.suffix in _KINDS and not path.is_relative_to(SITE):
        yield "is for compiling"
    if place := next((part for part in path.parts[:-1] if part in _PLACES), None):
        yield f"lies in a directory {place}"


def _stale(item: Item, path: PurePosixPath) -> Iterator[str]:
    """Yield a problem if Python would not use this bytecode, or if its source is not the one beside it."""
    found = _BYTECODE.fullmatch(path.name)
    source = item.place.parent.parent / f"{found[1]}.py" if found else None
    if found is None or source is None or not source.exists():
        yield "is bytecode of nothing"
        return
    data = item.place.read_bytes()[:_HEADER_BYTES]
    if data[:4] != importlib.util.MAGIC_NUMBER:
        yield "is bytecode for another Python"
    elif not data[4] & 1:
        yield "is bytecode that depends on a time"
    elif data[8:] != importlib.util.source_hash(source.read_bytes()):
        yield "is bytecode of another version of its source"
