"""Fragments of a file: their places by its directories (sidx, mfra: hints, not facts), and the walk over them.

Headers are fetched ahead in few requests.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from hwang.errors import CorruptMediaError
from hwang.isobmff.boxes import (
    HEADER_BYTES,
    WINDOW_BYTES,
    Box,
    FullBox,
    TopBox,
    WindowReader,
    box_at,
    children,
    top_level,
)
from hwang.plan import REQUEST_COST_BYTES
from hwang.ranges import FETCH_MEMORY_BYTES, ByteRange, coalesce
from hwang.sources.local import FileSource, MemorySource, RangeSource

_MAX_SIDX_BYTES = 1 << 20  # bytes; its count has 16 bits
_MAX_MFRA_BYTES = 8 << 20
_MFRO_BYTES = 16
_ROUNDS = 4  # of fetching: places, what was longer than guessed, and what indexes there name
_BOXES_BEFORE_MOOF = 8  # styp, sidx, emsg, prft
_MAX_PLACES = 1 << 17
_MARGIN_BYTES = 256  # to have before a place: mfra names the moof, the walk comes to the styp or sidx before it


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
        if box.kind == b"sidx" and box.end - box.offset <= _MAX_SIDX_BYTES:
            places.update(_sidx_places(box, reader.read(box.body, box.end - box.body)))
    if begin < reader.size and max(places, default=0) + WINDOW_BYTES < reader.size:
        places.update(_mfra_places(reader))
    return begin, frozenset(places)


def _sidx_places(box: TopBox, payload: bytes) -> list[int]:
    """Return where segments, or further indexes, begin and the last one ends, according to a segment index."""
    try:
        fields = FullBox(Box(box.kind, memoryview(payload)))
        wide = fields.version > 0
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
    fields = FullBox(tfra)
    place = ">u8" if fields.version else ">u4"
    fields.take(4)  # track
    lengths = fields.number(4)
    numbers = sum((lengths >> shift & 3) + 1 for shift in (0, 2, 4))  # of traf, trun and sample
    count = fields.number(4)
    entry = np.dtype([("time", place), ("place", place), ("numbers", "u1", numbers)])
    rows = np.frombuffer(fields.take(count * entry.itemsize), entry)
    places: list[int] = rows["place"].tolist()
    return places


def fragment_boxes(reader: WindowReader, start: int, places: Iterable[int]) -> Iterator[TopBox]:
    """Yield the whole moof boxes from `start` on, in file order.

    The walk goes from header to header; `places` only determine what is fetched ahead, so that wrong ones cost
    requests and never change the result.
    """
    before = sorted(place for place in places if start <= place < reader.size)
    for box in top_level(reader, start):
        if box.kind == b"moof" and box.end <= reader.size:
            yield box
            if before:
                _fetch_ahead(reader, box, before)
                before = []


def _fetch_ahead(reader: WindowReader, first: TopBox, places: list[int]) -> None:
    """Fetch the moof boxes at `places`, and at places that indexes there name, with the header behind each.

    `first` has about their length. Places may be wrong: this takes bounded memory and few calls.
    """
    places = places[:_MAX_PLACES]
    lead = min((first.offset - place for place in places if place <= first.offset), default=0)
    taken = first.end - first.offset + (lead if lead < WINDOW_BYTES else 0)
    guess = min(taken + taken // 4, WINDOW_BYTES) + HEADER_BYTES
    budget, known = FETCH_MEMORY_BYTES, set(places)
    wanted = [(place, guess) for place in places]
    for _ in range(_ROUNDS):
        pieces: list[ByteRange] = []
        for offset, length in wanted:
            if length <= budget and reader.peek(offset, length) is None:
                start, end = max(0, offset - _MARGIN_BYTES), min(offset + length, reader.size)
                pieces.append((start, end - start))
                budget -= end - start
        if pieces:
            reader.fetch(_cover(pieces, reader.source))
        wanted = [piece for offset, _ in wanted for piece in _missing(reader, offset, guess, known)]


def _missing(reader: WindowReader, offset: int, guess: int, known: set[int]) -> Iterator[ByteRange]:
    """Yield further ranges to fetch for the fragment at `offset`, according to the headers fetched so far.

    Places that an index names and that are not `known` are added to it, and yielded with the length `guess`.
    """
    for _ in range(_BOXES_BEFORE_MOOF):
        head = reader.peek(offset, HEADER_BYTES)
        box = box_at(offset, head, reader.size) if head else None
        if box is None or box.kind == b"mdat" or box.end > reader.size:
            return
        if box.kind == b"moof":
            if reader.peek(offset, box.end - offset + HEADER_BYTES) is None:
                yield offset, box.end - offset + HEADER_BYTES
            return
        if box.kind == b"sidx" and box.end - offset <= _MAX_SIDX_BYTES:
            payload = reader.peek(box.body, box.end - box.body)
            if payload is None:
                yield offset, box.end - offset
            else:
                new = sorted({place for place in _sidx_places(box, payload) if place < reader.size} - known)
                known.update(new[: _MAX_PLACES - len(known)])
                yield from ((place, guess) for place in new if place in known)
        offset = box.end


def _cover(pieces: list[ByteRange], source: RangeSource) -> tuple[ByteRange, ...]:
    """Return few ranges over the pieces, if gaps cost less than requests and fit into memory."""
    offsets = np.array([offset for offset, _ in pieces], np.uint64)
    sizes = np.array([size for _, size in pieces], np.uint32)
    local = isinstance(getattr(source, "source", source), FileSource | MemorySource)
    ranges = coalesce(offsets, sizes, 0 if local else REQUEST_COST_BYTES)
    fits = sum(length for _, length in ranges) <= FETCH_MEMORY_BYTES
    return ranges if fits else coalesce(offsets, sizes, 0)
