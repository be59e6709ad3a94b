"""Every form that a sample table may take gives what the ffmpeg tool makes of it."""

from __future__ import annotations

import dataclasses
import struct
from pathlib import Path

import pytest

from hwang.index import VideoIndex
from hwang.isobmff.file import read_index
from hwang.sources import open_source
from tests.support.boxes import Movie, box, full, table, u32
from tests.support.clips import encoder, run_ffmpeg, tool_table


def index_of(data: bytes, track: int | None = None) -> VideoIndex:
    index = read_index(open_source(data), track)
    assert index is not None
    return index


def wide_box(kind: bytes, body: bytes) -> bytes:
    """A box whose size has 64 bits."""
    return struct.pack(">I4sQ", 1, kind, 16 + len(body)) + body


def stz2(bits: int, *sizes: int) -> dict[bytes, bytes]:
    """Compact sample sizes in place of stsz."""
    if bits == 4:
        pairs = zip(sizes[::2], (*sizes[1::2], 0), strict=False)
        body = bytes(high << 4 | low for high, low in pairs)
    else:
        body = b"".join(size.to_bytes(bits // 8, "big") for size in sizes)
    return {b"stsz": full(b"stz2", u32(bits, len(sizes)), body)}


def ctts(*rows: tuple[int, int], version: int) -> dict[bytes, bytes]:
    return {b"ctts": full(b"ctts", u32(len(rows)), *(u32(*row) for row in rows), version=version)}


SMALL = (9, 1, 15, 3, 7)

MOVIES = {
    "plain": Movie(sizes=SMALL),
    "constant size": Movie(sizes=[9] * 5, replace={b"stsz": full(b"stsz", u32(9, 5))}),
    "sizes of 4 bits": Movie(sizes=SMALL, replace=stz2(4, *SMALL)),
    "sizes of 8 bits": Movie(sizes=(200, *SMALL), replace=stz2(8, 200, *SMALL)),
    "sizes of 16 bits": Movie(sizes=(60_000, *SMALL), replace=stz2(16, 60_000, *SMALL)),
    "chunks of 64 bits": Movie(sizes=SMALL, wide=True),
    "a chunk for each": Movie(sizes=SMALL, per_chunk=1),
    "one chunk": Movie(sizes=SMALL, per_chunk=5),
    "chunks of different lengths": Movie(
        sizes=SMALL,
        replace={
            b"stsc": table(b"stsc", [(1, 1, 1), (2, 3, 1), (3, 1, 1)]),
            b"stco": table(b"stco", [(4000,), (5000,), (6000,)]),
        },
    ),
    "durations of many": Movie(sizes=SMALL, deltas=[(2, 40), (1, 0), (2, 7)]),
    "durations of too few": Movie(sizes=SMALL, deltas=[(2, 40), (1, 10)]),
    "offsets ahead": Movie(sizes=SMALL, composition=[(1, 80), (2, 120), (2, 0)]),
    "offsets of version 0 below zero": Movie(sizes=SMALL, replace=ctts((1, 0), (2, -40), (1, 9), (1, 0), version=0)),
    "offsets of version 1 below zero": Movie(sizes=SMALL, replace=ctts((1, 0), (2, -40), (1, 9), (1, 0), version=1)),
    "no sync sample table": Movie(sizes=SMALL, sync=None),
}


@pytest.mark.parametrize("name", MOVIES)
def test_samples_are_the_packets_of_the_tool(name: str, tmp_path: Path) -> None:
    movie = dataclasses.replace(MOVIES[name], entry=b"jpeg", inside=b"")
    path = tmp_path / "movie.mov"
    path.write_bytes(movie.build() + bytes(7000))
    index = index_of(path.read_bytes())
    packets = tool_table(path, "-c", "copy", "-copyts", "-avoid_negative_ts", "disabled")
    assert list(zip(index.dts.tolist(), index.pts.tolist(), index.sample_sizes(), strict=True)) == [
        (dts, pts, size) for dts, pts, _, size in packets
    ]
    data = path.read_bytes()
    pieces = zip(index.sample_offsets(), index.sample_sizes(), strict=True)
    raw = tmp_path / "raw"
    run_ffmpeg(encoder(), "-i", str(path), "-map", "0:v:0", "-c", "copy", "-f", "data", str(raw))
    assert b"".join(data[offset : offset + size] for offset, size in pieces) == raw.read_bytes()


@pytest.mark.parametrize("header_first", [True, False])
def test_boxes_of_64_bits_and_to_the_end_of_the_file_are_read(header_first: bool) -> None:
    movie = Movie(sizes=SMALL)
    data = b"".join(bytes([n]) * size for n, size in enumerate(SMALL))
    ftyp, header = box(b"ftyp", b"isom", u32(0)), wide_box(b"moov", movie.moov(0)[8:])
    if header_first:
        header = wide_box(b"moov", movie.moov(len(ftyp) + len(header) + 8)[8:])
        whole = ftyp + header + struct.pack(">I4s", 0, b"mdat") + data
    else:
        whole = ftyp + wide_box(b"mdat", data) + wide_box(b"moov", movie.moov(len(ftyp) + 16)[8:])
    index = index_of(whole)
    pieces = zip(index.sample_offsets(), index.sample_sizes(), strict=True)
    assert b"".join(whole[offset : offset + size] for offset, size in pieces) == data


def test_each_video_track_is_indexed_as_the_tool_sees_it(tmp_path: Path) -> None:
    path = tmp_path / "two.mp4"
    inputs = ("-f", "lavfi", "-i", "testsrc=d=1:s=64x48:r=25", "-f", "lavfi", "-i", "testsrc2=d=2:s=96x64:r=10")
    sound = ("-f", "lavfi", "-i", "sine=d=2")
    maps = ("-map", "2", "-map", "0", "-map", "1", "-c:v", "libx264", "-bf", "2", "-g", "8")
    run_ffmpeg(encoder(), *inputs, *sound, *maps, str(path))
    data = path.read_bytes()
    for stream, track, width, count in ((0, 2, 64, 25), (1, 3, 96, 20)):
        index = index_of(data, track)
        assert (index.track_id, index.width, len(index)) == (track, width, count)
        raw = tmp_path / "raw"
        run_ffmpeg(encoder(), "-i", str(path), "-map", f"0:v:{stream}", "-c", "copy", "-f", "data", str(raw))
        pieces = zip(index.sample_offsets(), index.sample_sizes(), strict=True)
        assert b"".join(data[offset : offset + size] for offset, size in pieces) == raw.read_bytes()
    assert index_of(data).track_id == 2


_EDITS: list[list[tuple[int, int]]] = [
    [(80, 400)],
    [(-1, 200), (80, 400)],
    [(80, 120), (200, 160)],
    [(240, 120), (80, 120)],
    [(-1, 100), (-1, 100), (80, 400)],
    [(80, 120), (-1, 200), (200, 160)],
    [(1000, 40)],
    [(0, 0)],
]


@pytest.mark.parametrize("edits", _EDITS, ids=str)
@pytest.mark.parametrize("intra", [True, False])
def test_edits_show_what_the_tool_shows(edits: list[tuple[int, int]], intra: bool, tmp_path: Path) -> None:
    """A real clip of ten frames, 40 ticks each; its own edit list replaced."""
    path = tmp_path / "clip.mov"
    coding = ("-c:v", "mjpeg") if intra else ("-c:v", "mpeg4", "-bf", "2", "-g", "5")
    source = ("-f", "lavfi", "-i", "testsrc=d=0.4:s=64x48:r=25")
    run_ffmpeg(encoder(), *source, *coding, "-video_track_timescale", "1000", "-use_editlist", "0", str(path))
    data = path.read_bytes()
    elst = box(b"edts", table(b"elst", [(duration, time, 0x10000) for time, duration in edits]))
    path.write_bytes(with_box_in_track(data, elst))
    index = index_of(path.read_bytes())
    frames = tool_table(path, "-copyts", "-fps_mode", "passthrough", "-enc_time_base", "demux", "-c:v", "rawvideo")
    assert index.row_pts.tolist() == [frame[1] for frame in frames]


def with_box_in_track(data: bytes, extra: bytes) -> bytes:
    """A file that ends in moov, which ends in trak or a box behind it: `extra` put in front of mdia."""
    whole = bytearray(data)
    at = whole.index(b"mdia") - 4
    for kind in (b"moov", b"trak"):
        start = whole.index(kind) - 4
        whole[start : start + 4] = u32(int.from_bytes(whole[start : start + 4], "big") + len(extra))
    return bytes(whole[:at] + extra + whole[at:])
