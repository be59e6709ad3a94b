"""HEVC parameter sets that cost a decoder more time than they have bytes: refused, wherever they are."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

import hwang
from tests.decoder.conftest import MakeClip
from tests.decoder.hostile import LAVFI, outcome_in_bounds, write
from tests.decoder.test_streamed import Remote
from tests.support.clips import encoder, linear_decode, run_ffmpeg
from tests.support.parametersets import (
    ENDLESS_3D,
    MULTILAYER,
    PPS,
    START_CODE,
    THREE_D,
    escaped,
    joined,
    of_bits,
    pps_of,
    type_of,
    ue,
    units_of,
    with_extension,
    with_unit_in_the_middle,
)

SIZE = (128, 128)
FILLER = bytes([38 << 1, 1])


@pytest.fixture(scope="session")
def stream(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A raw HEVC stream of ten pictures whose parameter sets come twice."""
    path = tmp_path_factory.mktemp("hevc") / "sound.hevc"
    picture = (*LAVFI, f"testsrc2=s={SIZE[0]}x{SIZE[1]}:r=25:d=0.4", "-pix_fmt", "yuv420p")
    coding = (
        "-c:v",
        "libx265",
        "-preset",
        "ultrafast",
        "-x265-params",
        "log-level=error:pools=1:keyint=5:min-keyint=5:bframes=0",
    )
    run_ffmpeg(encoder(), *picture, *coding, "-bitexact", str(path))
    return path.read_bytes()


def in_container(stream: bytes, path: Path, *options: str) -> Path:
    raw = write(path.with_suffix(".hevc"), stream)
    if path != raw:
        run_ffmpeg(encoder(), "-r", "25", "-i", str(raw), "-c", "copy", *options, "-bitexact", str(path))
    return path


def bad(stream: bytes, *, tail: str = "") -> bytes:
    return with_extension(pps_of(stream), THREE_D, ENDLESS_3D + tail)


def outcome(path: Path) -> str:
    """What comes of asking for the first frame, in a process of its own, in bounds."""
    return outcome_in_bounds(path, mib=300, seconds=2)


def refused(path: Path, why: str = r"3D extension.*unbounded") -> None:
    started = time.perf_counter()
    with pytest.raises(hwang.UnsupportedMediaError, match=why), hwang.Decoder(path) as decoder:
        decoder.frames(range(len(decoder)))
    assert time.perf_counter() - started < 2
    with pytest.raises(hwang.UnsupportedMediaError, match=why), hwang.Decoder(Remote(path.read_bytes())) as decoder:
        decoder.frames(range(len(decoder)))


@pytest.mark.parametrize("container", ["hevc", "ts", "mkv", "mp4", "mov", "avi", "flv", "mpg"])
def test_a_parameter_set_with_the_3d_extension_is_refused(container: str, stream: bytes, tmp_path: Path) -> None:
    """In band, behind the first pictures: hev1 in MP4."""
    options = {"mp4": ("-tag:v", "hev1"), "mov": ("-tag:v", "hev1"), "mpg": ("-f", "vob"), "avi": ("-tag:v", "HEVC")}
    path = in_container(
        with_unit_in_the_middle(stream, bad(stream)), tmp_path / f"bad.{container}", *options.get(container, ())
    )
    refused(path)
    assert outcome(in_container(stream, tmp_path / f"sound.{container}", *options.get(container, ()))) == "frames"


@pytest.mark.parametrize("container", ["mp4", "mkv", "flv"])
def test_in_the_header_of_the_container_too(container: str, stream: bytes, tmp_path: Path) -> None:
    units = units_of(stream)
    units[[type_of(unit) for unit in units].index(PPS)] = bad(stream)
    options = ("-tag:v", "hvc1") if container == "mp4" else ()
    path = in_container(joined(units), tmp_path / f"bad.{container}", *options)
    refused(path)


def test_many_of_them_do_not_cost_a_second(stream: bytes, tmp_path: Path) -> None:
    """Without the refusal libavcodec takes some ten milliseconds for each, in its parser and again in its decoder."""
    many = [bad(stream, tail=f"{number:016b}") for number in range(2000)]
    path = write(tmp_path / "many.hevc", with_unit_in_the_middle(stream, *many))
    assert path.stat().st_size < 100_000
    assert outcome(path) == "UnsupportedMediaError"


def test_more_parameter_sets_in_a_row_than_can_be_in_use_are_refused(stream: bytes, tmp_path: Path) -> None:
    """For pictures of a large size libavcodec takes milliseconds for each."""
    some = [pps_by_hand(number=number % 64) for number in range(250)]
    path = write(tmp_path / "some.hevc", with_unit_in_the_middle(stream, *some))
    with hwang.Decoder(path) as decoder:
        assert len(decoder) == 10
    refused(write(path, with_unit_in_the_middle(stream, *some, *some[:10])), "256 picture parameter sets in a row")


def crashing_grain() -> bytes:
    """An SEI with an AFGS1 set whose two luma points have the same place: libavcodec divides by their distance."""
    bits = "1" + "0000" + "000"  # enabled, reserved, one set
    bits += "0" + f"{40:08b}" + "000"  # its size in bytes, its number
    bits += "1" + f"{7:016b}" + "1"  # film grain, its seed, sent in whole
    bits += f"{0:04b}" + f"{SIZE[0]:012b}" + f"{SIZE[1]:012b}" + "0" + "11" + "0"  # picture, not luma alone, 4:2:0
    bits += "0" + f"{2:04b}" + "111" + "11"  # two points of eight bits each
    bits += f"{128:08b}" + f"{90:08b}" + f"{0:08b}" + f"{200:08b}"
    bits += "0" + (f"{0:04b}" + "000" + "00" + f"{0:08b}") * 2  # no points of chroma
    bits += "11" + "00" + "00" + "00" + "00" + "0" + "0"
    content = b"\xb5\x58\x90\x01" + int(bits.ljust(8 * 48, "0"), 2).to_bytes(48, "big")
    return escaped(bytes([39 << 1, 1, 4, len(content)]) + content + b"\x80")


@pytest.mark.parametrize("container", ["hevc", "ts", "mkv", "mp4"])
def test_film_grain_that_divides_by_zero_is_refused(container: str, stream: bytes, tmp_path: Path) -> None:
    """Without the refusal it ends the process by SIGFPE."""
    path = in_container(with_unit_in_the_middle(stream, crashing_grain()), tmp_path / f"grain.{container}")
    refused(path, "AFGS1 film grain")


@pytest.mark.parametrize("size", [10, (256 << 10) - 40, 700 << 10])
def test_a_message_may_be_cut_anywhere(size: int, stream: bytes, tmp_path: Path) -> None:
    """A message of any size in front of it, in the same unit."""
    filler = b"\x05" + b"\xff" * (size // 255) + bytes([size % 255]) + b"\x11" * size
    unit = crashing_grain()[:2] + filler + crashing_grain()[2:]
    refused(write(tmp_path / "grain.hevc", with_unit_in_the_middle(stream, unit)), "AFGS1 film grain")


@pytest.mark.parametrize("before", range(0, 184, 46))
def test_packets_of_a_transport_stream_may_cut_it_anywhere(before: int, stream: bytes, tmp_path: Path) -> None:
    filler = FILLER + b"\xff" * before + b"\x80"
    path = in_container(with_unit_in_the_middle(stream, filler, bad(stream)), tmp_path / "bad.ts")
    refused(path)


def test_blocks_of_a_raw_stream_may_cut_it_anywhere(stream: bytes, tmp_path: Path) -> None:
    for before in range(980, 1030, 7):
        units = [FILLER + b"\xff" * (before + (255 << 10)) + b"\x80", bad(stream)]
        refused(write(tmp_path / "bad.hevc", joined(units) + stream))


def test_a_start_code_hides_it_in_a_unit_with_a_length(stream: bytes, tmp_path: Path) -> None:
    """libavcodec goes on behind a start code that is inside a unit."""
    hidden = bad(stream)
    path = in_container(
        with_unit_in_the_middle(stream, FILLER + b"\xff\x80", hidden), tmp_path / "bad.mp4", "-tag:v", "hev1"
    )
    data = path.read_bytes()
    filler = data.index(len(FILLER + b"\xff\x80").to_bytes(4, "big") + FILLER)
    own = len(hidden).to_bytes(4, "big") + hidden
    assert data[filler + 8 :].startswith(own)
    merged = (4 + 4 + len(hidden)).to_bytes(4, "big") + FILLER + b"\xff\x80" + START_CODE + hidden
    path.write_bytes(data[:filler] + merged + data[filler + len(merged) :])
    refused(path)


def pps_by_hand(*, number: int = 1, init_qp: int = 0, tiles: str = "", extension: str = "") -> bytes:
    """A PPS from its first field to its last."""
    ids = ue(number) + ue(0)
    to_tiles = "0000000" + ue(0) + ue(0) + ue(init_qp) + "00" + "0" + ue(0) + ue(0) + "0000" + ("10" if tiles else "00")
    to_extension = "0" + "0" + "0" + "0" + ue(0) + "0" + ("1" if extension else "0")
    return of_bits(f"{PPS << 1:08b}{1:08b}" + ids + to_tiles + tiles + to_extension + extension)


def test_emulation_prevention_hides_nothing(stream: bytes, tmp_path: Path) -> None:
    pps = pps_by_hand(init_qp=1 << 25, extension=THREE_D + "0000" + ENDLESS_3D)
    assert b"\0\0\3" in pps[:9]
    refused(write(tmp_path / "bad.hevc", with_unit_in_the_middle(stream, pps)))


def test_more_tiles_than_any_level_allows_are_refused(stream: bytes, tmp_path: Path) -> None:
    pps = pps_by_hand(tiles=ue(499) + ue(499) + "1" + "0")
    refused(write(tmp_path / "tiles.hevc", with_unit_in_the_middle(stream, pps)), "500 columns and 500 rows of tiles")


@pytest.mark.parametrize(
    ("flags", "content", "four_bits"),
    [("0000", "", "0000"), ("0000", "1010", "0001"), (MULTILAYER, "00" + ue(0) + "0", "0000")],
    ids=["none", "unknown", "multilayer"],
)
@pytest.mark.parametrize("container", ["hevc", "ts", "mp4"])
def test_other_extensions_decode_as_ever(
    container: str, flags: str, content: str, four_bits: str, stream: bytes, tmp_path: Path
) -> None:
    units = units_of(stream)
    other = with_extension(pps_of(stream), flags, content, four_bits)
    path = in_container(
        joined(other if type_of(unit) == PPS else unit for unit in units), tmp_path / f"other.{container}"
    )
    with hwang.Decoder(path) as decoder:
        frames = decoder.frames(range(len(decoder)))
    np.testing.assert_array_equal(frames, linear_decode(write(tmp_path / "sound.hevc", stream), SIZE))


def test_a_parameter_set_that_is_cut_short_is_the_decoders_to_judge(stream: bytes, tmp_path: Path) -> None:
    for length in range(3, len(bad(stream)) - 4):
        cut = bad(stream)[:length].rstrip(b"\0")
        with hwang.Decoder(write(tmp_path / "cut.hevc", joined([*units_of(stream), cut]))) as decoder:
            assert len(decoder) == 10
            decoder.frames(range(8))


def test_after_a_refusal_the_next_video_decodes(stream: bytes, clip: MakeClip, tmp_path: Path) -> None:
    path = in_container(with_unit_in_the_middle(stream, bad(stream)), tmp_path / "bad.mp4", "-tag:v", "hev1")
    with hwang.Decoder(path) as decoder:
        for _ in range(2):
            with pytest.raises(hwang.UnsupportedMediaError):
                decoder.frames([9])
            assert decoder.frames([2]).shape == (1, *SIZE[::-1], 3)
    with hwang.Decoder(clip("hevc-10bit")) as decoder:
        assert len(decoder.frames([0, 39])) == 2
