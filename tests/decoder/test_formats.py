"""Containers and pixels of cameras, editors and earlier years: what the clips of test_exactness do not have."""

from __future__ import annotations

import ctypes
import dataclasses
import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import hwang
from hwang.isobmff.fourccs import codec_of
from tests.decoder.conftest import MakeClip, Truth
from tests.decoder.hostile import LAVFI, encode, write
from tests.support.clips import BY_NAME, linear_decode

LIBRARIES = Path("/opt/lib")
ENTRY_DEPTH, ENTRY_TABLE = 78, 80  # bytes behind the fourcc of a sample description


@pytest.mark.parametrize(
    ("suffix", "codec", "name"),
    [
        ("rm", "rv20", "RealMedia"),
        ("nut", "mpeg4", "NUT"),
        ("gxf", "mpeg2video", "GXF"),
        ("wtv", "mpeg2video", "WTV"),
        ("swf", "flv", "SWF"),
    ],
)
def test_a_container_without_a_demuxer_is_named(suffix: str, codec: str, name: str, tmp_path: Path) -> None:
    source = (*LAVFI, "testsrc=d=0.4:s=720x576:r=25", "-c:v", codec)
    with pytest.raises(hwang.UnsupportedMediaError, match=name):
        hwang.Decoder(encode(tmp_path / f"clip.{suffix}", *source))


class _Tag(ctypes.Structure):
    _fields_ = (("codec", ctypes.c_int), ("tag", ctypes.c_uint))


def _tags() -> dict[bytes, int]:
    """The codec of each fourcc that libavformat's demuxer of MOV knows, if it can be decoded."""
    format_, codec = (ctypes.CDLL(str(next(LIBRARIES.glob(f"lib{name}.so.*")))) for name in ("avformat", "avcodec"))
    codec.avcodec_find_decoder.restype = ctypes.c_void_p
    tables = []
    for table in (format_.avformat_get_mov_video_tags, format_.avformat_get_riff_video_tags):
        table.restype = ctypes.POINTER(_Tag)
        tables.append(table())
    format_.av_codec_get_id.argtypes = (ctypes.POINTER(ctypes.POINTER(_Tag)), ctypes.c_uint)
    both = (ctypes.POINTER(_Tag) * 3)(*tables)  # ends with a null pointer
    found = {}
    for table in tables:
        at = 0
        while table[at].codec:
            fourcc, at = struct.pack("<I", table[at].tag), at + 1
            number = format_.av_codec_get_id(both, struct.unpack("<I", fourcc)[0])
            if fourcc.isascii() and fourcc.decode().isprintable() and codec.avcodec_find_decoder(number):
                found[fourcc] = number
    return found


def test_every_fourcc_that_the_tool_decodes_is_known() -> None:
    codec = ctypes.CDLL(str(next(LIBRARIES.glob("libavcodec.so.*"))))
    codec.avcodec_get_name.restype = ctypes.c_char_p
    expected = {fourcc: codec.avcodec_get_name(number).decode() for fourcc, number in _tags().items()}
    assert len(expected) > 300
    assert {fourcc: codec_of(fourcc) for fourcc in expected} == expected


def test_a_fourcc_of_another_recorder_changes_nothing(clip: MakeClip, truth: Truth, tmp_path: Path) -> None:
    data = clip("mpeg2-mp4").read_bytes()
    for fourcc in (b"xdva", b"xdvf", b"hdva", b"XDVB"):
        path = write(tmp_path / "renamed.mov", data.replace(b"mp4v", fourcc).replace(b"ftypisom", b"ftypqt  "))
        with hwang.Decoder(path) as decoder:
            np.testing.assert_array_equal(decoder.frames([20, 3]), truth("mpeg2-mp4")[[20, 3]])


@pytest.mark.parametrize("table", [0, 1, 0xFFFF])
@pytest.mark.parametrize("depth", [1, 2, 4, 8, 33, 34, 36, 40])
@pytest.mark.parametrize("name", ["raw-palette-mov", "animation-gray"])
def test_palettes_of_quicktime_are_those_of_the_tool(
    name: str, depth: int, table: int, clip: MakeClip, tmp_path: Path
) -> None:
    data = bytearray(clip(name).read_bytes())
    fourcc = b"raw " if name.startswith("raw") else b"rle "
    at = data.index(fourcc, data.index(b"stsd"))
    data[at + ENTRY_DEPTH : at + ENTRY_TABLE + 2] = struct.pack(">HH", depth, table)
    path = write(tmp_path / "palette.mov", bytes(data))
    expected = linear_decode(path, BY_NAME[name].size)
    with hwang.Decoder(path) as decoder:
        for row in (30, 0, 39):
            np.testing.assert_array_equal(decoder.frames([row])[0], expected[row], err_msg=f"row {row}")


def test_palettes_that_change_within_a_file_are_those_in_force(clip: MakeClip, truth: Truth) -> None:
    index = hwang.index_video(clip("raw-palettes-avi"))
    assert not index.byte_addressable
    with hwang.Decoder(clip("raw-palettes-avi"), index, threads=1) as decoder:
        for row in (39, 20, 1, 0, 38):
            np.testing.assert_array_equal(decoder.frames([row])[0], truth("raw-palettes-avi")[row])


@pytest.mark.parametrize("disposal", [0, 1, 2, 3])
def test_pictures_of_a_gif_are_laid_over_each_other(disposal: int, tmp_path: Path) -> None:
    pictures = []
    for number in range(12):
        picture = Image.new("RGBA", (61, 43), (0, 0, 0, 0))
        picture.paste((20 * number, 255 - 20 * number, 90, 255), (number, 2, number + 20, 30 + number))
        pictures.append(picture)
    file = io.BytesIO()
    pictures[0].save(
        file, "GIF", save_all=True, append_images=pictures[1:], disposal=disposal, duration=[40, 70, 0] * 4, loop=0
    )
    path = write(tmp_path / "layers.gif", file.getvalue())
    expected = linear_decode(path, (61, 43))
    with hwang.Decoder(path) as decoder:
        assert len(decoder) == len(expected)
        for row in (11, 4, 0, 7):
            np.testing.assert_array_equal(decoder.frames([row])[0], expected[row], err_msg=f"row {row}")


def test_an_animation_whose_sync_samples_set_few_pixels(clip: MakeClip, truth: Truth) -> None:
    """A decoder draws them over whatever it drew before."""
    index = hwang.index_video(clip("animation"))
    lying = dataclasses.replace(index, sync=np.ones(index.samples, np.bool_))
    with hwang.Decoder(clip("animation"), lying, threads=1) as decoder:
        decoder.frames([39])
        for row in (5, 30, 1, 13):
            np.testing.assert_array_equal(decoder.frames([row])[0], truth("animation")[row])


@pytest.mark.parametrize(
    ("name", "part"), [("theora-odd-size", 0.3), ("theora-odd-size", 0.6), ("theora-odd-size", 0.9), ("msmpeg4v3", 1.5)]
)
def test_a_sample_of_a_wrong_size_is_never_two_pictures(name: str, part: float, clip: MakeClip) -> None:
    """Theora's decoder would go on with what it read for an earlier picture, MS-MPEG4's would round as it did."""
    index = hwang.index_video(clip(name))
    size = index.sample_size.copy()
    size[24] *= part
    wrong = dataclasses.replace(index, sample_size=size)
    shown = set()
    for before in ([], [23], [36, 12]):
        with hwang.Decoder(clip(name), wrong, threads=1) as decoder:
            for row in before:
                decoder.frames([row])
            try:
                shown.add(decoder.frames([24, 27]).tobytes())
            except hwang.CorruptFrameError:
                shown.add(b"")
    assert len(shown) == 1
