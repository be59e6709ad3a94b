"""MP4 and MOV headers that are damaged, hostile or not ours: typed errors, fast, in little memory."""

from __future__ import annotations

import contextlib
import resource
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwang.errors import CorruptMediaError, EncryptedMediaError, HwangError, LimitExceededError, UnsupportedMediaError
from hwang.isobmff.file import read_index
from hwang.sources import open_source
from hwang.sources.local import CountingSource
from tests.support.boxes import Movie, box, fragment, fragmented, full, table, u32
from tests.unit.hwang.indexing import index_of


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
