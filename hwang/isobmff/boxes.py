"""Boxes of ISO base media files: at the top of a file, read in few requests, and in memory. No size is trusted."""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwang.errors import CorruptMediaError, LimitExceededError
from hwang.ranges import ByteRange
from hwang.sources.local import RangeSource

HEADER_BYTES = 16  # of a box with a 64-bit size
WINDOW_BYTES = 32 * 1024

_MAX_BOXES = 1 << 18  # 131,072 fragments
_MAX_HEADER_BYTES = 256 << 20  # bytes

Payload = memoryview
"""Bytes of a box behind its header."""


class Box(NamedTuple):
    """A box in memory."""

    kind: bytes
    payload: Payload


class TopBox(NamedTuple):
    """A box at [offset, end), with its payload from `body` on. `end` may lie behind the end of the file."""

    kind: bytes
    offset: int
    body: int
    end: int


class Fields:
    """Reads big-endian fields one after the other. Raises CorruptMediaError if the box ends too early."""

    def __init__(self, box: Box) -> None:
        self._kind, self._data, self._at = box.kind, box.payload, 0

    def take(self, size: int) -> memoryview:
        """Return the next `size` bytes."""
        if size < 0 or size > self.left:
            raise CorruptMediaError(
                f"box {name(self._kind)} claims {size} bytes more, but has {self.left}; the header is damaged"
            )
        piece = self._data[self._at : self._at + size]
        self._at += size
        return piece

    def number(self, size: int, *, signed: bool = False) -> int:
        """Return the next `size` bytes as an integer."""
        return int.from_bytes(self.take(size), "big", signed=signed)

    def table(self, count: int, dtype: str) -> NDArray[np.generic]:
        """Return [count] items of a big-endian dtype, without a copy."""
        item = np.dtype(dtype)
        return np.frombuffer(self.take(count * item.itemsize), item)

    @property
    def left(self) -> int:
        """Bytes that are not read yet."""
        return len(self._data) - self._at


class FullBox(Fields):
    """Fields of a box that begins with a version and flags."""

    def __init__(self, box: Box) -> None:
        super().__init__(box)
        head = self.number(4)
        self.version, self.flags = head >> 24, head & 0xFF_FFFF


def name(kind: bytes) -> str:
    """Return a box type or fourcc for a message."""
    return repr(kind.decode("latin-1"))


def box_at(offset: int, head: bytes | memoryview, file_size: int) -> TopBox | None:
    """Return the box at `offset` whose first bytes are `head`; None if they are no box."""
    if len(head) < 8:
        return None
    size, kind = struct.unpack_from(">I4s", head)
    header = 8
    if size == 1:
        if len(head) < HEADER_BYTES:
            return None
        size, header = int.from_bytes(head[8:16], "big"), HEADER_BYTES
    elif size == 0:
        size = file_size - offset
    return TopBox(kind, offset, offset + header, offset + size) if size >= header else None


def children(payload: Payload) -> Iterator[Box]:
    """Yield the boxes inside `payload`. A last one that claims too much is cut; padding is ignored."""
    at = 0
    while box := box_at(at, payload[at : at + HEADER_BYTES], len(payload)):
        yield Box(box.kind, payload[box.body : box.end])
        at = box.end


def descend(payload: Payload, *path: bytes) -> Box | None:
    """Return the first box at `path` below `payload`, or None."""
    for box in children(payload):
        if box.kind == path[0]:
            return box if len(path) == 1 else descend(box.payload, *path[1:])
    return None


class WindowReader:
    """Reads a source through one window, so that neighboring small reads are one request."""

    def __init__(self, source: RangeSource) -> None:
        self.source, self.size = source, source.size
        self._start, self._window = 0, b""
        self._starts: list[int] = []  # of the pieces fetched ahead
        self._pieces: list[bytes] = []

    def read(self, offset: int, length: int) -> bytes:
        """Return `length` bytes at `offset`; fewer only at the end of the file."""
        there = self.peek(offset, length)
        if there is not None:
            return there
        end = min(offset + length, self.size)
        until = min(max(end, offset + WINDOW_BYTES), self.size)
        kept = self._window[offset - self._start :] if offset >= self._start else b""
        if self._start == 0 and not self._starts and not kept:  # media may begin there, when the header is at the end
            self._starts, self._pieces = [0], [self._window]
        missing = offset + len(kept)
        self._window = kept + self.source.read_ranges([(missing, until - missing)])[0]
        self._start = offset
        return self._window[: end - offset]

    def peek(self, offset: int, length: int) -> bytes | None:
        """Return the same as read(), but None if that needs a request."""
        end = min(offset + length, self.size)
        if offset >= end:
            return b""
        if self._start <= offset and end <= self._start + len(self._window):
            return self._window[offset - self._start : end - self._start]
        at = bisect_right(self._starts, offset) - 1
        if at >= 0 and end <= self._starts[at] + len(self._pieces[at]):
            return self._pieces[at][offset - self._starts[at] : end - self._starts[at]]
        return None

    def fetch(self, ranges: Sequence[ByteRange]) -> None:
        """Read these ranges in one call, and keep them."""
        pieces = self.source.read_ranges(ranges)
        starts = [offset for offset, _ in ranges]
        known = [*zip(self._starts, self._pieces, strict=True), *zip(starts, pieces, strict=True)]
        known.sort(key=lambda piece: (piece[0], len(piece[1])))
        self._starts, self._pieces = [start for start, _ in known], [piece for _, piece in known]


def top_level(reader: WindowReader, start: int = 0) -> Iterator[TopBox]:
    """Yield the boxes from `start` on; reads headers only. Ends at the end of the file, or at bytes that are no box."""
    offset = start
    for _ in range(_MAX_BOXES):
        box = box_at(offset, reader.read(offset, HEADER_BYTES), reader.size)
        if box is None:
            return
        yield box
        offset = box.end
    raise LimitExceededError(f"more than {_MAX_BOXES} boxes at the top of the file; it is damaged, or remux it")


def read_payload(reader: WindowReader, box: TopBox, more: int = 0) -> Payload:
    """Read the payload of a box that holds headers, and into the window `more` bytes behind it.

    Raises LimitExceededError if it is too large.
    """
    size = box.end - box.body
    if size > _MAX_HEADER_BYTES:
        raise LimitExceededError(f"a header {name(box.kind)} of {size} bytes; at most {_MAX_HEADER_BYTES} are read")
    return memoryview(reader.read(box.body, size + more))[:size]
