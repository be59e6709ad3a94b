"""Builds small MP4 files byte by byte, sound ones and wrong ones."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

Edit = tuple[int, int]  # (media time, duration): ticks of the media, ticks of the movie


def box(kind: bytes, *parts: bytes) -> bytes:
    """A box around `parts`."""
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def full(kind: bytes, *parts: bytes, version: int = 0, flags: int = 0) -> bytes:
    """A box with version and flags."""
    return box(kind, struct.pack(">I", version << 24 | flags), *parts)


def u32(*numbers: int) -> bytes:
    return struct.pack(f">{len(numbers)}I", *(number & 0xFFFF_FFFF for number in numbers))


def table(kind: bytes, rows: Sequence[Sequence[int]], *, count: int | None = None) -> bytes:
    """A full box that is a count and rows of 32-bit numbers; `count` lies about it."""
    return full(kind, u32(len(rows) if count is None else count), *(u32(*row) for row in rows))


@dataclass
class Movie:
    """One video track. Durations and times are ticks, 1000 of them a second, for movie and media alike."""

    sizes: Sequence[int] = (100, 20, 30, 40)
    deltas: Sequence[Sequence[int]] | None = None  # stts rows; 40 ticks each by default
    composition: Sequence[Sequence[int]] = ()  # ctts rows
    sync: Sequence[int] | None = (1,)  # 1-based; None for no stss
    depended_on: Sequence[int] = ()  # sdtp, 2: nobody depends on it
    edits: Sequence[Edit] = ()
    entry: bytes = b"avc1"
    inside: bytes = field(default_factory=lambda: box(b"avcC", b"\x01\x64\x00\x0a\xff\xe0\x00"))
    depth: int = 24
    per_chunk: int = 2
    wide: bool = False  # co64 instead of stco
    handler: bytes = b"vide"
    matrix: tuple[int, ...] = (0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
    data_flags: int = 1
    replace: dict[bytes, bytes] = field(default_factory=dict)  # boxes of stbl to put in place of the built ones
    extra: bytes = b""  # at the end of moov
    number: int = 1

    def _stbl(self, start: int) -> bytes:
        samples = len(self.sizes)
        size, depth = struct.pack(">HH", 64, 48), struct.pack(">Hh", self.depth, -1)
        entry = bytes(6) + struct.pack(">H", 1) + bytes(16) + size + bytes(46) + depth + self.inside
        offsets, position = [], start
        for first in range(0, samples, self.per_chunk):
            offsets.append(position)
            position += sum(self.sizes[first : first + self.per_chunk])
        runs = [(1, self.per_chunk, 1)]
        if samples % self.per_chunk:
            runs.append((len(offsets), samples % self.per_chunk, 1))
            runs = runs if len(offsets) > 1 else runs[1:]
        boxes = {
            b"stsd": full(b"stsd", u32(1), box(self.entry, entry)),
            b"stts": table(b"stts", [(samples, 40)] if self.deltas is None else self.deltas),
            b"ctts": table(b"ctts", self.composition) if self.composition else b"",
            b"stss": table(b"stss", [(n,) for n in self.sync]) if self.sync is not None else b"",
            b"sdtp": full(b"sdtp", bytes(n << 2 for n in self.depended_on)) if self.depended_on else b"",
            b"stsz": full(b"stsz", u32(0, samples), u32(*self.sizes)),
            b"stsc": table(b"stsc", runs if samples else []),
            b"stco": full(b"co64", u32(len(offsets)), struct.pack(f">{len(offsets)}Q", *offsets))
            if self.wide
            else table(b"stco", [(offset,) for offset in offsets]),
        }
        return box(b"stbl", *{**boxes, **self.replace}.values())

    def trak(self, start: int) -> bytes:
        """The track, its samples from byte `start` on."""
        tkhd = full(b"tkhd", u32(0, 0, self.number, 0, 0, 0, 0, 0, 0, *self.matrix, 64 << 16, 48 << 16), flags=3)
        elst = table(b"elst", [(duration, time, 0x10000) for time, duration in self.edits])
        dref = full(b"dref", u32(1), full(b"url ", flags=self.data_flags))
        return box(
            b"trak",
            tkhd,
            box(b"edts", elst) if self.edits else b"",
            box(
                b"mdia",
                full(b"mdhd", u32(0, 0, 1000, 40 * len(self.sizes), 0)),
                full(b"hdlr", u32(0), self.handler, bytes(13)),
                box(b"minf", box(b"dinf", dref), self._stbl(start)),
            ),
        )

    def moov(self, start: int) -> bytes:
        """The header, samples from byte `start` on."""
        return box(b"moov", full(b"mvhd", u32(0, 0, 1000, 0), bytes(80)), self.trak(start), self.extra)

    def build(self, *, header_first: bool = True) -> bytes:
        """The file."""
        ftyp = box(b"ftyp", b"isom", u32(0), b"isom")
        data = b"".join(bytes([n % 251]) * size for n, size in enumerate(self.sizes))
        if header_first:
            start = len(ftyp) + len(self.moov(0)) + 8
            return ftyp + self.moov(start) + box(b"mdat", data)
        return ftyp + box(b"mdat", data) + self.moov(len(ftyp) + 8)


def fragment(
    sizes: Sequence[int], *, time: int, flags: Sequence[int] = (), number: int = 1, composition: int = 0
) -> bytes:
    """moof and mdat: samples of 40 ticks from decode time `time` on."""
    flags = flags or [0x0200_0000] + [0x0101_0000] * (len(sizes) - 1)
    rows = [u32(size, flag, composition) for size, flag in zip(sizes, flags, strict=True)]

    def moof(data_offset: int) -> bytes:
        tfhd = full(b"tfhd", u32(number, 40), flags=0x20008)
        tfdt = full(b"tfdt", struct.pack(">Q", time), version=1)
        trun = full(b"trun", u32(len(sizes), data_offset), *rows, flags=0xE01, version=1)
        return box(b"moof", full(b"mfhd", u32(1)), box(b"traf", tfhd, tfdt, trun))

    return moof(len(moof(0)) + 8) + box(b"mdat", bytes(sum(sizes)))


def fragmented(*fragments: bytes) -> bytes:
    """A file of an empty moov and `fragments`."""
    header = Movie(sizes=(), deltas=(), sync=None, extra=box(b"mvex", full(b"trex", u32(1, 1, 0, 0, 0))))
    return box(b"ftyp", b"iso5", u32(0)) + header.moov(0) + b"".join(fragments)


def sidx(*sizes: int, first: int = 0, version: int = 0) -> bytes:
    """A segment index: referenced pieces of these sizes, the first of them `first` bytes behind the box."""
    start = struct.pack(">QQ" if version else ">II", 0, first)
    return full(
        b"sidx", u32(1, 1000), start, struct.pack(">HH", 0, len(sizes)), *(u32(n, 0, 0) for n in sizes), version=version
    )


def mfra(*places: int, version: int = 1) -> bytes:
    """The random access box at the end of a file: moof boxes at `places`."""
    entry = ">QQ3x" if version else ">II3x"
    rows = [struct.pack(entry, 0, place) for place in places]
    tfra = full(b"tfra", u32(1, 0, len(rows)), *rows, version=version)
    return box(b"mfra", tfra, full(b"mfro", u32(8 + len(tfra) + 16)))
