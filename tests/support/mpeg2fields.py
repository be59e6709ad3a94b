"""MPEG-2 whose fields are pictures of their own, which no encoder at hand writes: the mean of each block."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_GROUP = 6
_LUMA_DC_SIZES = ("100", "00", "01", "101", "110", "1110", "11110", "111110", "1111110")
_NO_CHANGE, _END_OF_BLOCK = "00", "10"
_INTRA, _TOP, _BOTTOM = 1, 1, 2


def _coded(code: int, bits: str) -> bytes:
    """Bytes that follow a start code."""
    bits += "0" * (-len(bits) % 8)
    return bytes([0, 0, 1, code]) + int(bits, 2).to_bytes(len(bits) // 8, "big")


def _headers(width: int, height: int) -> bytes:
    sequence = _coded(0xB3, f"{width:012b}{height:012b}" + "00010011" + "1" * 18 + "1" + f"{112:010b}" + "000")
    extension = _coded(0xB5, "0001" + f"{0x48:08b}" + "001" + "0000" + "0" * 12 + "1" + "0" * 16)
    group = _coded(0xB8, "0" * 12 + "1" + "0" * 12 + "10")
    return sequence + extension + group


def _block(mean: int, predicted: int) -> str:
    difference = mean - predicted
    size = abs(difference).bit_length()
    value = difference if difference > 0 else difference + (1 << size) - 1
    return _LUMA_DC_SIZES[size] + (f"{value:0{size}b}" if size else "") + _END_OF_BLOCK


def _field(luma: NDArray[np.uint8] | None, reference: int, kind: int, structure: int, size: tuple[int, int]) -> bytes:
    """One field of macroblocks of their own, or without `luma` of copies of the top field."""
    vectors = "" if kind == _INTRA else "0111"
    data = _coded(0, f"{reference:010b}{kind:03b}" + "1" * 16 + vectors + "0")
    data += _coded(
        0xB5, "1000" + ("1" * 8 if kind == _INTRA else "00010001") + "1" * 8 + f"00{structure:02b}" + "0" * 11
    )
    across, down = size[0] // 16, size[1] // 32
    for row in range(down):
        bits, predicted = "000010", 128
        for column in range(across):
            if luma is None:
                bits += "1" + "001" + "01" + "0" + "11"  # compensated, by a field, the top one, not moved
                continue
            bits += "1" + ("1" if kind == _INTRA else "00011")
            for y, x in ((0, 0), (0, 8), (8, 0), (8, 8)):
                block = luma[16 * row + y : 16 * row + y + 8, 16 * column + x : 16 * column + x + 8]
                mean = int(block.mean())
                bits += _block(mean, predicted)
                predicted = mean
            bits += 2 * (_NO_CHANGE + _END_OF_BLOCK)
        data += _coded(1 + row, bits)
    return data


def field_coded_mpeg2(luma: NDArray[np.uint8]) -> bytes:
    """An MPEG-2 stream of `luma`, uint8 [N, H, W], multiples of 32: two pictures a frame, the second like the first."""
    size = luma.shape[2], luma.shape[1]
    stream = b""
    for number, frame in enumerate(luma):
        reference = number % _GROUP
        kind = 2 if reference else _INTRA
        stream += b"" if reference else _headers(*size)
        stream += _field(frame[0::2], reference, kind, _TOP, size) + _field(None, reference, 2, _BOTTOM, size)
    return stream
