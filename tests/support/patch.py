"""Changes boxes of finished MP4 files in place, so that no sample moves."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["body", "drop", "put_numbers", "put_table"]


def body(data: bytes, kind: bytes) -> slice:
    """Where the first box of this kind has its payload."""
    at = data.index(kind, 4)
    while (size := int.from_bytes(data[at - 4 : at], "big")) < 8 or at - 4 + size > len(data):
        at = data.index(kind, at + 1)  # that was a brand, or a word in the data
    return slice(at + 4, at - 4 + size)


def drop(data: bytes, kind: bytes) -> bytes:
    """Turn the first box of this kind into free space."""
    at = body(data, kind).start
    return data[: at - 4] + b"free" + data[at:]


def put_numbers(data: bytes, kind: bytes, offset: int, *numbers: int, size: int = 4) -> bytes:
    """Write big-endian numbers of `size` bytes at `offset` of the box's payload."""
    at = body(data, kind).start + offset
    new = b"".join((number % (1 << 8 * size)).to_bytes(size, "big") for number in numbers)
    return data[:at] + new + data[at + len(new) :]


def put_table(data: bytes, kind: bytes, rows: Sequence[int]) -> bytes:
    """Put other numbers into a table of single ones (stss, stco): at most as many as there are."""
    room = (body(data, kind).stop - body(data, kind).start - 8) // 4
    assert len(rows) <= room, f"room for {room} rows"
    return put_numbers(data, kind, 4, len(rows), *rows)
