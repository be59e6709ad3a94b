"""Protobuf base-128 varints: one at a time, and whole arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hwang.errors import CorruptMediaError

__all__ = ["decode_packed", "encode_packed", "read_varint", "unzigzag_deltas", "write_varint", "zigzag_deltas"]

_LIMITS = np.array([1 << 7 * k for k in range(1, 10)], np.uint64)  # from here on, one more byte
_BLOCK = 1 << 14  # integers at a time: what is worked on stays in the processor's cache


def write_varint(value: int) -> bytes:
    """Encode one integer in [0, 2^64)."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def read_varint(data: memoryview, position: int) -> tuple[int, int]:
    """Decode the integer at `position`; returns it and the position behind it. Raises CorruptMediaError."""
    value = 0
    for shift, byte in zip(range(0, 70, 7), data[position : position + 10], strict=False):
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value >> 64:
                break
            return value, position + shift // 7 + 1
    raise CorruptMediaError(f"serialized index: bad integer at byte {position}; not an index, or truncated")


def encode_packed(values: NDArray[np.integer]) -> bytes:
    """Encode non-negative integers [n] one after the other."""
    blocks = (values[at : at + _BLOCK] for at in range(0, len(values), _BLOCK))
    return b"".join(_encode_block(block.astype(np.uint64)) for block in blocks)


def _encode_block(numbers: NDArray[np.uint64]) -> bytes:
    width = int(np.searchsorted(_LIMITS, numbers.max(), "right")) + 1
    table = np.empty((len(numbers), width), np.uint8)
    for k in range(width):
        table[:, k] = numbers & np.uint64(0x7F)
        numbers >>= np.uint64(7)
        if k + 1 < width:
            table[:, k] |= (numbers != 0).view(np.uint8) << 7
    if width == 1:
        return table.tobytes()
    used = np.ones(table.shape, np.bool_)
    used[:, 1:] = table[:, :-1] >= 0x80
    return table[used].tobytes()


def decode_packed(data: memoryview | bytes) -> NDArray[np.uint64]:
    """Decode all integers of `data`: uint64 [n]. Raises CorruptMediaError on a cut or overlong one."""
    raw = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(raw < 0x80) + 1
    if (int(ends[-1]) if len(ends) else 0) != len(raw):
        raise CorruptMediaError("serialized index: the last integer of a table is cut; the bytes are truncated")
    values = np.empty(len(ends), np.uint64)
    begin = 0
    for at in range(0, len(ends), _BLOCK):
        block = ends[at : at + _BLOCK]
        _decode_block(raw[begin : block[-1]], block - begin, values[at : at + _BLOCK])
        begin = int(block[-1])
    return values


def _decode_block(raw: NDArray[np.uint8], ends: NDArray[np.intp], values: NDArray[np.uint64]) -> None:
    starts = np.concatenate([[0], ends[:-1]])
    lengths = ends - starts
    shortest, longest = int(lengths.min()), int(lengths.max())
    if longest > 10 or (longest == 10 and bool((raw[ends[lengths == 10] - 1] > 1).any())):
        raise CorruptMediaError("serialized index: an integer of more than 64 bits; not an index")
    values[:] = raw[starts] & np.uint8(0x7F)
    for k in range(1, longest):
        longer = slice(None) if k < shortest else np.flatnonzero(lengths > k)
        part = (raw[starts[longer] + k] & np.uint8(0x7F)).astype(np.uint64)
        values[longer] |= part << np.uint64(7 * k)


def zigzag_deltas(values: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Differences (the first from 0) with the sign in the lowest bit. Wraps around at 64 bits."""
    deltas = np.diff(values, prepend=np.int64(0))
    return ((deltas << 1) ^ (deltas >> 63)).view(np.uint64)


def unzigzag_deltas(coded: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Inverse of zigzag_deltas."""
    deltas = (coded >> np.uint64(1)).view(np.int64) ^ -(coded & np.uint64(1)).view(np.int64)
    return np.cumsum(deltas, dtype=np.int64)
