"""Boxes of ISO base media files. Their sizes are never trusted."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwang.errors import CorruptMediaError

HEADER_BYTES = 16  # of a box with a 64-bit size

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

    def version_and_flags(self) -> tuple[int, int]:
        """Return version and flags of a full box."""
        return self.number(1), self.number(3)

    def table(self, count: int, dtype: str) -> NDArray[np.generic]:
        """Return [count] items of a big-endian dtype, without a copy."""
        item = np.dtype(dtype)
        return np.frombuffer(self.take(count * item.itemsize), item)

    @property
    def left(self) -> int:
        """Bytes that are not read yet."""
        return len(self._data) - self._at


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
