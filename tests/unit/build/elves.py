"""Real ELF files, and ways to spoil them: numpy's, which are on every machine that has these tests."""

from __future__ import annotations

import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np

from verify.elf import Elf

SITE = Path(np.__file__).resolve().parents[1]
STACK, RELRO, DYNAMIC = 0x6474E551, 0x6474E552, 2
SYMBOLIC_COUNT = 0x6FFFFFF9  # a dynamic entry that nobody misses


def numpy_tree(directory: Path) -> Path:
    """numpy's arrays and what they are linked to, as a wheel lays them; gives the first."""
    core = next((SITE / "numpy/_core").glob("_multiarray_umath.*.so"))
    for file in (core, *(SITE / "numpy.libs").iterdir()):
        copy = directory / file.relative_to(SITE)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)
    return directory / core.relative_to(SITE)


def spoiled(file: Path, spoil: Callable[[bytearray], None]) -> Elf:
    data = bytearray(file.read_bytes())
    spoil(data)
    file.write_bytes(data)
    return Elf(file)


def nothing(_: bytearray) -> None:
    pass


def renamed(old: str, new: str) -> Callable[[bytearray], None]:
    """A name in the tables of strings, by one that is not longer. What patches libraries leaves old tables behind."""

    def spoil(data: bytearray) -> None:
        name, start = b"\0" + old.encode() + b"\0", 0
        while (start := data.find(name, start) + 1) > 0:
            data[start : start + len(old)] = new.encode().ljust(len(old), b"\0")

    return spoil


def segment(kind: int, field: int, value: int) -> Callable[[bytearray], None]:
    """The 32-bit field at this offset of a program header."""

    def spoil(data: bytearray) -> None:
        struct.pack_into("<I", data, _segment(data, kind) + field, value)

    return spoil


def dynamic(tag: int, new_tag: int, value: int) -> Callable[[bytearray], None]:
    """Another entry of the dynamic section in the place of one."""

    def spoil(data: bytearray) -> None:
        at, _, _ = struct.unpack_from("<QQQ", data, _segment(data, DYNAMIC) + 8)
        while struct.unpack_from("<Q", data, at)[0] != tag:
            at += 16
        struct.pack_into("<QQ", data, at, new_tag, value)

    return spoil


def of_kind(kind: int) -> Callable[[bytearray], None]:
    """The file's own kind: 2 is a program for one address."""
    return lambda data: struct.pack_into("<H", data, 16, kind)


def of_machine(machine: int) -> Callable[[bytearray], None]:
    """For another architecture: 62 is x86-64, 183 ARM's."""
    return lambda data: struct.pack_into("<H", data, 18, machine)


def _segment(data: bytearray, kind: int) -> int:
    (table,) = struct.unpack_from("<Q", data, 32)
    entry, count = struct.unpack_from("<HH", data, 54)
    return next(
        at for at in range(table, table + entry * count, entry) if struct.unpack_from("<I", data, at)[0] == kind
    )
