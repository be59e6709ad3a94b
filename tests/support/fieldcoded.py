"""H.264 whose fields are pictures of their own (PAFF), which no encoder at hand writes: uncompressed macroblocks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_WIDTH_MBS, _FIELD_HEIGHT_MBS = 10, 3
SIZE = (160, 96)
_IDR_EVERY = 8


class _Bits:
    def __init__(self) -> None:
        self._bits: list[str] = []

    def u(self, value: int, width: int) -> _Bits:
        self._bits.append(f"{value:0{width}b}")
        return self

    def ue(self, value: int) -> _Bits:
        code = f"{value + 1:b}"
        self._bits.append("0" * (len(code) - 1) + code)
        return self

    def align(self, stop_bit: bool = False) -> bytes:
        text = "".join(self._bits) + ("1" if stop_bit else "")
        text += "0" * (-len(text) % 8)
        return int(text, 2).to_bytes(len(text) // 8, "big")


def _unit(reference: int, kind: int, payload: bytes) -> bytes:
    escaped, zeros = bytearray(), 0
    for byte in payload:
        if zeros >= 2 and byte <= 3:
            escaped.append(3)
            zeros = 0
        escaped.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    return b"\0\0\0\1" + bytes([reference << 5 | kind]) + bytes(escaped)


def _headers() -> bytes:
    sequence = _Bits().u(77, 8).u(0, 8).u(30, 8).ue(0).ue(4).ue(2).ue(1).u(0, 1).ue(_WIDTH_MBS - 1)
    sequence.ue(_FIELD_HEIGHT_MBS - 1).u(0, 1).u(0, 1).u(1, 1).u(0, 1).u(0, 1)
    picture = _Bits().ue(0).ue(0).u(0, 1).u(0, 1).ue(0).ue(0).ue(0).u(0, 3).ue(0).ue(0).ue(0).u(1, 1).u(0, 2)
    return _unit(3, 7, sequence.align(stop_bit=True)) + _unit(3, 8, picture.align(stop_bit=True))


def _field(luma: NDArray[np.uint8], number: int, bottom: bool) -> bytes:
    idr = number % _IDR_EVERY == 0
    first_idr_field = idr and not bottom
    header = _Bits().ue(0).ue(7).ue(0).u(number % _IDR_EVERY, 8).u(1, 1).u(int(bottom), 1)
    if first_idr_field:
        header.ue(number // _IDR_EVERY % 2).u(0, 2)
    else:
        header.u(0, 1)
    header.ue(0).ue(1)
    payload = bytearray()
    chroma = bytes([128]) * 128
    for row in range(_FIELD_HEIGHT_MBS):
        for column in range(_WIDTH_MBS):
            block = luma[16 * row : 16 * row + 16, 16 * column : 16 * column + 16]
            mb_type = (header if not payload else _Bits()).ue(25).align()
            payload += mb_type + block.tobytes() + chroma
    return _unit(1, 5 if first_idr_field else 1, bytes(payload) + b"\x80")


def field_coded_h264(luma: NDArray[np.uint8]) -> bytes:
    """An H.264 stream of `luma`, uint8 [N, 96, 160] in 1…254: two field pictures a frame, top field first."""
    stream = bytearray()
    for number, frame in enumerate(luma):
        if number % _IDR_EVERY == 0:
            stream += _headers()
        stream += _unit(0, 9, b"\xf0") + _field(frame[0::2], number, False)
        stream += _unit(0, 9, b"\xf0") + _field(frame[1::2], number, True)
    return bytes(stream)
