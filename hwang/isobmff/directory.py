"""Directories of fragmented files (sidx, mfra): positions of fragments. Hints, not facts."""

from __future__ import annotations

import numpy as np

from hwang.errors import CorruptMediaError
from hwang.isobmff.boxes import Box, Fields, TopBox, box_at, children
from hwang.isobmff.top_boxes import WINDOW_BYTES, WindowReader, top_level

MAX_SIDX_BYTES = 1 << 20  # bytes; its count has 16 bits
_MAX_MFRA_BYTES = 8 << 20
_MFRO_BYTES = 16


def find_fragments(reader: WindowReader, start: int) -> tuple[int, frozenset[int]]:
    """Return where a walk over the fragments behind `start` can begin, and the positions in the file's directories.

    Makes few requests: reads the boxes up to the first fragment or its data, and the end of the file unless the
    positions reach it.
    """
    places: set[int] = set()
    begin = reader.size
    for box in top_level(reader, start):
        if box.kind in (b"moof", b"mdat"):
            begin = box.offset
            break
        if box.kind == b"sidx" and box.end - box.offset <= MAX_SIDX_BYTES:
            places.update(sidx_places(box, reader.read(box.body, box.end - box.body)))
    if begin < reader.size and max(places, default=0) + WINDOW_BYTES < reader.size:
        places.update(_mfra_places(reader))
    return begin, frozenset(places)


def sidx_places(box: TopBox, payload: bytes) -> list[int]:
    """Return where segments, or further indexes, begin and the last one ends, according to a segment index."""
    fields = Fields(Box(box.kind, memoryview(payload)))
    try:
        wide = fields.version_and_flags()[0] > 0
        fields.take(8 + (8 if wide else 4))  # id, timescale, earliest time
        first = box.end + fields.number(8 if wide else 4)
        fields.take(2)
        references = fields.table(fields.number(2) * 3, ">u4").reshape(-1, 3)
    except CorruptMediaError:
        return []
    sizes: list[int] = (references[:, 0].astype(np.int64) & 0x7FFF_FFFF).cumsum().tolist()
    return [first, *(first + size for size in sizes)]


def _mfra_places(reader: WindowReader) -> list[int]:
    """Return where fragments begin, according to the random access box at the end of the file."""
    tail = min(WINDOW_BYTES, reader.size)
    reader.fetch([(reader.size - tail, tail)])
    mfro = reader.read(reader.size - _MFRO_BYTES, _MFRO_BYTES)
    size = int.from_bytes(mfro[12:], "big")
    if mfro[4:8] != b"mfro" or not _MFRO_BYTES < size <= min(_MAX_MFRA_BYTES, reader.size):
        return []
    if size > tail:
        reader.fetch([(reader.size - size, size - tail)])
        data = reader.read(reader.size - size, size - tail) + reader.read(reader.size - tail, tail)
    else:
        data = reader.read(reader.size - size, size)
    box = box_at(0, data, size)
    if box is None or box.kind != b"mfra":
        return []
    try:
        return [place for tfra in children(memoryview(data)[box.body :]) for place in _tfra_places(tfra)]
    except CorruptMediaError:
        return []


def _tfra_places(tfra: Box) -> list[int]:
    if tfra.kind != b"tfra":
        return []
    fields = Fields(tfra)
    place = ">u8" if fields.version_and_flags()[0] else ">u4"
    fields.take(4)  # track
    lengths = fields.number(4)
    numbers = sum((lengths >> shift & 3) + 1 for shift in (0, 2, 4))  # of traf, trun and sample
    count = fields.number(4)
    entry = np.dtype([("time", place), ("place", place), ("numbers", "u1", numbers)])
    rows = np.frombuffer(fields.take(count * entry.itemsize), entry)
    places: list[int] = rows["place"].tolist()
    return places
