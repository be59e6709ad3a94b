"""HEVC streams with parameter sets that an encoder does not write: bits by hand, after ITU-T H.265, 7.3.2.3."""

from __future__ import annotations

from collections.abc import Iterable

START_CODE = b"\0\0\0\1"
PPS = 34  # nal_unit_type

# Flags behind pps_extension_present_flag.
MULTILAYER, THREE_D = "0100", "0010"

# dlts_present_flag, 64 depth layers of 23 bits, and for the first one a flag for each of the 2**23 values: not there.
ENDLESS_3D = "1" + "111111" + "1111" + "1" + "0" + "1"


def ue(value: int) -> str:
    """The bits of an unsigned Exp-Golomb code."""
    bits = f"{value + 1:b}"
    return "0" * (len(bits) - 1) + bits


def units_of(stream: bytes) -> list[bytes]:
    """The NAL units of a stream with start codes."""
    parts = stream.replace(START_CODE, START_CODE[1:]).split(START_CODE[1:])
    return [part for part in parts if part]


def joined(units: Iterable[bytes]) -> bytes:
    return b"".join(START_CODE + unit for unit in units)


def type_of(unit: bytes) -> int:
    return unit[0] >> 1 & 63


def unescaped(unit: bytes) -> bytes:
    return unit.replace(b"\0\0\3", b"\0\0")


def escaped(unit: bytes) -> bytes:
    out, zeros = bytearray(), 0
    for byte in unit:
        if zeros >= 2 and byte <= 3:
            out.append(3)
            zeros = 0
        out.append(byte)
        zeros = 0 if byte else zeros + 1
    return bytes(out)


def with_extension(pps: bytes, flags: str, content: str, four_bits: str = "0000") -> bytes:
    """A PPS that had no extension, with one. Its last bit but the stop bit is pps_extension_present_flag."""
    bits = "".join(f"{byte:08b}" for byte in unescaped(pps)).rstrip("0")[:-1]
    assert bits.endswith("0"), "this PPS has an extension"
    return of_bits(bits[:-1] + "1" + flags + four_bits + content)


def of_bits(bits: str) -> bytes:
    """A unit of these bits, with the stop bit."""
    bits += "1"
    bits += "0" * (-len(bits) % 8)
    return escaped(int(bits, 2).to_bytes(len(bits) // 8, "big"))


def pps_of(stream: bytes) -> bytes:
    return next(unit for unit in units_of(stream) if type_of(unit) == PPS)


def with_unit_in_the_middle(stream: bytes, *inserted: bytes) -> bytes:
    """The stream with units in front of its second key frame's first one."""
    units = units_of(stream)
    second = [position for position, unit in enumerate(units) if type_of(unit) == PPS][1]
    return joined([*units[:second], *inserted, *units[second:]])
