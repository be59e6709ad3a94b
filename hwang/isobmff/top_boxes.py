"""Boxes at the top of a file, found by reading few bytes in few requests."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence

from hwang.errors import LimitExceededError
from hwang.isobmff.boxes import HEADER_BYTES, Payload, TopBox, box_at, name
from hwang.ranges import ByteRange
from hwang.sources import RangeSource

WINDOW_BYTES = 32 * 1024

_MAX_BOXES = 1 << 18  # 131,072 fragments
_MAX_HEADER_BYTES = 256 << 20  # bytes


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
