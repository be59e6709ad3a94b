"""Reads ELF files: which libraries they need, which symbols they import and export, and how they are loaded.

Only files of 64 bits and little endian, which Lambda runs.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

MAGIC = b"\x7fELF"
_MACHINES = {62: "x86_64", 183: "aarch64"}

# Program headers
_LOAD, _DYNAMIC, _INTERP, _STACK, _RELRO = 1, 2, 3, 0x6474E551, 0x6474E552
_EXECUTABLE, _WRITABLE = 1, 2
# The dynamic section
_NEEDED, _STRTAB, _SONAME, _RPATH, _TEXTREL, _BIND_NOW, _RUNPATH, _FLAGS = 1, 5, 14, 15, 22, 24, 29, 30
_FLAGS_1, _VERDEF, _VERDEFNUM, _VERNEED, _VERNEEDNUM = 0x6FFFFFFB, 0x6FFFFFFC, 0x6FFFFFFD, 0x6FFFFFFE, 0x6FFFFFFF
_DF_TEXTREL, _DF_BIND_NOW, _DF_1_NOW = 4, 8, 1
_DYNSYM = 11  # a section's type
_SHARED = 3  # a file's type: a library, or a program that runs at any address


class Segment(NamedTuple):
    """A program header: type, flags, and where it lies in the file and in memory."""

    kind: int
    flags: int
    offset: int
    address: int
    size: int


class Elf:
    """A file's headers, dynamic section and symbols. Raises ValueError for a damaged file or another format."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._data = path.read_bytes()
        if self._data[:6] != MAGIC + b"\x02\x01":
            raise ValueError(f"{path} is no ELF file of 64 bits, little endian")
        try:
            kind, machine, _, _, table, self._sections = struct.unpack_from("<HHIQQQ", self._data, 16)
            self.machine: str = _MACHINES.get(machine, f"machine {machine}")  # as uname calls it
            self.is_position_independent: bool = kind == _SHARED
            _, count, _, self._section_count = struct.unpack_from("<HHHH", self._data, 54)
            self._segments = [Segment(*header) for header in self._records("<IIQQ8xQ16x", table, count)]
            self._dynamic = list(self._dynamic_entries())
        except struct.error as error:
            raise ValueError(f"{path} is damaged: {error}") from error

    @property
    def interpreter(self) -> str | None:
        """The loader that a program asks for; None for a library."""
        found = self._of_kind(_INTERP)
        return self._text(found[0].offset) if found else None

    @property
    def needed(self) -> list[str]:
        """Names of the libraries that it is linked to."""
        return [self._string(value) for value in self._values(_NEEDED)]

    @property
    def search_path(self) -> list[str]:
        """Directories of RPATH and RUNPATH."""
        places = [self._string(value) for tag in (_RPATH, _RUNPATH) for value in self._values(tag)]
        return [place for line in places for place in line.split(":")]

    @property
    def has_relro(self) -> bool:
        """True if the loader makes its tables of addresses read-only."""
        return bool(self._of_kind(_RELRO))

    @property
    def binds_now(self) -> bool:
        """True if all symbols are resolved when it is loaded."""
        flagged = self._flagged(_FLAGS, _DF_BIND_NOW) or self._flagged(_FLAGS_1, _DF_1_NOW)
        return flagged or bool(self._values(_BIND_NOW))

    @property
    def has_text_relocations(self) -> bool:
        """True if the loader has to write to its code."""
        return self._flagged(_FLAGS, _DF_TEXTREL) or bool(self._values(_TEXTREL))

    @property
    def executable_memory(self) -> list[str]:
        """Its memory that can be both written and executed."""
        found = [] if self._of_kind(_STACK) else ["the stack (no header describes it)"]
        found += ["the stack" for segment in self._of_kind(_STACK) if segment.flags & _EXECUTABLE]
        both = _EXECUTABLE | _WRITABLE
        return found + ["a segment" for segment in self._of_kind(_LOAD) if segment.flags & both == both]

    @cached_property
    def _symbols(self) -> list[tuple[str, bool]]:
        """Names of all symbols that are not local, each with True if it is defined here."""
        sections = self._records("<4xI16xQQ24x", self._sections, self._section_count)
        return [
            (self._string(name), section != 0)
            for kind, start, size in sections
            if kind == _DYNSYM
            for name, info, section in self._records("<IBxH16x", start, size // 24)
            if name and info >> 4
        ]

    @property
    def imports(self) -> frozenset[str]:
        """Symbols that other files define."""
        return frozenset(name for name, defined in self._symbols if not defined)

    @property
    def exports(self) -> frozenset[str]:
        """Symbols that it defines for others."""
        return frozenset(name for name, defined in self._symbols if defined)

    @property
    def versions_needed(self) -> frozenset[str]:
        """Versions such as GLIBC_2.34, of all the libraries it needs."""
        found = set()
        for need in self._chain(_VERNEED, _VERNEEDNUM, 12):
            _, count, _, first = struct.unpack_from("<HHII", self._data, need)
            at = need + first
            for _ in range(count):
                name, following = struct.unpack_from("<II", self._data, at + 8)
                found.add(self._string(name))
                at += following
        return frozenset(found)

    @property
    def versions_defined(self) -> frozenset[str]:
        """Versions such as GLIBC_2.34 that it defines."""
        found = set()
        for definition in self._chain(_VERDEF, _VERDEFNUM, 16):
            (first,) = struct.unpack_from("<I", self._data, definition + 12)
            found.add(self._string(struct.unpack_from("<I", self._data, definition + first)[0]))
        return frozenset(found)

    def _records(self, form: str, start: int, count: int) -> list[tuple[int, ...]]:
        """Return the fields of so many records, one behind the other. Raises struct.error if the file ends before."""
        return [struct.unpack_from(form, self._data, start + n * struct.calcsize(form)) for n in range(count)]

    def _of_kind(self, kind: int) -> list[Segment]:
        return [segment for segment in self._segments if segment.kind == kind]

    def _dynamic_entries(self) -> Iterator[tuple[int, int]]:
        for segment in self._of_kind(_DYNAMIC):
            for tag, value in self._records("<QQ", segment.offset, segment.size // 16):
                if tag == 0:
                    return
                yield tag, value

    def _values(self, tag: int) -> list[int]:
        return [value for found, value in self._dynamic if found == tag]

    def _flagged(self, tag: int, flag: int) -> bool:
        return any(value & flag for value in self._values(tag))

    def _chain(self, tag: int, count_tag: int, link: int) -> Iterator[int]:
        """Offsets of records; `link` bytes into each one is the distance to the next."""
        for address, count in zip(self._values(tag), self._values(count_tag), strict=True):
            at = self._offset(address)
            for _ in range(count):
                yield at
                at += struct.unpack_from("<I", self._data, at + link)[0]

    def _offset(self, address: int) -> int:
        for segment in self._of_kind(_LOAD):
            if segment.address <= address < segment.address + segment.size:
                return segment.offset + address - segment.address
        raise ValueError(f"{self.path} is damaged: nothing is loaded at {address:#x}")

    def _string(self, index: int) -> str:
        return self._text(self._offset(self._values(_STRTAB)[0]) + index)

    def _text(self, at: int) -> str:
        return self._data[at : self._data.index(b"\0", at)].decode()


def is_elf(path: Path) -> bool:
    """Return True if the file begins as ELF files do."""
    with path.open("rb") as file:
        return file.read(4) == MAGIC
