"""What MP4 and MOV headers say of the stream: colour, depth, and how many pictures a decoder holds back."""

from __future__ import annotations

import re
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwang.isobmff.file import read_index
from hwang.sources import open_source
from tests.support.boxes import Movie, box, full, table
from tests.support.clips import encoder, oracle, run_ffmpeg
from tests.unit.hwang.indexing import index_of


def tool_delay(path: Path) -> int:
    """What the tool's demuxer says that the decoder must hold back; 0 if nothing."""
    command = [oracle(), "-nostdin", "-v", "debug", "-i", str(path)]
    log = subprocess.run(command, capture_output=True, check=False, timeout=120).stderr.decode(errors="replace")
    return int((re.findall(r"Setting codecpar->delay to (\d+)", log) or [0])[0])


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
