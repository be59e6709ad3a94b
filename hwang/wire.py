"""Protobuf wire format of hwang.proto.VideoIndex, both ways, vectorised.

Fields 1 to 9 are those of scanner-research/hwang. Fields from 100 on are this package's; others skip them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwang.errors import CorruptMediaError
from hwang.index import UNKNOWN_COLOR, VideoIndex, check_sample_count
from hwang.varint import decode_packed, encode_packed, read_varint, unzigzag_deltas, write_varint, zigzag_deltas

__all__ = ["decode", "encode"]

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

_SCALARS = {  # keyword of VideoIndex: field number
    "codec_tag": 104,
    "rotation": 106,
    "byte_addressable": 107,
    "track_id": 108,
    "duration_ticks": 109,
    "reorder": 116,
    "bits_per_coded_sample": 117,
    "separate_fields": 118,
}
_TIME_BASE = (100, 101)
_STRINGS = {"container": 102, "codec": 103}
_EXTRADATA = 105
_DELTAS = {"pts": 110, "dts": 111, "order": 112, "row_pts": 113}  # packed zigzag differences
_DISPOSABLE = 114  # packed differences of sample numbers
_COLOR = 115  # packed


def encode(index: VideoIndex) -> bytes:
    """Serialize `index`."""
    out = bytearray()
    _put_scalar(out, 1, index.width)
    _put_scalar(out, 2, index.height)
    _put_bytes(out, 3, encode_packed(index.sample_offset))
    _put_bytes(out, 4, encode_packed(index.sample_size))
    _put_bytes(out, 5, encode_packed(np.flatnonzero(index.sync)))
    _put_bytes(out, 6, index.metadata_bytes())
    _put_scalar(out, 7, index.timescale())
    _put_scalar(out, 8, max(index.duration(), 0))
    _put_bytes(out, 9, index.format().encode())
    if not index.complete:
        return bytes(out)
    for number, value in zip(_TIME_BASE, index.time_base, strict=True):
        _put_scalar(out, number, value)
    for name, number in _SCALARS.items():
        _put_scalar(out, number, max(int(getattr(index, name)), 0))
    for name, number in _STRINGS.items():
        _put_bytes(out, number, getattr(index, name).encode())
    _put_bytes(out, _EXTRADATA, index.extradata)
    for name, number in _DELTAS.items():
        _put_bytes(out, number, encode_packed(zigzag_deltas(getattr(index, name).astype(np.int64))))
    _put_bytes(out, _DISPOSABLE, encode_packed(np.diff(np.flatnonzero(index.disposable), prepend=0)))
    _put_bytes(out, _COLOR, encode_packed(np.array(index.color)))
    return bytes(out)


def decode(data: bytes) -> VideoIndex:
    """Inverse of encode(). An index without this package's fields comes back with `complete` False.

    Memory is bounded by a small multiple of len(data). Raises CorruptMediaError if `data` is not an index,
    LimitExceededError if it has too many samples.
    """
    message = _Message(data)
    offset, size = message.packed(3), message.packed(4)
    samples = check_sample_count(len(offset))
    if len(size) and int(size.max()) >= 1 << 32:
        raise CorruptMediaError("serialized index: a sample of 4 GiB or more; the bytes are damaged")
    common: dict[str, Any] = {
        "sample_offset": offset,
        "sample_size": size,
        "sync": _mask(message.packed(5), samples, "keyframe_indices"),
        "width": message.scalar(1),
        "height": message.scalar(2),
    }
    if not message.has(_TIME_BASE[1]):
        ticks: Any = np.arange(samples)
        return VideoIndex(
            **common,
            pts=ticks,
            dts=ticks,
            row_pts=ticks,
            order=ticks,
            disposable=np.zeros(samples, np.bool_),
            time_base=(1, message.scalar(7) or 1),
            duration_ticks=message.scalar(8),
            container="",
            codec=message.text(9),
            extradata=message.raw(6),
            complete=False,
        )
    deltas: dict[str, Any] = {name: unzigzag_deltas(message.packed(number)) for name, number in _DELTAS.items()}
    if len(deltas["order"]) and not 0 <= int(deltas["order"].min()) <= int(deltas["order"].max()) < samples:
        raise CorruptMediaError("serialized index: a row shows a sample that does not exist")
    scalars: dict[str, Any] = {name: message.scalar(number) for name, number in _SCALARS.items()}
    for flag in ("byte_addressable", "separate_fields"):
        scalars[flag] = bool(scalars[flag])
    strings: dict[str, Any] = {name: message.text(number) for name, number in _STRINGS.items()}
    return VideoIndex(
        **common,
        **deltas,
        **scalars,
        **strings,
        disposable=_mask(np.cumsum(message.packed(_DISPOSABLE), dtype=np.uint64), samples, "disposable"),
        time_base=(message.scalar(_TIME_BASE[0]), message.scalar(_TIME_BASE[1])),
        extradata=message.raw(_EXTRADATA),
        color=tuple(message.packed(_COLOR).tolist()) or UNKNOWN_COLOR,
    )


def _put_scalar(out: bytearray, number: int, value: int) -> None:
    if value:  # proto3 leaves out zero
        out += write_varint(number << 3 | _VARINT) + write_varint(value)


def _put_bytes(out: bytearray, number: int, value: bytes) -> None:
    if value:
        out += write_varint(number << 3 | _BYTES) + write_varint(len(value))
        out += value


def _mask(numbers: NDArray[np.uint64], samples: int, name: str) -> NDArray[np.bool_]:
    if len(numbers) and int(numbers.max()) >= samples:
        raise CorruptMediaError(f"serialized index: {name} names sample {int(numbers.max())} of {samples}")
    mask = np.zeros(samples, np.bool_)
    mask[numbers] = True
    return mask


class _Message:
    """The fields of one message: the last scalar, and all pieces of a repeated or bytes field."""

    def __init__(self, data: bytes) -> None:
        self._scalars: dict[int, list[int]] = {}
        self._chunks: dict[int, list[memoryview]] = {}
        view, position = memoryview(data), 0
        skip: dict[int, Callable[[int], int]] = {_FIXED64: lambda at: at + 8, _FIXED32: lambda at: at + 4}
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
            elif kind in skip and number:
                position = skip[kind](position)
            else:
                raise CorruptMediaError(f"serialized index: wire type {kind} at byte {position}; not an index")
            if not number or position > len(view):
                raise CorruptMediaError("serialized index: not an index, or truncated")

    def has(self, number: int) -> bool:
        return number in self._scalars

    def scalar(self, number: int) -> int:
        return self._scalars.get(number, [0])[-1]

    def raw(self, number: int) -> bytes:
        return bytes(self._chunks.get(number, [memoryview(b"")])[-1])

    def text(self, number: int) -> str:
        try:
            return self.raw(number).decode()
        except UnicodeDecodeError as error:
            raise CorruptMediaError(f"serialized index: field {number} is not text; not an index") from error

    def packed(self, number: int) -> NDArray[np.uint64]:
        """All values of a repeated integer field, packed or not (a mixture is taken packed values first)."""
        parts = [decode_packed(chunk) for chunk in self._chunks.get(number, [])]
        if number in self._scalars:
            parts.append(np.array(self._scalars[number], np.uint64))
        return np.concatenate(parts) if parts else np.empty(0, np.uint64)
