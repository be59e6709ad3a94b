"""Damages videos as disks, networks and attackers do. The same seed makes the same damage."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

__all__ = ["damage", "mutate"]

_NUMBERS = (0, 1, 2, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 1 << 24, 1 << 28, (1 << 31) - 1, 1 << 31, (1 << 32) - 8, (1 << 32) - 1)
"""What counts, sizes and offsets are when they go wrong."""

_INSIDE = {  # boxes that hold boxes: bytes of their own before those
    **dict.fromkeys(
        (b"moov", b"trak", b"edts", b"mdia", b"minf", b"dinf", b"stbl", b"mvex", b"moof", b"traf", b"udta"), 0
    ),
    b"dref": 8,
    b"stsd": 8,
    **dict.fromkeys((b"avc1", b"hev1", b"hvc1", b"vp09", b"av01", b"mp4v", b"png ", b"jpeg", b"apco"), 78),
}
_LONGEST_BLOCK = 4096  # bytes that are copied, moved or lost at once


@dataclass(frozen=True, slots=True)
class _Box:
    start: int  # of its size field
    end: int


def mutate(data: bytes, random: Random) -> bytes:
    """`data` with one to twenty pieces of damage, never empty."""
    damaged = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 4, 20))):
        damage(damaged, random)
    return bytes(damaged) or b"\0"


def damage(data: bytearray, random: Random) -> None:
    """One piece of damage, in place."""
    if data:
        random.choice(_WAYS)(data, random)


def _place(data: bytearray, random: Random) -> int:
    """Anywhere, but often near one of the ends, where headers and indexes are."""
    near = min(len(data), random.choice((64, 1024, 8192, len(data))))
    return random.choice((random.randrange(near), len(data) - 1 - random.randrange(near)))


def _block(data: bytearray, random: Random) -> slice:
    start = _place(data, random)
    return slice(start, start + random.randint(1, random.choice((8, 64, _LONGEST_BLOCK))))


def _flip_a_bit(data: bytearray, random: Random) -> None:
    data[_place(data, random)] ^= 1 << random.randrange(8)


def _change_a_byte(data: bytearray, random: Random) -> None:
    data[_place(data, random)] = random.randrange(256)


def _write_a_number(data: bytearray, random: Random) -> None:
    _overwrite(data, _place(data, random), random)


def _write_noise(data: bytearray, random: Random) -> None:
    place = _block(data, random)
    data[place] = random.randbytes(len(data[place]))


def _write_zeros(data: bytearray, random: Random) -> None:
    place = _block(data, random)
    data[place] = bytes(len(data[place]))


def _lose_a_block(data: bytearray, random: Random) -> None:
    del data[_block(data, random)]


def _repeat_a_block(data: bytearray, random: Random) -> None:
    place = _block(data, random)
    data[place.start : place.start] = data[place]


def _move_a_block(data: bytearray, random: Random) -> None:
    place = _block(data, random)
    block = data[place]
    del data[place]
    to = random.randrange(len(data) + 1)
    data[to:to] = block


def _insert_noise(data: bytearray, random: Random) -> None:
    at = _place(data, random)
    data[at:at] = random.randbytes(random.randint(1, 64))


def _truncate(data: bytearray, random: Random) -> None:
    del data[_place(data, random) :]


def _change_a_field_of_a_box(data: bytearray, random: Random) -> None:
    if box := _any_box(data, random):
        words = max(1, min(box.end - box.start, 8 + 4 * 16) // 4)  # counts and offsets come first
        _overwrite(data, box.start + 4 * random.randrange(words), random)


def _change_a_size_of_a_box(data: bytearray, random: Random) -> None:
    if box := _any_box(data, random):
        _overwrite(data, box.start, random)


def _rename_a_box(data: bytearray, random: Random) -> None:
    box, other = _any_box(data, random), _any_box(data, random)
    if box and other:
        data[box.start + 4 : box.start + 8] = data[other.start + 4 : other.start + 8]


def _lose_a_box(data: bytearray, random: Random) -> None:
    if box := _any_box(data, random):
        del data[box.start : box.end]


def _copy_a_box(data: bytearray, random: Random) -> None:
    box, other = _any_box(data, random), _any_box(data, random)
    if box and other and box.end - box.start < 1 << 16:
        data[other.start : other.start] = data[box.start : box.end]


def _overwrite(data: bytearray, at: int, random: Random) -> None:
    """Four bytes become a number that went wrong, or one close to what they were."""
    old = int.from_bytes(data[at : at + 4], "big")
    new = random.choice((*_NUMBERS, old + 1, old - 1, old * 2, old ^ 1 << random.randrange(32), len(data)))
    there = len(data[at : at + 4])
    data[at : at + 4] = struct.pack(">I", new & 0xFFFF_FFFF)[:there]


def _any_box(data: bytearray, random: Random) -> _Box | None:
    boxes = list(_boxes(data, 0, len(data)))
    return random.choice(boxes) if boxes else None


def _boxes(data: bytearray, start: int, end: int) -> Iterator[_Box]:
    """All boxes in data[start:end], outer ones first; nothing where the bytes are none."""
    while start + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, start)
        if not 8 <= size <= end - start or not kind.isascii():
            return
        yield _Box(start, start + size)
        if kind in _INSIDE:
            yield from _boxes(data, start + 8 + _INSIDE[kind], start + size)
        start += size


_WAYS: tuple[Callable[[bytearray, Random], None], ...] = (
    *(_flip_a_bit, _change_a_byte, _write_a_number, _write_noise, _write_zeros),
    *(_lose_a_block, _repeat_a_block, _move_a_block, _insert_noise, _truncate),
    *(_change_a_field_of_a_box,) * 4,  # most of what matters is said there
    *(_change_a_size_of_a_box, _rename_a_box, _lose_a_box, _copy_a_box),
)
