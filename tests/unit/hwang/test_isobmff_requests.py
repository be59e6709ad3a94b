"""Headers cost few requests, wherever they lie; directories of fragments spare requests and are never believed."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwang.index import VideoIndex
from hwang.isobmff.boxes import WINDOW_BYTES
from hwang.isobmff.file import open_movie
from hwang.sources import open_source
from hwang.sources.local import CountingSource
from tests.support.boxes import Movie, box, fragment, fragmented, full, mfra, sidx, table, u32
from tests.support.clips import encoder, run_ffmpeg

FAR = 300_000  # bytes of data in a fragment: farther to the next one than is read in vain


class Remote:
    """Bytes far away: every range is a request, and every call one round trip."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.size = len(data)
        self.calls: list[Sequence[tuple[int, int]]] = []

    def read_ranges(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        self.calls.append(ranges)
        return [self.data[offset : offset + length] for offset, length in ranges]

    @property
    def requests(self) -> int:
        return sum(map(len, self.calls))

    @property
    def bytes_read(self) -> int:
        return sum(length for call in self.calls for _, length in call)


def steps(data: bytes) -> tuple[VideoIndex, int, int]:
    """The index, the requests to open the movie, and the calls to finish the index."""
    source = Remote(data)
    movie = open_movie(source)
    assert movie is not None
    requests, calls = source.requests, len(source.calls)
    return movie.index(), requests, len(source.calls) - calls


def without_directory(data: bytes) -> bytes:
    """The same file, where nothing tells where the fragments are."""
    return data.replace(b"sidx", b"free").replace(b"mfra", b"free").replace(b"mfro", b"free")


def assert_equal(index: VideoIndex, other: VideoIndex) -> None:
    for name in ("sample_offset", "sample_size", "pts", "dts", "sync", "disposable", "order", "row_pts"):
        assert np.array_equal(getattr(index, name), getattr(other, name)), name


def far_fragments(count: int, *, front: bytes = b"", samples: Sequence[int] = (2,)) -> list[bytes]:
    """Fragments of `samples` samples each, in turn, with `front` before each."""
    counts = [number for number, _ in zip(itertools.cycle(samples), range(count), strict=False)]
    starts = np.cumsum([0, *counts]).tolist()
    return [
        front + fragment([FAR // number] * number, time=40 * start)
        for number, start in zip(counts, starts, strict=False)
    ]


def offsets(pieces: Sequence[bytes], start: int) -> list[int]:
    return [start + n for n in np.cumsum([0, *map(len, pieces)])[:-1].tolist()]


HEADER_BYTES = len(fragmented())


@pytest.mark.parametrize("header_first", [True, False])
@pytest.mark.parametrize("count", [10, 3_000, 30_000])
def test_movie_costs_three_requests_and_64_kib_beside_its_header(count: int, header_first: bool) -> None:
    movie = Movie(sizes=[100] * count, sync=None)
    source = Remote(movie.build(header_first=header_first))
    opened = open_movie(source)
    assert opened is not None
    assert not opened.fragmented
    assert source.requests <= 3
    assert source.bytes_read <= len(movie.moov(0)) + 65536
    assert (len(opened.index()), source.requests <= 3) == (count, True), "the index takes no further request"


@pytest.mark.parametrize("flags", ["", "+dash", "+global_sidx", "+global_sidx+skip_trailer", "+dash+global_sidx"])
def test_fragmented_file_of_the_tool_opens_in_five_requests_and_indexes_in_one_call(flags: str, tmp_path: Path) -> None:
    path = tmp_path / "fragments.mp4"
    noise = "testsrc=d=3:s=320x240,noise=alls=100:allf=t"
    coding = ("-c:v", "libx264", "-preset", "ultrafast", "-qp", "0", "-g", "5")
    layout = f"+frag_keyframe+empty_moov+default_base_moof{flags}"
    run_ffmpeg(encoder(), "-f", "lavfi", "-i", noise, *coding, "-movflags", layout, str(path))
    data = path.read_bytes()
    assert data.count(b"moof") > 10
    index, requests, calls = steps(data)
    assert requests <= 5
    assert calls <= 1
    walked, _, walk_calls = steps(without_directory(data))
    assert walk_calls > 10
    assert len(index) == 75
    assert_equal(index, walked)


@pytest.mark.parametrize("version", [0, 1])
def test_either_directory_spares_requests(version: int) -> None:
    pieces = far_fragments(12)
    index = sidx(*map(len, pieces), version=version)
    for data in (
        fragmented(index, *pieces),
        fragmented(box(b"free", bytes(9)), index[:-12], index[-12:], *pieces, mfra()),
        fragmented(*pieces, mfra(*offsets(pieces, HEADER_BYTES), version=version)),
    ):
        result, requests, calls = steps(data)
        assert (requests <= 5, calls) == (True, 1)
        assert_equal(result, steps(without_directory(data))[0])


def test_fragments_longer_than_guessed_take_a_second_call() -> None:
    pieces = far_fragments(12, samples=[1, 1, 500])
    result, _, calls = steps(fragmented(sidx(*map(len, pieces)), *pieces))
    assert (len(result), calls) == (8 + 4 * 500, 2)


def test_long_directory_is_read_whole() -> None:
    pieces = [fragment([1000], time=40 * n) for n in range(3000)]
    for data in (
        fragmented(sidx(*map(len, pieces)), *pieces),
        fragmented(*pieces, mfra(*offsets(pieces, HEADER_BYTES))),
    ):
        result, requests, calls = steps(data)
        assert (len(result), requests <= 5, calls) == (3000, True, 1)


def test_long_header_before_fragments_is_within_five_requests_too() -> None:
    trex = box(b"mvex", full(b"trex", u32(1, 1, 0, 0, 0)))
    header = box(b"ftyp", b"iso5", u32(0))
    header += Movie(sizes=(), deltas=(), sync=None, extra=trex + box(b"free", bytes(50_000))).moov(0)
    pieces = [fragment([1000], time=40 * n) for n in range(3000)]
    for data in (
        header + sidx(*map(len, pieces)) + b"".join(pieces),
        header + b"".join(pieces) + mfra(*offsets(pieces, len(header))),
    ):
        result, requests, calls = steps(data)
        assert (len(result), requests <= 5, calls) == (3000, True, 1)


def test_index_can_be_finished_again() -> None:
    movie = open_movie(Remote(fragmented(*far_fragments(3))))
    assert movie is not None
    assert_equal(movie.index(), movie.index())


def test_hierarchical_index_is_followed() -> None:
    groups = [far_fragments(4) for _ in range(5)]
    inner = [sidx(*map(len, group)) + b"".join(group) for group in groups]
    result, requests, calls = steps(fragmented(sidx(*map(len, inner)), *inner))
    assert (requests <= 5, calls <= 3) == (True, True)
    assert result.samples == 40


def test_what_the_segment_index_leaves_out_is_found_by_the_other_or_by_walking() -> None:
    pieces = far_fragments(12)
    part = sidx(*map(len, pieces[:4]))
    starts = offsets(pieces, HEADER_BYTES + len(part))
    for end, expected in ((mfra(*starts), 1), (b"", 8), (mfra(*starts[8:]), 5)):
        data = fragmented(part, *pieces, end)
        result, requests, calls = steps(data)
        assert requests <= 5
        assert calls <= expected
        assert_equal(result, steps(without_directory(data))[0])


def test_place_that_only_looks_like_a_fragment_is_not_one() -> None:
    fake = fragment([7, 7, 7], time=0)
    pieces = [fragment([FAR], time=0), box(b"mdat", bytes(FAR), fake, bytes(FAR)), fragment([FAR], time=40)]
    at = HEADER_BYTES + len(pieces[0]) + 8 + FAR
    data = fragmented(*pieces, mfra(HEADER_BYTES, at, 3, 1 << 60))
    result, _, _ = steps(data)
    assert result.sample_sizes() == [FAR, FAR]


def test_local_file_is_not_read_between_fragments(tmp_path: Path) -> None:
    pieces = [fragment([20_000], time=40 * n) for n in range(40)]
    path = tmp_path / "fragments.mp4"
    path.write_bytes(fragmented(sidx(*map(len, pieces)), *pieces))
    source = CountingSource(open_source(path))
    movie = open_movie(source)
    assert movie is not None
    assert len(movie.index()) == 40
    assert source.bytes_read < 2 * WINDOW_BYTES + 40 * 1000


@pytest.mark.parametrize(
    "lie",
    [
        sidx(*[0] * 65535),
        sidx(*[0xFFFF_FFFF] * 1000),
        sidx(*[8] * 65535, version=1),
        sidx(5, 5, first=(1 << 64) - 1, version=1),
        sidx(1, 2)[:-5] + b"\0" * 5,
        full(b"sidx", u32(1, 1000, 0, 0), b"\0\0\xff\xff"),
        box(b"sidx"),
        box(b"sidx", bytes(2 << 20)),
        sidx(16, 16, 16) * 500,
    ],
)
def test_absurd_directory_costs_bounded_requests(lie: bytes) -> None:
    pieces = far_fragments(3)
    for end in (b"", mfra(*range(20_000)), u32(16) + b"mfro" + u32(0, 1 << 31), table(b"mfra", [], count=9)):
        data = fragmented(lie, *pieces, end)
        source = Remote(data)
        movie = open_movie(source)
        assert movie is not None
        assert movie.index().samples == 6
        assert source.requests < 50
        assert source.bytes_read < 3 * len(data)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_index_does_not_depend_on_what_directories_say(data: st.DataObject) -> None:
    between = st.sampled_from([b"", box(b"styp", b"msdh"), sidx(1000, 50), box(b"free", bytes(40_000))])
    counts = data.draw(st.lists(st.integers(1, 40), min_size=1, max_size=8))
    pieces = [data.draw(between) + fragment([2000] * count, time=800 * number) for number, count in enumerate(counts)]
    sizes = [len(piece) + data.draw(st.sampled_from([0, 0, 0, 0, 1, -24, 8, 60])) for piece in pieces]
    front = sidx(*sizes[: data.draw(st.integers(0, len(sizes)))], first=data.draw(st.sampled_from([0, 0, 0, 24])))
    true_places = offsets(pieces, HEADER_BYTES + len(front))
    places = data.draw(st.lists(st.sampled_from(true_places) | st.integers(0, 400_000), max_size=8))
    whole = bytearray(fragmented(front, *pieces, mfra(*places)))
    for _ in range(data.draw(st.integers(0, 3))):
        start = data.draw(st.sampled_from([HEADER_BYTES, len(whole) - 200, *true_places]))
        whole[min(start + data.draw(st.integers(0, 200)), len(whole) - 1)] = data.draw(st.integers(0, 255))
    assert outcome(bytes(whole)) == outcome(without_directory(bytes(whole)))


def outcome(data: bytes) -> object:
    """What the index holds, or how it fails."""
    try:
        index = steps(data)[0]
    except Exception as error:
        return repr(error)
    return [column.tolist() for column in (index.sample_offset, index.sample_size, index.pts, index.sync, index.order)]
