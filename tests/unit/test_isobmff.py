"""MP4 and MOV indexes: equal to what the ffmpeg tool shows, and bad headers are typed errors, fast."""

from __future__ import annotations

import contextlib
import resource
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
from tests.clips import CLIPS, encoder, oracle, run_ffmpeg

MOVIES = [clip.name for clip in CLIPS if clip.container == "mov"]


def index_of(data: bytes, track: int | None = None) -> VideoIndex:
    index = read_index(open_source(data), track)
    assert index is not None
    return index


def tool_table(path: Path, *options: str) -> list[list[int]]:
    """[dts, pts, duration, size] of every packet or frame that the tool writes."""
    text = run_ffmpeg(
        oracle(), "-threads", "1", "-noautorotate", "-i", str(path), "-map", "0:v:0", *options, "-f", "framecrc", "-"
    )
    lines = [line.split(",") for line in text.decode().splitlines() if line and not line.startswith("#")]
    return [[int(cell) for cell in line[1:5]] for line in lines]


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


def test_header_at_either_end_costs_three_requests_and_64_kib() -> None:
    sizes = [2000] * 3000
    for header_first in (True, False):
        movie = Movie(sizes=sizes, sync=None)
        source = CountingSource(open_source(movie.build(header_first=header_first)))
        assert read_index(source) is not None
        assert source.requests <= 3
        assert source.bytes_read <= len(movie.moov(0)) + 65536


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
