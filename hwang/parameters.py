"""H.264 and HEVC parameter sets in codec configuration records (ISO/IEC 14496-15, ITU-T H.264, 7.3.2.1.1)."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["annexb_parameter_sets", "may_have_fields"]

_START_CODE = b"\0\0\0\1"
_WITH_CHROMA_FORMAT = frozenset([100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135])


def annexb_parameter_sets(codec: str, extradata: bytes) -> bytes:
    """Return the parameter sets of `extradata` with start codes.

    avcC and hvcC records are converted; anything else, damaged records included, is returned unchanged.
    """
    if codec not in ("h264", "hevc") or extradata[:1] != b"\1":
        return extradata
    try:
        return b"".join(_START_CODE + unit for unit in _units(codec, extradata))
    except IndexError:
        return extradata


def _units(codec: str, record: bytes) -> Iterator[bytes]:
    """The parameter sets of an avcC or hvcC record. Raises IndexError if it is cut."""
    position, arrays = (5, 2) if codec == "h264" else (23, record[22])
    for array in range(arrays):
        if codec == "h264":
            count, position = record[position] & (0xFF if array else 0x1F), position + 1
        else:
            count, position = record[position + 1] << 8 | record[position + 2], position + 3
        for _ in range(count):
            end = position + 2 + (record[position] << 8 | record[position + 1])
            if end > len(record):
                raise IndexError(end)
            yield record[position + 2 : end]
            position = end


def may_have_fields(extradata: bytes) -> bool:
    """Return whether pictures of this H.264 stream may be fields: its SPS allows them, or cannot be read."""
    for unit in annexb_parameter_sets("h264", extradata).split(_START_CODE[1:]):
        if unit and unit[0] & 31 == 7:
            try:
                return not _frames_only(_Bits(unit[1:].replace(b"\0\0\3", b"\0\0")))
            except IndexError:
                return True
    return True


class _Bits:
    def __init__(self, data: bytes) -> None:
        self._value, self._left = int.from_bytes(data, "big"), 8 * len(data)

    def read(self, width: int) -> int:
        self._left -= width
        if self._left < 0:
            raise IndexError(width)
        return self._value >> self._left & (1 << width) - 1

    def golomb(self) -> int:
        zeros = 0
        while not self.read(1):
            zeros += 1
        return (1 << zeros | self.read(zeros)) - 1

    def signed_golomb(self) -> int:
        code = self.golomb()
        return (code + 1) // 2 if code % 2 else -(code // 2)


def _frames_only(bits: _Bits) -> bool:
    profile = bits.read(8)
    bits.read(16)  # constraints, level
    bits.golomb()  # seq_parameter_set_id
    if profile in _WITH_CHROMA_FORMAT:
        chroma_format = bits.golomb()
        if chroma_format == 3:
            bits.read(1)
        bits.golomb(), bits.golomb(), bits.read(1)  # bit depths, transform bypass
        if bits.read(1):
            for list_ in range(12 if chroma_format == 3 else 8):
                if bits.read(1):
                    _skip_scaling_list(bits, 16 if list_ < 6 else 64)
    bits.golomb()  # log2_max_frame_num
    order_type = bits.golomb()
    if order_type == 0:
        bits.golomb()
    elif order_type == 1:
        bits.read(1), bits.signed_golomb(), bits.signed_golomb()
        for _ in range(bits.golomb()):
            bits.signed_golomb()
    bits.golomb(), bits.read(1), bits.golomb(), bits.golomb()  # references, gaps, width, height
    return bits.read(1) == 1


def _skip_scaling_list(bits: _Bits, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.signed_golomb()) % 256
        last = following or last
