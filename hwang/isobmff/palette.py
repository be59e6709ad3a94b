"""Palettes of sample descriptions: QuickTime's color tables."""

from __future__ import annotations

from hwang.isobmff.boxes import Payload

_BYTES = 1024  # 256 colors of 4 bytes: blue, green, red, 255
_SHADES = (0xEE, 0xDD, 0xBB, 0xAA, 0x88, 0x77, 0x55, 0x44, 0x22, 0x11)
_CUBE = (0xFF, 0xCC, 0x99, 0x66, 0x33, 0)
_BLACK = bytes(3)
_DEFAULTS = {  # QuickTime's own tables, by bits per pixel: red, green, blue
    1: b"\xff" * 3 + _BLACK,
    2: bytes.fromhex("ffffffacacac555555000000"),
    4: bytes.fromhex(
        "fffffffcf305ff6402dd0806f208844600a50000d402abea1fb714006411562c0590713ac0c0c0808080404040000000"
    ),
    8: b"".join(
        [bytes([red, green, blue]) for red in _CUBE for green in _CUBE for blue in _CUBE if red or green or blue]
        + [bytes([shade * (part == at) for part in range(3)]) for at in range(3) for shade in _SHADES]
        + [bytes([shade] * 3) for shade in _SHADES]
        + [_BLACK]
    ),
}


def read_palette(depth: int, table: int, rest: Payload) -> tuple[bytes, Payload]:
    """Return the palette as FFmpeg has it, and what follows a color table at the beginning of `rest`.

    depth: bits per pixel as stated, of which the sixth bit means shades of gray. table: the number of a color table, 0
    for the one in the description. Without a palette the bytes are empty.
    """
    bits = depth & 0x1F
    if bits not in _DEFAULTS:
        return b"", rest
    if depth & 0x20 and bits > 1 and table:
        step = 256 // ((1 << bits) - 1)
        return _packed(b"".join(bytes([max(255 - step * at, 0)] * 3) for at in range(1 << bits))), rest
    if table:
        return _packed(_DEFAULTS[bits]), rest
    first, last = int.from_bytes(rest[:4], "big"), int.from_bytes(rest[6:8], "big")
    if max(first, last) > 255:
        return _packed(b""), rest[8:]
    end = 8 + 8 * max(last + 1 - first, 0)
    colors = bytes(rest[8:end])
    return _packed(b"".join(colors[at + 2 : at + 8 : 2] for at in range(0, len(colors), 8)), first), rest[end:]


def _packed(colors: bytes, first: int = 0) -> bytes:
    """Return a whole palette with these colors (red, green, blue) from number `first` on."""
    packed = b"".join(colors[at : at + 3][::-1] + b"\xff" for at in range(0, len(colors) - 2, 3))
    return (bytes(4 * first) + packed).ljust(_BYTES, b"\0")
