"""Boxes at the top of a file: found by reading few bytes, in few requests."""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from hwang.errors import LimitExceededError
from hwang.isobmff.boxes import Payload, name
from hwang.ranges import ByteRange
from hwang.source import RangeSource

__all__ = ["HEADER_BYTES", "WINDOW_BYTES", "TopBox", "WindowReader", "box_at", "read_payload", "top_level"]

HEADER_BYTES = 16  # of a box with a 64-bit size
WINDOW_BYTES = 32 * 1024

_MOST_BOXES = 1 << 18  # 131,072 fragments
_LARGEST_HEADER = 256 << 20  # bytes


class TopBox(NamedTuple):
    """A box of the file: [offset, end), its payload starting at `body`. `end` may lie behind the end of the file."""

    kind: bytes
    offset: int
    body: int
    end: int


class WindowReader:
    """Reads a source through one window, so that neighbouring small reads are one request."""

    def __init__(self, source: RangeSource) -> None:
        self.source, self.size = source, source.size
        self._start, self._window = 0, b""
        self._starts: list[int] = []  # of the pieces fetched ahead
        self._pieces: list[bytes] = []

    def read(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes at `offset`; fewer only at the end of the file."""
        there = self.peek(offset, length)
        if there is not None:
            return there
        end = min(offset + length, self.size)
        until = min(max(end, offset + WINDOW_BYTES), self.size)
        kept = self._window[offset - self._start :] if offset >= self._start else b""
        missing = offset + len(kept)
        self._window = kept + self.source.read_ranges([(missing, until - missing)])[0]
        self._start = offset
        return self._window[: end - offset]

    def peek(self, offset: int, length: int) -> bytes | None:
        """What read() would give, if that takes no request."""
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
        """Read these ranges in one call; from then on they are at hand."""
        pieces = self.source.read_ranges(ranges)
        starts = [offset for offset, _ in ranges]
        known = [*zip(self._starts, self._pieces, strict=True), *zip(starts, pieces, strict=True)]
        known.sort(key=lambda piece: (piece[0], len(piece[1])))
        self._starts, self._pieces = [start for start, _ in known], [piece for _, piece in known]


def box_at(offset: int, head: bytes, file_size: int) -> TopBox | None:
    """The box at `offset` that starts with `head`, its first bytes; None if these are no box."""
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


def top_level(reader: WindowReader, start: int = 0) -> Iterator[TopBox]:
    """The boxes from `start` on, by reading headers only. Ends at the end of the file or at bytes that are no box."""
    offset = start
    for _ in range(_MOST_BOXES):
        box = box_at(offset, reader.read(offset, HEADER_BYTES), reader.size)
        if box is None:
            return
        yield box
        offset = box.end
    raise LimitExceededError(f"more than {_MOST_BOXES} boxes at the top of the file; it is damaged, or remux it")


def read_payload(reader: WindowReader, box: TopBox) -> Payload:
    """What follows the header of a box that holds headers itself. Raises LimitExceededError if it is too large."""
    size = box.end - box.body
    if size > _LARGEST_HEADER:
        raise LimitExceededError(f"a header {name(box.kind)} of {size} bytes; at most {_LARGEST_HEADER} are read")
    return memoryview(reader.read(box.body, size))
