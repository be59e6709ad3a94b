"""Encode and decode the protobuf message hwang.proto.VideoIndex, with vectorized packed integers.

Fields 1 to 9 are those of scanner-research/hwang. Fields from 100 on are this package's; other readers skip them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwang.errors import CorruptMediaError

_VARINT, _BYTES = 0, 2
_FIXED = {1: 8, 5: 4}  # wire type: bytes

_NUMBERS = {  # column of the index: number of its field
    "codec_tag": 104,
    "rotation": 106,
    "track_id": 108,
    "duration_ticks": 109,
    "reorder": 116,
    "bits_per_coded_sample": 117,
    "field_order": 128,
}
_FLAGS = {"byte_addressable": 107, "separate_fields": 118, "clockless": 119, "sets_unknown": 125}
_TIME_BASE = (100, 101)
_STRINGS = {"container": 102, "codec": 103}
_EXTRADATA = 105
_DELTAS = {"pts": 110, "dts": 111, "order": 112, "row_pts": 113}  # packed zigzag differences
_DISPOSABLE = 114  # packed differences of sample numbers
_TUPLES = {"color": 115, "cropping": 120, "coded_size": 126, "sample_aspect_ratio": 127, "transport": 129}  # packed
_CHANGES = {"configurations": (121, 122), "parameter_sets": (123, 124)}  # packed sample numbers, repeated bytes

_BYTE_STEPS = np.array([1 << 7 * k for k in range(1, 10)], np.uint64)  # from each of these on, one more byte
_BLOCK = 1 << 14  # integers at a time, so that they stay in the processor's cache


def encode(index: Mapping[str, Any], metadata: bytes) -> bytes:
    """Serialize an index: its columns and numbers by name, and the parameter sets that upstream expects in field 6."""
    numerator, timescale = index["time_base"]
    fields: dict[int, int | bytes | list[bytes]] = {
        1: index["width"],
        2: index["height"],
        3: encode_packed(index["sample_offset"]),
        4: encode_packed(index["sample_size"]),
        5: encode_packed(np.flatnonzero(index["sync"])),
        6: metadata,
        7: timescale,
        8: max(index["duration_ticks"] * numerator, 0),
        9: index["codec"].encode(),
    }
    if index["complete"]:
        fields |= zip(_TIME_BASE, index["time_base"], strict=True)
        fields |= {number: max(int(index[name]), 0) for name, number in (_NUMBERS | _FLAGS).items()}
        fields |= {number: index[name].encode() for name, number in _STRINGS.items()}
        fields[_EXTRADATA] = index["extradata"]
        for name, number in _DELTAS.items():
            fields[number] = encode_packed(zigzag_deltas(index[name].astype(np.int64)))
        fields[_DISPOSABLE] = encode_packed(np.diff(np.flatnonzero(index["disposable"]), prepend=0))
        fields |= {number: encode_packed(np.array(index[name])) for name, number in _TUPLES.items() if any(index[name])}
        for name, (number, following) in _CHANGES.items():
            fields[number] = encode_packed(np.array([start for start, _ in index[name]], np.int64))
            fields[following] = [data for _, data in index[name]]
    return b"".join(_field(number, value) for number, value in fields.items() if value)  # proto3 omits zero


def decode(data: bytes) -> dict[str, Any]:
    """Return the columns and numbers of a serialized index by name; `complete` is False without this package's fields.

    Memory is bounded by a small multiple of len(data). Raises CorruptMediaError if `data` is not an index.
    """
    message = _Message(data)
    offset, size = message.packed(3), message.packed(4)
    samples = len(offset)
    if len(size) and int(size.max()) >= 1 << 32:
        raise CorruptMediaError("serialized index: a sample of 4 GiB or more; the bytes are damaged")
    index: dict[str, Any] = {
        "sample_offset": offset,
        "sample_size": size,
        "sync": _mask(message.packed(5), samples, "keyframe_indices"),
        "width": message.scalar(1),
        "height": message.scalar(2),
    }
    if not message.has(_TIME_BASE[1]):
        return {
            **index,
            **dict.fromkeys(_DELTAS, np.arange(samples)),
            "disposable": np.zeros(samples, np.bool_),
            "time_base": (1, message.scalar(7) or 1),
            "duration_ticks": message.scalar(8),
            "container": "",
            "codec": message.text(9),
            "extradata": message.raw(6),
            "complete": False,
        }
    index |= {name: unzigzag_deltas(message.packed(number)) for name, number in _DELTAS.items()}
    if len(index["order"]) and not 0 <= int(index["order"].min()) <= int(index["order"].max()) < samples:
        raise CorruptMediaError("serialized index: a row shows a sample that does not exist")
    index |= {name: message.scalar(number) for name, number in _NUMBERS.items()}
    index |= {name: bool(message.scalar(number)) for name, number in _FLAGS.items()}
    index |= {name: message.text(number) for name, number in _STRINGS.items()}
    index |= {name: tuple(found) for name, number in _TUPLES.items() if (found := message.packed(number).tolist())}
    for name, (number, following) in _CHANGES.items():
        starts, pieces = message.packed(number).tolist(), message.pieces(following)
        if len(starts) != len(pieces):
            raise CorruptMediaError(f"serialized index: {len(starts)} starts for {len(pieces)} {name}")
        index[name] = tuple(zip(starts, pieces, strict=True))
    return {
        **index,
        "disposable": _mask(np.cumsum(message.packed(_DISPOSABLE), dtype=np.uint64), samples, "disposable"),
        "time_base": (message.scalar(_TIME_BASE[0]), message.scalar(_TIME_BASE[1])),
        "extradata": message.raw(_EXTRADATA),
    }


def _field(number: int, value: int | bytes | list[bytes]) -> bytes:
    if isinstance(value, list):
        return b"".join(_field(number, item) for item in value)
    if isinstance(value, bytes):
        return write_varint(number << 3 | _BYTES) + write_varint(len(value)) + value
    return write_varint(number << 3 | _VARINT) + write_varint(value)


def _mask(numbers: NDArray[np.uint64], samples: int, name: str) -> NDArray[np.bool_]:
    if len(numbers) and int(numbers.max()) >= samples:
        raise CorruptMediaError(f"serialized index: {name} names sample {int(numbers.max())} of {samples}")
    mask = np.zeros(samples, np.bool_)
    mask[numbers] = True
    return mask


class _Message:
    """Fields of one message: the last scalar, and all pieces of a repeated or bytes field."""

    def __init__(self, data: bytes) -> None:
        self._scalars: dict[int, list[int]] = {}
        self._chunks: dict[int, list[memoryview]] = {}
        view, position = memoryview(data), 0
        while position < len(view):
            key, position = read_varint(view, position)
            number, kind = key >> 3, key & 7
            if kind == _VARINT:
                value, position = read_varint(view, position)
                self._scalars.setdefault(number, []).append(value)
            elif kind == _BYTES:
                length, position = read_varint(view, position)
                if length > len(view) - position:
                    raise CorruptMediaError(f"serialized index: field {number} is cut short; the bytes are truncated")
                self._chunks.setdefault(number, []).append(view[position : position + length])
                position += length
            elif kind in _FIXED and number:
                position += _FIXED[kind]
            else:
                raise CorruptMediaError(f"serialized index: wire type {kind} at byte {position}; not an index")
            if not number or position > len(view):
                raise CorruptMediaError("serialized index: not an index, or truncated")

    def has(self, number: int) -> bool:
        return number in self._scalars

    def scalar(self, number: int) -> int:
        return self._scalars.get(number, [0])[-1]

    def pieces(self, number: int) -> list[bytes]:
        return [bytes(chunk) for chunk in self._chunks.get(number, [])]

    def raw(self, number: int) -> bytes:
        return bytes(self._chunks.get(number, [memoryview(b"")])[-1])

    def text(self, number: int) -> str:
        try:
            return self.raw(number).decode()
        except UnicodeDecodeError as error:
            raise CorruptMediaError(f"serialized index: field {number} is not text; not an index") from error

    def packed(self, number: int) -> NDArray[np.uint64]:
        """Return all values of a repeated integer field, packed or not (in a mixture packed values come first)."""
        parts = [decode_packed(chunk) for chunk in self._chunks.get(number, [])]
        if number in self._scalars:
            parts.append(np.array(self._scalars[number], np.uint64))
        return np.concatenate(parts) if parts else np.empty(0, np.uint64)


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
    raise CorruptMediaError(f"serialized index: bad integer at byte {position}; the bytes are no index, or truncated")


def encode_packed(values: NDArray[np.integer]) -> bytes:
    """Encode non-negative integers [n], one after the other."""
    blocks = (values[at : at + _BLOCK] for at in range(0, len(values), _BLOCK))
    return b"".join(_encode_block(block.astype(np.uint64)) for block in blocks)


def _encode_block(numbers: NDArray[np.uint64]) -> bytes:
    width = int(np.searchsorted(_BYTE_STEPS, numbers.max(), "right")) + 1
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
    """Return differences (the first from 0) with the sign in the lowest bit. Wraps around at 64 bits."""
    deltas = np.diff(values, prepend=np.int64(0))
    return ((deltas << 1) ^ (deltas >> 63)).view(np.uint64)


def unzigzag_deltas(coded: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Inverse of zigzag_deltas."""
    deltas = (coded >> np.uint64(1)).view(np.int64) ^ -(coded & np.uint64(1)).view(np.int64)
    return np.cumsum(deltas, dtype=np.int64)
