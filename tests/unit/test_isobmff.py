"""MP4 and MOV indexes: equal to what the ffmpeg tool shows, and bad headers are typed errors, fast."""

from __future__ import annotations

import contextlib
import re
import resource
import struct
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwang.errors import CorruptMediaError, EncryptedMediaError, HwangError, LimitExceededError, UnsupportedMediaError
from hwang.index import VideoIndex
from hwang.isobmff import read_index
from hwang.source import CountingSource, open_source
from tests.boxes import Movie, box, fragment, fragmented, full, table, u32
from tests.clips import CLIPS, encoder, oracle, run_ffmpeg, tool_table

MOVIES = [clip.name for clip in CLIPS if clip.container == "mov"]


def index_of(data: bytes, track: int | None = None) -> VideoIndex:
    index = read_index(open_source(data), track)
    assert index is not None
    return index


def tool_delay(path: Path) -> int:
    """What the tool's demuxer says that the decoder must hold back; 0 if nothing."""
    command = [oracle(), "-nostdin", "-v", "debug", "-i", str(path)]
    log = subprocess.run(command, capture_output=True, check=False, timeout=120).stderr.decode(errors="replace")
    return int((re.findall(r"Setting codecpar->delay to (\d+)", log) or [0])[0])


@pytest.mark.parametrize("name", MOVIES)
def test_rows_are_the_frames_that_the_tool_shows_at_its_times(name: str, clip: Callable[[str], Path]) -> None:
    path = clip(name)
    index = read_index(open_source(path))
    assert index is not None
    copyts = ("-copyts", "-fps_mode", "passthrough", "-enc_time_base", "demux", "-c:v", "rawvideo")
    frames = tool_table(path, *copyts)
    assert len(index) == len(frames)
    shift = index.row_pts[0] - frames[0][1] if name == "h264-negative-ctts" else 0
    assert (index.row_pts - shift).tolist() == [frame[1] for frame in frames]
    assert index.codec == next(c.codec for c in CLIPS if c.name == name)


@pytest.mark.parametrize("name", MOVIES)
def test_samples_are_the_packets_of_the_tool(name: str, clip: Callable[[str], Path], tmp_path: Path) -> None:
    path = clip(name)
    index = read_index(open_source(path))
    assert index is not None
    run_ffmpeg(
        oracle(),
        "-ignore_editlist",
        "1",
        "-i",
        str(path),
        "-map",
        "0:v:0",
        "-c",
        "copy",
        "-f",
        "data",
        str(tmp_path / "raw"),
    )
    data = path.read_bytes()
    pieces = zip(index.sample_offsets(), index.sample_sizes(), strict=True)
    assert b"".join(data[offset : offset + size] for offset, size in pieces) == (tmp_path / "raw").read_bytes()


@pytest.mark.parametrize(
    "name", ["h264-closed-gop", "h264-open-gop", "hevc-open-gop", "mpeg4-mp4", "mjpeg-mov", "vp9-mp4"]
)
@pytest.mark.parametrize(("start", "length"), [("0.33", "0.9"), ("0.97", "0.4")])
def test_trimmed_copies_show_what_the_tool_shows(
    name: str, start: str, length: str, clip: Callable[[str], Path], tmp_path: Path
) -> None:
    source = clip(name)
    path = tmp_path / f"trimmed{source.suffix}"
    run_ffmpeg(encoder(), "-ss", start, "-t", length, "-i", str(source), "-c", "copy", str(path))
    index = read_index(open_source(path))
    assert index is not None
    frames = tool_table(path, "-fps_mode", "passthrough", "-enc_time_base", "demux", "-c:v", "rawvideo")
    assert index.row_pts.tolist() == [frame[1] for frame in frames]


def test_rotation_is_reported_clockwise(clip: Callable[[str], Path]) -> None:
    index = read_index(open_source(clip("h264-rotated")))
    assert index is not None
    assert index.rotation == 270  # the tool's -display_rotation counts the other way


@pytest.mark.parametrize("header_first", [True, False])
@pytest.mark.parametrize("wide", [True, False])
def test_columns_are_those_of_the_tables(header_first: bool, wide: bool) -> None:
    movie = Movie(
        sizes=(100, 20, 30, 40, 50),
        deltas=[(2, 40), (9, 50)],
        composition=[(1, 0), (1, 100), (1, -50)],
        sync=(1, 4),
        depended_on=(0, 1, 2, 0, 2),
        wide=wide,
    )
    data = movie.build(header_first=header_first)
    index = index_of(data)
    start = data.index(b"mdat") + 4
    assert index.sample_offsets() == [start + n for n in (0, 100, 120, 150, 190)]
    assert index.dts.tolist() == [0, 40, 80, 130, 180]
    assert index.pts.tolist() == [0, 140, 30, 130, 180]
    assert index.keyframe_indices() == [0, 3]
    assert index.disposable.tolist() == [False, False, True, False, True]
    assert index.order.tolist() == [0, 2, 3, 1, 4]
    assert (index.codec, index.codec_tag, index.width, index.height) == ("h264", 0x31637661, 64, 48)
    assert index.extradata == bytes.fromhex("0164000affe000")


@pytest.mark.parametrize(
    ("edits", "rows", "times"),
    [
        ([(0, 160)], [0, 1, 2, 3], [0, 40, 80, 120]),
        ([(40, 120)], [1, 2, 3], [0, 40, 80]),
        ([(41, 119)], [2, 3], [0, 40]),
        ([(0, 80)], [0, 1], [0, 40]),
        ([(-1, 500), (0, 160)], [0, 1, 2, 3], [500, 540, 580, 620]),
        ([(80, 80), (0, 80)], [2, 3, 0, 1], [0, 40, 80, 120]),
        ([(0, 40), (0, 40)], [0, 0], [0, 40]),
    ],
)
def test_edit_lists_trim_delay_reorder_and_repeat(
    edits: list[tuple[int, int]], rows: list[int], times: list[int]
) -> None:
    index = index_of(Movie(sync=None, edits=edits).build())
    assert (index.order.tolist(), index.row_pts.tolist()) == (rows, times)
    assert index.samples == 4


_AVCC = Movie().inside
_FALLING = ((1, 400), (1, 200), (2, 0))


def color_box(kind: bytes, *numbers: int, full_range: int | None = None) -> bytes:
    rest = b"" if full_range is None else bytes([full_range << 7])
    return box(b"colr", kind, struct.pack(">HHH", *numbers), rest)


def vp_box(*numbers: int, full_range: int, version: int = 1) -> bytes:
    return full(b"vpcC", bytes([0, 10, 0x82 | full_range, *numbers, 0, 0]), version=version)


@pytest.mark.parametrize(
    ("inside", "color"),
    [
        (b"", (2, 2, 2, 0)),
        (color_box(b"nclx", 1, 13, 6, full_range=1), (1, 13, 6, 2)),
        (color_box(b"nclx", 9, 16, 9, full_range=0), (9, 16, 9, 1)),
        (color_box(b"nclx", 9, 16, 9), (9, 16, 9, 1)),
        (color_box(b"nclc", 1, 1, 1), (1, 1, 1, 0)),
        (color_box(b"nclc", 13, 19, 18), (2, 2, 2, 0)),
        (color_box(b"nclc", 0, 3, 0), (0, 3, 0, 0)),
        (color_box(b"nclx", 1, 1, 1, full_range=1) + color_box(b"nclc", 9, 14, 9), (9, 14, 9, 2)),
        (color_box(b"nclx", 1, 1, 1, full_range=1) + color_box(b"prof", 9, 9, 9), (1, 1, 1, 2)),
        (color_box(b"nclc", 1, 1, 1) + box(b"colr", b"nclx"), (1, 1, 1, 0)),
        (color_box(b"nclx", 1, 1, 1, full_range=0) + vp_box(9, 16, 9, full_range=1), (9, 16, 9, 2)),
        (vp_box(9, 16, 9, full_range=1) + color_box(b"nclx", 1, 1, 1, full_range=0), (1, 1, 1, 1)),
        (vp_box(21, 255, 255, full_range=0), (2, 2, 2, 1)),
        (vp_box(9, 16, 9, full_range=1, version=0), (2, 2, 2, 0)),
    ],
)
def test_color_is_what_the_last_box_says(inside: bytes, color: tuple[int, int, int, int]) -> None:
    assert index_of(Movie(inside=_AVCC + inside).build()).color == color


def test_range_of_avid_files_is_in_a_box_of_their_own() -> None:
    aclr = box(b"ACLR", bytes([*range(11), 2, *range(4)]))
    assert index_of(Movie(entry=b"AVdn", inside=aclr).build()).color == (2, 2, 2, 2)
    assert index_of(Movie(inside=_AVCC + aclr).build()).color == (2, 2, 2, 0)


@pytest.mark.parametrize(("depth", "bits"), [(24, 24), (0, 0), (8, 8), (0x28, 8), (0x21, 1), (40 | 0x40, 8), (48, 48)])
def test_depth_is_without_the_flags_of_a_palette(depth: int, bits: int) -> None:
    assert index_of(Movie(depth=depth).build()).bits_per_coded_sample == bits


def test_delay_and_color_are_those_that_the_tool_finds(tmp_path: Path) -> None:
    path = tmp_path / "pyramid.mp4"
    tags = "format=yuv420p,setparams=color_primaries=bt709:color_trc=iec61966-2-1:colorspace=smpte170m:range=pc"
    coding = ("-c:v", "libx264", "-x264-params", "keyint=20:bframes=7:b-adapt=0:b-pyramid=normal:scenecut=0")
    run_ffmpeg(encoder(), "-f", "lavfi", "-i", "testsrc=d=2:s=64x48", "-vf", tags, *coding, str(path))
    trimmed = tmp_path / "trimmed.mp4"
    run_ffmpeg(encoder(), "-ss", "0.5", "-i", str(path), "-c", "copy", str(trimmed))
    for clip in (path, trimmed):
        index = read_index(open_source(clip))
        assert index is not None
        assert (index.reorder, index.color, index.bits_per_coded_sample) == (tool_delay(clip), (1, 13, 6, 2), 24)
        assert index.reorder == 2


@settings(deadline=None)
@given(st.lists(st.integers(0, 60), min_size=1, max_size=60))
def test_delay_is_what_sorting_through_a_short_buffer_takes(pts: list[int]) -> None:
    swaps = max(sum(earlier > now for earlier in pts[:at]) for at, now in enumerate(pts))
    movie = Movie(
        sizes=[1] * len(pts),
        composition=[(1, when - 40 * at) for at, when in enumerate(pts)],
        sync=(1,),
    )
    for edits in ([], [(0, 1 << 20)]):
        movie.edits = edits
        assert index_of(movie.build()).reorder == min(swaps, 16)


@pytest.mark.parametrize(
    ("movie", "delay"),
    [
        (Movie(composition=[(4, 0)]), 0),
        (Movie(composition=[(1, 0), (1, 100), (2, 0)]), 1),
        (Movie(composition=[(1, 0), (1, 100), (2, 0)], entry=b"hvc1", inside=b""), 0),
        (Movie(composition=[(1, 0), (1, 100), (2, 0)], replace={b"stsc": table(b"stsc", [(1, 3, 1)])}), 0),
        (Movie(composition=[(1, 0), (1, 1 << 29), (0, -9), (2, 0), (1, 0)]), 1),
        (Movie(composition=_FALLING), 2),
        (Movie(composition=_FALLING, edits=[(40, 20)]), 2),
        (Movie(composition=_FALLING, edits=[(1000, 20)]), 2),
        (Movie(composition=_FALLING, edits=[(-1, 20)]), 0),
        (Movie(composition=[(4, 0)], edits=[(0, 40), (40, 40)]), 3),  # samples behind the first edit's end are decoded
        (Movie(composition=[(4, 0)], edits=[(0, 40), (40, 40)], sync=None), 0),
        (Movie(edits=[(0, 40), (40, 40)]), 0),
        (Movie(sizes=[1] * 20, composition=[(1, 1000), (19, 0)]), 1),
        (Movie(sizes=[1] * 20, composition=[(1, 1000 - 80 * n) if n < 19 else (1, 0) for n in range(20)]), 16),
    ],
)
def test_delay_of_odd_files_is_the_tools(movie: Movie, delay: int, tmp_path: Path) -> None:
    path = tmp_path / "movie.mp4"
    path.write_bytes(movie.build())
    assert index_of(movie.build()).reorder == tool_delay(path) == delay


def test_delay_of_fragments_is_not_estimated(clip: Callable[[str], Path]) -> None:
    path = clip("h264-fragmented")
    index = read_index(open_source(path))
    assert index is not None
    assert np.diff(index.pts).min() < 0
    assert index.reorder == tool_delay(path) == 0


@pytest.mark.parametrize(
    ("edits", "rows", "times"),
    [((), [1, 3], [40, 120]), ([(0, 160)], [1, 3], [40, 120]), ([(80, 80), (0, 80)], [3, 1], [40, 120])],
)
def test_empty_samples_show_no_row(edits: list[tuple[int, int]], rows: list[int], times: list[int]) -> None:
    index = index_of(Movie(sizes=(0, 20, 0, 30), sync=None, edits=edits).build())
    assert (index.sample_sizes(), index.order.tolist(), index.row_pts.tolist()) == ([0, 20, 0, 30], rows, times)


def test_empty_samples_of_fragments_show_no_row() -> None:
    index = index_of(fragmented(fragment([10, 0, 30], time=0), fragment([0, 6], time=120)))
    assert (index.samples, index.order.tolist(), index.row_pts.tolist()) == (5, [0, 2, 4], [0, 80, 160])


def test_tool_shows_no_frame_for_an_empty_sample(tmp_path: Path) -> None:
    path = tmp_path / "intra.mov"
    run_ffmpeg(encoder(), "-f", "lavfi", "-i", "testsrc=d=0.4:s=64x48", "-c:v", "mjpeg", str(path))
    data = path.read_bytes()
    for emptied in (0, 4):
        sizes = bytearray(data)
        at = data.index(b"stsz") + 16 + 4 * emptied
        sizes[at : at + 4] = u32(0)
        path.write_bytes(sizes)
        frames = tool_table(path, "-copyts", "-fps_mode", "passthrough", "-enc_time_base", "demux", "-c:v", "rawvideo")
        index = index_of(bytes(sizes))
        assert (index.samples, len(index)) == (10, 9)
        assert index.row_pts.tolist() == [frame[1] for frame in frames]


def test_fragments_cannot_claim_more_samples_than_bytes() -> None:
    tfhd, trun = full(b"tfhd", u32(1), flags=0x20000), full(b"trun", u32(60))
    moof = box(b"moof", box(b"traf", tfhd, *[trun] * 3))
    with pytest.raises(CorruptMediaError, match="'trun' claims 4294967295 samples"):
        read_index(open_source(fragmented(moof, box(b"moof", box(b"traf", tfhd, full(b"trun", u32(2**32 - 1)))))))
    data = fragmented(moof)
    assert index_of(data).samples == 180 < len(data)
    with pytest.raises(CorruptMediaError, match="'trun' claims 60 samples"):
        read_index(open_source(fragmented(box(b"moof", box(b"traf", tfhd, *[trun] * 30)))))


def test_fragment_header_beyond_the_limit_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "sparse.mp4"
    with path.open("wb") as file:
        file.write(fragmented(u32((256 << 20) + 9) + b"moof"))
        file.truncate(257 << 20)
    source = CountingSource(open_source(path))
    with pytest.raises(LimitExceededError, match="'moof'"):
        read_index(source)
    assert source.bytes_read <= 65536


def test_fragments_are_samples_in_file_order_and_overlaps_are_hidden() -> None:
    sync, disposable = 0x0200_0000, 0x0181_0000
    data = fragmented(
        fragment([10, 20, 30], time=0, flags=[sync, 0x0101_0000, disposable]),
        fragment([5, 6], time=120),
        fragment([7, 8], time=160),
    )
    index = index_of(data)
    assert index.sample_sizes() == [10, 20, 30, 5, 6, 7, 8]
    assert index.dts.tolist() == [0, 40, 80, 120, 160, 160, 200]
    assert index.order.tolist() == [0, 1, 2, 3, 4, 6]
    assert index.keyframe_indices() == [0, 3, 5]
    assert index.disposable.tolist() == [False, False, True, False, False, False, False]
    assert data[index.sample_offsets()[3] - 4 : index.sample_offsets()[3]] == b"mdat"


def test_fragment_cut_by_the_end_of_the_file_keeps_the_earlier_ones() -> None:
    data = fragmented(fragment([10, 20], time=0), fragment([5, 6], time=80))
    assert len(index_of(data[: data.rindex(b"moof") + 20])) == 2
    assert len(index_of(data[:-5])) == 4, "cut in its data only, it keeps its rows"


@pytest.mark.parametrize(
    "data",
    [b"hello, this is a text file", b"<!DOCTYPE html>", b"PK\x03\x04" + bytes(30), b"\x1a\x45\xdf\xa3" * 4, b"abc"],
)
def test_other_bytes_are_not_ours(data: bytes) -> None:
    assert read_index(open_source(data)) is None


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (Movie().build(header_first=False)[:150], CorruptMediaError, "moov.* is missing"),
        (Movie().build()[:100], CorruptMediaError, "truncated"),
        (fragment([1], time=0), CorruptMediaError, "initialization segment"),
        (Movie(handler=b"soun").build(), UnsupportedMediaError, "1 audio track"),
        (Movie(entry=b"encv").build(), EncryptedMediaError, "encrypted"),
        (Movie(entry=b"wxyz").build(), UnsupportedMediaError, "'wxyz'"),
        (Movie(data_flags=0).build(), UnsupportedMediaError, "another file"),
        (box(b"ftyp") + box(b"moov"), UnsupportedMediaError, "no track at all"),
        (box(b"ftyp") + box(b"meta") + box(b"mdat"), UnsupportedMediaError, "still image"),
        (Movie(replace={b"stsd": full(b"stsd", u32(0))}).build(), CorruptMediaError, "codec is unknown"),
        (Movie(replace={b"stsz": full(b"stsz", u32(1, 1 << 31))}).build(), CorruptMediaError, "stsz"),
        (Movie(replace={b"stsz": full(b"stsz", u32(0, 1 << 28))}).build(), CorruptMediaError, "stsz"),
        (Movie(replace={b"stsz": full(b"stsz", u32(0, 1), u32(-1))}).build(), CorruptMediaError, "sample of"),
        (Movie(replace={b"stco": table(b"stco", [], count=1 << 31)}).build(), CorruptMediaError, "stco"),
        (Movie(replace={b"stsc": table(b"stsc", [], count=1 << 28)}).build(), CorruptMediaError, "stsc"),
        (Movie(replace={b"stsc": table(b"stsc", [(5, 1, 1)])}).build(), CorruptMediaError, "stsc"),
        (Movie(replace={b"stts": table(b"stts", [(1, 1)], count=1 << 29)}).build(), CorruptMediaError, "stts"),
        (Movie(replace={b"ctts": table(b"ctts", [(1, 1)], count=(1 << 32) - 1)}).build(), CorruptMediaError, "ctts"),
        (Movie(replace={b"stss": table(b"stss", [], count=1 << 30)}).build(), CorruptMediaError, "stss"),
    ],
)
def test_bad_header_is_a_typed_error_without_taking_memory(data: bytes, error: type[HwangError], message: str) -> None:
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    with pytest.raises(error, match=message):
        read_index(open_source(data))
    assert time.perf_counter() - start < 2
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


@pytest.mark.parametrize(
    "replace",
    [
        {b"stts": table(b"stts", [(2**31 - 1, 40)])},
        {b"ctts": table(b"ctts", [(2**31 - 1, 40)])},
        {b"stsc": table(b"stsc", [(1, 2**32 - 1, 1)])},
    ],
)
def test_counts_are_bounded_by_the_samples_there(replace: dict[bytes, bytes]) -> None:
    assert len(index_of(Movie(replace=replace).build())) == 4


def test_truncated_video_keeps_its_rows() -> None:
    assert len(index_of(Movie().build()[:-80])) == 4


def test_the_track_asked_for_is_indexed_and_others_are_named() -> None:
    data = Movie(number=5, extra=Movie(sizes=(9, 9), number=6).trak(0)).build()
    assert (index_of(data).track_id, len(index_of(data, 6))) == (5, 2)
    with pytest.raises(UnsupportedMediaError, match=r"no video track 7; video tracks: \[5, 6\]"):
        index_of(data, 7)


def test_flag_of_disposable_av1_samples_is_not_believed() -> None:
    movie = Movie(entry=b"av01", inside=box(b"av1C", b"\x81\x00\x0c\x00"), depended_on=(1, 2, 2, 2))
    index = index_of(movie.build())
    assert (index.codec, index.extradata, index.disposable.any()) == ("av1", b"\x81\x00\x0c\x00", np.False_)


def test_too_many_top_level_boxes_exceed_a_limit() -> None:
    with pytest.raises(LimitExceededError):
        read_index(open_source(box(b"free") * ((1 << 18) + 1)))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damaged_headers_never_raise_anything_but_our_errors(data: st.DataObject) -> None:
    movie = Movie(composition=[(2, 0), (2, 40)], edits=[(0, 160)], depended_on=(1, 2, 1, 2))
    whole = bytearray(
        data.draw(st.sampled_from([movie.build(), fragmented(fragment([10, 20], time=0, composition=40))]))
    )
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(whole) - 1))
        whole[at] = data.draw(st.sampled_from([0, 1, 0x7F, 0x80, 0xFF]) | st.integers(0, 255))
    with contextlib.suppress(HwangError):
        read_index(open_source(bytes(whole[: data.draw(st.integers(8, len(whole)))])))
