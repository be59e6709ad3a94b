"""Sample descriptions (stsd): codec, and the configuration that its decoder needs."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import NamedTuple

from hwang.errors import CorruptMediaError, EncryptedMediaError, UnsupportedMediaError
from hwang.index import NO_CROPPING, UNKNOWN_COLOR, Color, Cropping
from hwang.isobmff.boxes import Box, Fields, FullBox, Payload, children, descend, name
from hwang.isobmff.fourccs import codec_of
from hwang.isobmff.palette import read_palette

_CODEC_OF_OBJECT_TYPE = {
    0x20: "mpeg4",
    0x21: "h264",
    0x23: "hevc",
    **dict.fromkeys(range(0x60, 0x66), "mpeg2video"),
    0x6A: "mpeg1video",
    0x6C: "mjpeg",
    0x6D: "png",
    0x6E: "jpeg2000",
    0xA3: "vc1",
    0xB1: "vp9",
}
_CONFIGURATION = {  # boxes: bytes before what the decoder gets
    b"avcC": 0,
    b"hvcC": 0,
    b"vvcC": 0,
    b"av1C": 0,
    b"glbl": 0,
    b"dvc1": 7,
    b"strf": 40,
}
_ENTRY_BYTES = 78  # of a visual sample entry, before its boxes
_PALETTE_DEPTHS = (1, 2, 4, 8)
_PALETTIZED = ("qtrle", "rawvideo")  # codecs without extradata of their own
_COLORS = ({*range(13), 22, 256}, {*range(19), 256}, {*range(18)})  # that FFmpeg knows: primaries, transfer, matrix
_UNSPECIFIED, _LIMITED, _FULL = 2, 1, 2
_MAX_ENTRIES = 256


_FIELD_ORDERS = {b"\2\1": 2, b"\2\6": 3, b"\2\x09": 4, b"\2\x0e": 5}  # FFmpeg's numbers; 1 is progressive


class SampleEntry(NamedTuple):
    """One sample description of a video track."""

    codec: str  # FFmpeg's name
    tag: int  # fourcc, little-endian
    width: int  # pixels
    height: int
    field_order: int  # FFmpeg's number; 0 if not stated
    extradata: bytes  # as FFmpeg would have it; a palette if there is one
    data_reference: int  # 1-based, into dref
    depth: int  # bits per pixel
    color: Color
    cropping: Cropping
    spacing: tuple[int, int]  # of pixels, horizontally and vertically; 0 if not stated


def read_sample_entries(stsd: Box) -> list[SampleEntry]:
    """Return all descriptions.

    Raises EncryptedMediaError for a protected one, UnsupportedMediaError for an unknown codec, CorruptMediaError.
    """
    fields = FullBox(stsd)
    fields.take(4)  # the count; the boxes there decide
    entries = []
    for box in children(fields.take(fields.left)):
        entries.append(_entry(box))
        if len(entries) > _MAX_ENTRIES:
            raise CorruptMediaError(f"more than {_MAX_ENTRIES} sample descriptions; the header is damaged")
    if not entries:
        raise CorruptMediaError("box 'stsd' is empty: the codec is unknown; the header is damaged")
    return entries


def _entry(box: Box) -> SampleEntry:
    fields = Fields(box)
    fields.take(6)
    data_reference = fields.number(2)
    fields.take(16)
    width, height = fields.number(2), fields.number(2)
    rest = fields.take(min(_ENTRY_BYTES - 28, fields.left))
    depth = int.from_bytes(rest[46:48], "big")
    coder, tag = bytes(rest[15 : 15 + rest[14]]) if len(rest) > 14 else b"", box.kind
    palette, inner = read_palette(depth, int.from_bytes(rest[48:50], "big"), fields.take(fields.left))
    if box.kind in (b"encv", b"drmi"):
        original = descend(inner, b"sinf", b"frma")
        of = f" ({name(bytes(original.payload[:4]))})" if original else ""
        raise EncryptedMediaError(f"the video track is encrypted{of}; decrypt it first, keys are not supported")
    codec = codec_of(box.kind)
    if codec is None:
        raise UnsupportedMediaError(f"unknown video codec {name(box.kind)}; transcode the video, for example to H.264")
    if box.kind == b"H263" and coder.startswith(b"Sorenson H263"):
        codec = "flv1"
    if coder.startswith(b"Planar Y'CbCr 8-bit 4:2:0"):
        tag, width, height = b"I420", width & ~1, height & ~1
    extradata, color, cropping, spacing, field_order = b"", UNKNOWN_COLOR, NO_CROPPING, (0, 1), 0
    for part in children(inner):
        if part.kind in _CONFIGURATION and not extradata:
            extradata = bytes(part.payload[_CONFIGURATION[part.kind] :])
            if box.kind == b"dvh1" and part.kind == b"hvcC":  # without it DV
                codec = "hevc"
        elif part.kind == b"esds":
            object_type, specific = _elementary_stream(part)
            codec = _CODEC_OF_OBJECT_TYPE.get(object_type, codec)
            extradata = extradata or specific
        elif part.kind == b"clap":
            cropping = _clean_aperture(part, width, height)
        elif part.kind == b"pasp":
            across = Fields(part)
            spacing = across.number(4), across.number(4)
        elif part.kind == b"fiel" and len(part.payload) >= 2:
            field_order = _FIELD_ORDERS.get(bytes(part.payload[:2]), 1 if part.payload[0] == 1 else 0)
        else:
            color = _color(part, codec, color)
    return SampleEntry(
        codec=codec,
        tag=int.from_bytes(tag, "little"),
        width=width,
        height=height,
        field_order=field_order,
        extradata=extradata or (palette if codec in _PALETTIZED else b""),
        data_reference=data_reference,
        depth=depth & 0x1F if depth & 0x1F in _PALETTE_DEPTHS else depth,  # bit 5: the palette is shades of gray
        color=color,
        cropping=cropping,
        spacing=spacing,
    )


def _clean_aperture(clap: Box, width: int, height: int) -> Cropping:
    """Return what lies outside the clean aperture, in whole pixels; nothing if the box makes no sense, as in FFmpeg."""
    fields = Fields(clap)
    if fields.left < 32:
        return NO_CROPPING
    numbers = [fields.number(4, signed=True) for _ in range(8)]
    if min(numbers[1::2]) <= 0:
        return NO_CROPPING
    across, down, right, below = (Fraction(*numbers[at : at + 2]) for at in range(0, 8, 2))
    sides = []
    for size, aperture, offset in ((width, across, right), (height, down, below)):
        exact = Fraction(size - 1, 2) + offset - (aperture - 1) / 2
        before, behind = math.trunc(exact), math.ceil(size - exact - aperture)
        if not (0 <= aperture <= size and before >= 0 and behind >= 0 and before + behind < size):
            return NO_CROPPING
        sides.append((before, behind))
    return sides[0][0], sides[1][0], sides[0][1], sides[1][1]


def _color(box: Box, codec: str, known: Color) -> Color:
    """Return the color after `box`, with `known` before it: the last box with a color counts, as in FFmpeg."""
    fields = Fields(box)
    if box.kind == b"colr" and fields.left >= 10 and (kind := bytes(fields.take(4))) in (b"nclx", b"nclc"):
        numbers = [fields.number(2) for _ in range(3)]
        full = bool(fields.left and fields.number(1) & 0x80)
        color_range = known[3] if kind == b"nclc" else _FULL if full else _LIMITED
    elif box.kind == b"vpcC" and (fields := FullBox(box)).version == 1:
        fields.take(2)  # profile and level
        color_range = _FULL if fields.number(1) & 1 else _LIMITED
        numbers = [fields.number(1) for _ in range(3)]
    elif box.kind == b"ACLR" and codec != "h264" and fields.left == 16 and box.payload[11] in (_LIMITED, _FULL):
        return (*known[:3], box.payload[11])
    else:
        return known
    primaries, transfer, matrix = (
        number if number in allowed else _UNSPECIFIED for number, allowed in zip(numbers, _COLORS, strict=True)
    )
    return primaries, transfer, matrix, color_range


def _elementary_stream(esds: Box) -> tuple[int, bytes]:
    """Return object type and DecoderSpecificInfo of an MPEG-4 elementary stream descriptor; (0, b"") if absent."""
    fields = FullBox(esds)
    tag, _ = _descriptor(fields)
    fields.take(2)
    if tag == 3:  # ES_Descriptor
        flags = fields.number(1)
        fields.take(2 if flags & 0x80 else 0)
        fields.take(fields.number(1) if flags & 0x40 else 0)
        fields.take(2 if flags & 0x20 else 0)
    if fields.left < 2 or _descriptor(fields)[0] != 4:  # DecoderConfigDescriptor
        return 0, b""
    object_type = fields.number(1)
    fields.take(12)
    if fields.left < 2:
        return object_type, b""
    tag, length = _descriptor(fields)
    return object_type, bytes(fields.take(min(length, fields.left))) if tag == 5 else b""


def _descriptor(fields: Fields) -> tuple[int, int]:
    """Return tag and length."""
    tag, length = fields.number(1), 0
    for _ in range(4):
        byte = fields.number(1)
        length = length << 7 | byte & 0x7F
        if byte < 0x80:
            break
    return tag, length


def external(dref: Payload, number: int) -> bool:
    """Return whether the data reference with this 1-based number points to another file."""
    references = [box for box in children(dref[8:]) if box.kind in (b"url ", b"urn ", b"alis")]
    if not 1 <= number <= len(references):
        return False
    return not FullBox(references[number - 1]).flags & 1
