"""H.264 and HEVC parameter sets (ITU-T H.264 and H.265, 7.3.2), also in configuration records (ISO/IEC 14496-15)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

_START_CODE = b"\0\0\0\1"
_CHROMA = {1: (1, 1), 2: (1, 0)}
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


@dataclass(frozen=True, slots=True)
class SequenceParameters:
    """Properties of a video that its first sequence parameter set states."""

    width: int  # pixels, cropped
    height: int
    chroma: tuple[int, int]  # binary logarithms of the pixels, across and down, that share a chroma sample
    reorder: int | None  # pictures that a decoder holds back to order them; None if not stated
    frames_only: bool  # no picture is a field
    crops_end_only: bool = False  # H.264, cropped on the right and below alone, or nowhere


def sequence_parameters(codec: str, extradata: bytes) -> SequenceParameters | None:
    """Return the first SPS of H.264 or HEVC extradata; None if there is none, or if it cannot be read."""
    for unit in annexb_parameter_sets(codec, extradata).split(_START_CODE[1:]):
        is_sps = unit and (unit[0] & 31 == 7 if codec == "h264" else codec == "hevc" and unit[0] >> 1 == 33)
        if is_sps:
            bits = _Bits(unit[1 if codec == "h264" else 2 :].replace(b"\0\0\3", b"\0\0"))
            try:
                return _h264_sequence(bits) if codec == "h264" else _hevc_sequence(bits)
            except IndexError:
                return None
    return None


def begins_with_parameter_sets(codec: str, extradata: bytes, sample: bytes) -> bool:
    """Return whether parameter sets stand in front of the first picture of a sample, given its first bytes."""
    if codec in ("h264", "hevc"):
        length = ((extradata[4] if codec == "h264" else extradata[21]) & 3) + 1 if len(extradata) > 22 else 4
        while len(sample) > length:
            size, kind = int.from_bytes(sample[:length], "big"), sample[length]
            if kind & 31 in (7, 8) if codec == "h264" else kind >> 1 in (32, 33, 34):
                return True
            if 1 <= kind & 31 <= 5 if codec == "h264" else kind >> 1 < 32:
                return False
            sample = sample[length + size :]
        return False
    if codec == "av1":
        while len(sample) > 1 and sample[0] >> 3 & 15 == 2 and sample[0] & 2:  # temporal delimiters, which are empty
            sample = sample[2 + (sample[0] >> 2 & 1) :]
        return len(sample) > 0 and sample[0] >> 3 & 15 == 1
    kinds = {"mpeg4": (0xB0, 0xB5, *range(0x30)), "vc1": (0x0F,), "mpeg1video": (0xB3,), "mpeg2video": (0xB3,)}
    return sample[:3] == _START_CODE[1:] and sample[3:4] != b"" and sample[3] in kinds.get(codec, ())


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

    def window(self) -> tuple[int, int, int, int]:
        """The cropping: left, right, top and bottom, in samples of chroma."""
        return (self.golomb(), self.golomb(), self.golomb(), self.golomb()) if self.read(1) else (0, 0, 0, 0)


def _h264_sequence(bits: _Bits) -> SequenceParameters:
    profile, constraints = bits.read(8), bits.read(8)
    bits.read(8)  # level
    bits.golomb()  # seq_parameter_set_id
    chroma_format = 1
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
    bits.golomb(), bits.read(1)  # references, gaps
    width, units = 16 * (bits.golomb() + 1), bits.golomb() + 1
    frames_only = bits.read(1)
    if not frames_only:
        bits.read(1)
    bits.read(1)
    chroma = _CHROMA.get(chroma_format, (0, 0))
    left, right, top, bottom = bits.window()
    intra = constraints & 0x10 and profile in (44, 86, 100, 110, 122, 244)
    try:
        stated = _h264_reorder(bits) if bits.read(1) else None
    except IndexError:
        stated = None
    rows = 2 - frames_only
    return SequenceParameters(
        width - ((left + right) << chroma[0]),
        16 * units * rows - (rows * (top + bottom) << chroma[1]),
        chroma,
        0 if profile == 66 or order_type == 2 or intra else stated,
        bool(frames_only),
        crops_end_only=not (left or top),
    )


def _h264_reorder(bits: _Bits) -> int | None:
    """Read the VUI, and return its max_num_reorder_frames, if it is there."""
    if bits.read(1) and bits.read(8) == 255:  # aspect ratio
        bits.read(32)
    if bits.read(1):  # overscan
        bits.read(1)
    if bits.read(1):  # video signal
        bits.read(4)
        if bits.read(1):
            bits.read(24)
    if bits.read(1):  # chroma location
        bits.golomb(), bits.golomb()
    if bits.read(1):  # timing
        bits.read(65)
    hypothetical = 0
    for _ in range(2):
        if bits.read(1):
            hypothetical = 1
            count = bits.golomb() + 1
            bits.read(8)
            for _ in range(count):
                bits.golomb(), bits.golomb(), bits.read(1)
            bits.read(20)
    bits.read(1 + hypothetical)
    if not bits.read(1):
        return None
    bits.read(1)
    for _ in range(4):
        bits.golomb()
    return bits.golomb()


def _hevc_sequence(bits: _Bits) -> SequenceParameters:
    bits.read(4)
    layers = bits.read(3)  # sps_max_sub_layers_minus1
    bits.read(1)
    bits.read(96)  # profile, tier, level
    present = [(bits.read(1), bits.read(1)) for _ in range(layers)]
    if layers:
        bits.read(2 * (8 - layers))
    for profile, level in present:
        bits.read(88 * profile + 8 * level)
    bits.golomb()  # sps_seq_parameter_set_id
    chroma_format = bits.golomb()
    if chroma_format == 3:
        bits.read(1)
    width, height = bits.golomb(), bits.golomb()
    chroma = _CHROMA.get(chroma_format, (0, 0))
    left, right, top, bottom = bits.window()
    bits.golomb(), bits.golomb(), bits.golomb()  # bit depths, log2_max_pic_order_cnt_lsb
    for _ in range(layers + 1 if bits.read(1) else 1):
        bits.golomb()
        reorder = bits.golomb()
        bits.golomb()
    return SequenceParameters(
        width - ((left + right) << chroma[0]), height - ((top + bottom) << chroma[1]), chroma, reorder, True
    )


def _skip_scaling_list(bits: _Bits, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.signed_golomb()) % 256
        last = following or last
