"""Entries of tar archives, read once from front to back, without the contents of files.

POSIX (ustar, pax) and GNU archives, as Docker, BuildKit, Podman and tar write them. Nothing is ever unpacked. The
cost of a hostile archive is bounded: of names by MAX_EXTENSION_BYTES, of the whole by the caller's stream.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final, Protocol

BLOCK_BYTES: Final = 512
_READ_BYTES: Final = 1024 * 1024
MAX_EXTENSION_BYTES: Final = 1024 * 1024  # a long name or a pax header: what Go's archive/tar takes, and so the engines


class TarError(ValueError):
    """Error for a damaged tar archive, or for anything else than one."""


class Kind(Enum):
    """Kind of an entry."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symbolic link"
    HARD_LINK = "hard link"
    OTHER = "device or pipe"


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry: `name` and `target` as they are written, bytes that are not UTF-8 as surrogates.

    The contents are `stored` bytes of the archive from `offset` on; `size` is larger if the file has holes. `digest` is
    their SHA-256 in hexadecimal, if that was asked for.
    """

    name: str
    kind: Kind
    mode: int  # permission bits with setuid, setgid and sticky
    uid: int
    gid: int
    size: int
    target: str
    offset: int
    stored: int
    digest: str = ""


class Input(Protocol):
    """A stream of bytes. A short answer means the end."""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes."""

    def skip(self, size: int, /) -> int:
        """Discard bytes and return how many there were."""


# Every other type is a file.
_DEVICES: Final = dict.fromkeys((b"3", b"4", b"6"), Kind.OTHER)
_KINDS: Final = {b"1": Kind.HARD_LINK, b"2": Kind.SYMLINK, b"5": Kind.DIRECTORY, **_DEVICES}
_ZEROS: Final = bytes(BLOCK_BYTES)


def entries(tar: Input, *, hashed: bool = False) -> Iterator[Entry]:
    """Yield the entries. Raises TarError. An entry's contents are skipped when the next one is asked for.

    `hashed`: the contents of files are read instead, for their digests.
    """
    reader = _Reader(tar)
    while (entry := reader.entry()) is not None:
        if hashed and entry.kind is Kind.FILE:
            yield replace(entry, digest=reader.digest(entry.stored))
        else:
            yield entry
            reader.skip(entry.stored)


class _Reader:
    def __init__(self, tar: Input) -> None:
        self._tar = tar
        self._position = 0

    def entry(self) -> Entry | None:
        """Return the next entry; None at the end."""
        extensions: dict[str, str] = {}
        while (header := self._header()) is not None:
            kind, size = header[156:157], _number(header[124:136])
            if kind in b"xLK":
                extensions.update(self._extension(kind, size))
            elif kind == b"g":
                self.skip(size)  # attributes for all entries, which Docker and containerd ignore
            else:
                return self._made(header, kind, extensions)
        if extensions:
            raise TarError("it ends between an entry's name and the entry")
        return None

    def _header(self) -> bytes | None:
        block = self._tar.read(BLOCK_BYTES)
        self._position += len(block)
        if not block or block == _ZEROS:
            return None
        if len(block) < BLOCK_BYTES:
            raise TarError(f"it is cut off at byte {self._position:,}")
        # The checksum's own field counts as blanks.
        found = sum(block) - sum(block[148:156]) + 8 * ord(" ")
        if _number(block[148:156]) != found:
            raise TarError(f"there is no tar header at byte {self._position - BLOCK_BYTES:,}")
        return block

    def skip(self, size: int) -> None:
        """Skip the contents of an entry, with their padding."""
        padded = -(-size // BLOCK_BYTES) * BLOCK_BYTES
        skipped = self._tar.skip(padded)
        self._position += skipped
        if skipped < size:
            raise TarError(f"it is cut off at byte {self._position:,}")

    def digest(self, size: int) -> str:
        """Read the contents of an entry, with their padding, and return their SHA-256."""
        found, left = hashlib.sha256(), size
        while left and (data := self._tar.read(min(left, _READ_BYTES))):
            found.update(data)
            left -= len(data)
        self._position += size - left
        if left:
            raise TarError(f"it is cut off at byte {self._position:,}")
        self._position += self._tar.skip(-size % BLOCK_BYTES)
        return found.hexdigest()

    def _read(self, size: int) -> bytes:
        padded = -(-size // BLOCK_BYTES) * BLOCK_BYTES
        data = self._tar.read(padded)
        self._position += len(data)
        if len(data) < size:
            raise TarError(f"it is cut off at byte {self._position:,}")
        return data[:size]

    def _extension(self, kind: bytes, size: int) -> dict[str, str]:
        """Return attributes that stand before an entry because they do not fit into its header."""
        if size > MAX_EXTENSION_BYTES:
            raise TarError(f"an entry's name and attributes have {size:,} bytes")
        data = self._read(size)
        if kind == b"x":
            return _pax(data)
        return {"path" if kind == b"L" else "linkpath": _text(data)}

    def _made(self, header: bytes, kind: bytes, extensions: dict[str, str]) -> Entry:
        stored = _decimal(extensions, "size", _number(header[124:136]))
        size = stored
        if kind == b"S":
            size = _number(header[483:495])
            more = header[482]
            while more:
                more = self._read(BLOCK_BYTES)[504]
        size = _decimal(extensions, "GNU.sparse.realsize", _decimal(extensions, "GNU.sparse.size", size))
        name = extensions.get("GNU.sparse.name") or extensions.get("path") or _name(header)
        what = _KINDS.get(kind, Kind.FILE)
        if what is Kind.FILE and name.endswith("/"):
            what = Kind.DIRECTORY  # as archives older than POSIX have it
        if what is not Kind.FILE:
            # a hard link may have the size of the file that it is a name of
            size = stored = 0
        return Entry(
            name=name,
            kind=what,
            mode=_number(header[100:108]) & 0o7777,
            uid=_decimal(extensions, "uid", _number(header[108:116])),
            gid=_decimal(extensions, "gid", _number(header[116:124])),
            size=size,
            target=extensions.get("linkpath") or _text(header[157:257]),
            offset=self._position,
            stored=stored,
        )


def _name(header: bytes) -> str:
    name, prefix = _text(header[:100]), header[345:500]
    if header[257:263] == b"ustar\0" and prefix[0]:
        return f"{_text(prefix)}/{name}"
    return name


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("utf-8", "surrogateescape")


def _number(field: bytes) -> int:
    """Parse octal digits, or a binary number if the first bit is set."""
    if field[0] & 0x80:
        value = int.from_bytes(field, "big", signed=False) & ~(0x80 << 8 * (len(field) - 1))
        if field[0] == 0xFF or value >= 2**63:
            raise TarError("a number in it is negative or too big")
        return value
    digits = field.partition(b"\0")[0].strip(b" ")
    try:
        return int(digits or b"0", 8)
    except ValueError:
        raise TarError("a number in it is no number") from None


def _pax(data: bytes) -> dict[str, str]:
    """Parse records of the form LENGTH KEYWORD=VALUE\\n; the length counts itself."""
    found: dict[str, str] = {}
    start = 0
    while start < len(data):
        digits, blank, _ = data[start : start + 8].partition(b" ")
        if not blank or not digits.isdigit() or not len(digits) + 1 < int(digits) <= len(data) - start:
            raise TarError("a pax header in it is damaged")
        keyword, equals, value = data[start + len(digits) + 1 : start + int(digits)].partition(b"=")
        if not equals or not value.endswith(b"\n"):
            raise TarError("a pax header in it is damaged")
        found[keyword.decode("utf-8", "replace")] = value[:-1].decode("utf-8", "surrogateescape")
        start += int(digits)
    return found


def _decimal(extensions: dict[str, str], keyword: str, otherwise: int) -> int:
    text = extensions.get(keyword)
    if text is None:
        return otherwise
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise TarError(f"a number in it is no number: {keyword}")
    return int(text)
