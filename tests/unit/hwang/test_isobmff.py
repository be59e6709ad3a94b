"""MP4 and MOV indexes are what the ffmpeg tool shows: rows, samples, times, edit lists, rotation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hwang.isobmff.file import read_index
from hwang.sources import open_source
from tests.support.boxes import Movie, fragment, fragmented, u32
from tests.support.clips import CLIPS, encoder, oracle, run_ffmpeg, tool_table
from tests.unit.hwang.indexing import index_of

MOVIES = [clip.name for clip in CLIPS if clip.container == "mov"]


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
