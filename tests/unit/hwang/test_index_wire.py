"""Indexes survive serialization, upstream's are readable, and garbage is an error."""

from __future__ import annotations

import contextlib
import io
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwang.errors import CorruptMediaError, HwangError, LimitExceededError
from hwang.index import MAX_SAMPLES, VideoIndex, check_sample_count, presentation_order
from hwang.isobmff.file import read_index
from hwang.parameters import annexb_parameter_sets
from hwang.sources import open_source
from hwang.wire import decode_packed, encode_packed, unzigzag_deltas, write_varint, zigzag_deltas
from tests.support.boxes import Movie, box
from tests.support.processes import there_and_back

ARRAYS = ("sample_offset", "sample_size", "pts", "dts", "sync", "disposable", "order", "row_pts")
SCALARS = (
    "width",
    "height",
    "time_base",
    "duration_ticks",
    "container",
    "codec",
    "codec_tag",
    "extradata",
    "rotation",
    "byte_addressable",
    "track_id",
    "color",
    "reorder",
    "bits_per_coded_sample",
    "complete",
)


def make_index(ticks: list[int], /, **changes: object) -> VideoIndex:
    samples = np.arange(len(ticks))
    times = np.array(ticks, np.int64)
    order = presentation_order(times)
    columns: dict[str, object] = {
        "sample_offset": 1000 + samples * 10,
        "sample_size": np.full(len(ticks), 10),
        "pts": times,
        "dts": samples - 3,
        "sync": samples % 7 == 0,
        "disposable": samples % 3 == 1,
        "order": order,
        "row_pts": times[order],
        "width": 64,
        "height": 48,
        "time_base": (1, 12800),
        "duration_ticks": 512 * len(ticks),
        "container": "mov",
        "codec": "h264",
        "codec_tag": 0x31637661,
        "extradata": bytes.fromhex("0164000affe10004aabbccdd01000368ee3c"),
        "rotation": 90,
        "track_id": 3,
        "color": (9, 16, 0, 1),
        "reorder": 2,
        "bits_per_coded_sample": 24,
    }
    return VideoIndex(**{**columns, **changes})  # type: ignore[arg-type]


def assert_same(a: VideoIndex, b: VideoIndex) -> None:
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)
        assert getattr(a, name).dtype == getattr(b, name).dtype
    assert [getattr(a, name) for name in SCALARS] == [getattr(b, name) for name in SCALARS]


@given(st.lists(st.integers(-(1 << 62), 1 << 62), max_size=60))
def test_serialized_index_comes_back_the_same(pts: list[int]) -> None:
    index = make_index(pts)
    assert_same(VideoIndex.deserialize(index.serialize()), index)


def test_index_comes_back_from_another_process_and_stays_read_only() -> None:
    index = there_and_back(make_index([0, 2, 1]))
    assert_same(index, make_index([0, 2, 1]))
    with pytest.raises(ValueError, match="read-only"):
        index.pts[0] = 1


def test_index_goes_to_paths_and_file_objects(tmp_path: Path) -> None:
    index, path, file = make_index([0, 2, 1]), tmp_path / "index.bin", io.BytesIO()
    index.to_file(path)
    index.to_file(file)
    assert file.getvalue() == path.read_bytes() == index.serialize()
    file.seek(0)
    assert_same(VideoIndex.from_file(file), VideoIndex.from_file(path))


def upstream_message(*, packed: bool) -> bytes:
    """As scanner-research/hwang writes it: by another encoder, protobuf's own definition followed by hand."""

    def varint(value: int) -> bytes:
        return bytes([value]) if value < 128 else bytes([value & 127 | 128]) + varint(value >> 7)

    def repeated(number: int, values: list[int]) -> bytes:
        if packed:
            body = b"".join(map(varint, values))
            return varint(number << 3 | 2) + varint(len(body)) + body
        return b"".join(varint(number << 3) + varint(value) for value in values)

    scalars = b"".join(varint(n << 3) + varint(v) for n, v in ((1, 1280), (2, 720), (7, 12800), (8, 1536)))
    tables = repeated(3, [48, 70000, 1 << 33]) + repeated(4, [300, 5, 70000]) + repeated(5, [0, 2])
    return scalars + tables + varint(6 << 3 | 2) + b"\x03abc" + varint(9 << 3 | 2) + b"\x04h264"


@pytest.mark.parametrize("packed", [True, False])
def test_upstream_index_is_read_but_not_complete(packed: bool) -> None:
    index = VideoIndex.deserialize(upstream_message(packed=packed))
    assert not index.complete
    assert (index.frame_width(), index.frame_height(), index.timescale(), index.duration()) == (1280, 720, 12800, 1536)
    assert (index.sample_offsets(), index.sample_sizes()) == ([48, 70000, 1 << 33], [300, 5, 70000])
    assert (index.keyframe_indices(), index.metadata_bytes(), index.format()) == ([0, 2], b"abc", "h264")
    assert index.frames() == 3
    assert index.fps() == 25.0
    assert VideoIndex.deserialize(index.serialize()).complete is False


def test_official_protobuf_reads_our_index_as_upstream_would() -> None:
    descriptor_pb2 = pytest.importorskip("google.protobuf.descriptor_pb2")
    descriptor_pool = pytest.importorskip("google.protobuf.descriptor_pool")
    message_factory = pytest.importorskip("google.protobuf.message_factory")

    file = descriptor_pb2.FileDescriptorProto(name="index.proto", package="hwang.proto", syntax="proto3")
    message = file.message_type.add(name="VideoIndex")
    types = {1: 13, 2: 13, 3: 4, 4: 4, 5: 4, 6: 12, 7: 13, 8: 4, 9: 9}
    for number, kind in types.items():
        message.field.add(name=f"f{number}", number=number, type=kind, label=3 if number in (3, 4, 5) else 1)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    theirs = message_factory.GetMessageClass(pool.FindMessageTypeByName("hwang.proto.VideoIndex"))()
    index = make_index([0, 3, 1, 2])
    theirs.ParseFromString(index.serialize())
    assert (list(theirs.f3), list(theirs.f4)) == (index.sample_offsets(), index.sample_sizes())
    assert (list(theirs.f5), theirs.f6) == (index.keyframe_indices(), index.metadata_bytes())
    assert (theirs.f1, theirs.f2, theirs.f7, theirs.f8, theirs.f9) == (64, 48, 12800, 2048, "h264")


def test_h264_metadata_is_parameter_sets_with_start_codes() -> None:
    assert make_index([0]).metadata_bytes().hex() == "00000001aabbccdd" + "0000000168ee3c"
    assert annexb_parameter_sets("h264", b"\x01\x64\x00\x0a\xff\xe1\xff\xff") == b"\x01\x64\x00\x0a\xff\xe1\xff\xff"


@given(st.binary(max_size=200))
def test_garbage_never_raises_anything_but_our_errors(data: bytes) -> None:
    with contextlib.suppress(HwangError):
        VideoIndex.deserialize(data)


@given(st.data())
def test_damaged_index_never_raises_anything_but_our_errors(data: st.DataObject) -> None:
    good = bytearray(make_index([0, 4, 2, 1, 3, 8, 6, 5, 7]).serialize())
    for _ in range(data.draw(st.integers(1, 4))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(HwangError):
        VideoIndex.deserialize(bytes(good[: data.draw(st.integers(0, len(good)))])).serialize()


def test_samples_in_packets_reach_to_the_next_one() -> None:
    index = make_index(
        [0, 2, 1], byte_addressable=False, transport=(192, 4, 256, 1700), sample_offset=[1000, 1200, 1500]
    )
    read = VideoIndex.deserialize(index.serialize())
    assert (read.transport, read.ranged, read.end) == ((192, 4, 256, 1700), True, 1700)
    assert read.byte_ranges(np.array([0, 2], np.uint32), 0) == ((1000, 200), (1500, 200))
    assert read.byte_ranges(np.array([0, 1, 2], np.uint32), 0) == ((1000, 700),)
    assert not make_index([0, 2, 1], byte_addressable=False).ranged


@pytest.mark.parametrize(
    "changes",
    [
        {"order": [9]},
        {"row_pts": [0]},
        {"pts": [0, 1]},
        {"rotation": 45},
        {"time_base": (1, 0)},
        {"width": -1},
        {"codec_tag": 1 << 32},
        {"color": (1, 1, 1)},
        {"color": (257, 1, 1, 1)},
        {"color": (1, 1, -1, 1)},
        {"color": (1, 1, 1, 3)},
        {"reorder": 17},
        {"bits_per_coded_sample": 1 << 16},
        {"transport": (188, 0)},
        {"transport": (187, 0, 256, 2000)},
        {"transport": (188, 189, 256, 2000)},
        {"transport": (188, 0, 8192, 2000)},
        {"transport": (188, 0, 256, 1 << 62)},
        {"transport": (188, 0, 256, 1020)},  # where the last sample begins
        {"sample_offset": np.array([1 << 63] * 3, np.uint64)},
        {"sync": [[True]] * 3},
    ],
)
def test_contradictory_table_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(CorruptMediaError, match="index: "):
        make_index([0, 2, 1], **changes)


@pytest.mark.parametrize(
    "field",
    [
        (115, [1, 1, 1, 3]),
        (115, [1, 1, 1]),
        (115, [1, 1, (1 << 64) - 1, 1]),
        (116, 17),
        (117, (1 << 64) - 1),
        (104, 1 << 32),
    ],
)
def test_hostile_numbers_of_a_serialized_index_are_corrupt(field: tuple[int, int | list[int]]) -> None:
    number, value = field
    body = value if isinstance(value, int) else encode_packed(np.array(value, np.uint64))
    key = write_varint(number << 3 | (0 if isinstance(body, int) else 2))
    piece = write_varint(body) if isinstance(body, int) else write_varint(len(body)) + body
    with pytest.raises(CorruptMediaError, match="index: impossible"):
        VideoIndex.deserialize(make_index([0, 2, 1]).serialize() + key + piece)


def test_color_missing_from_a_serialized_index_is_unspecified() -> None:
    data = make_index([0, 2, 1]).serialize()
    field = write_varint(115 << 3 | 2) + b"\x04" + bytes((9, 16, 0, 1))
    assert data.count(field) == 1
    assert VideoIndex.deserialize(data.replace(field, b"")).color == (2, 2, 2, 0)


def test_too_many_samples_exceed_a_limit() -> None:
    with pytest.raises(LimitExceededError):
        check_sample_count(MAX_SAMPLES + 1)


@given(st.lists(st.integers(0, (1 << 64) - 1)))
def test_packed_integers_come_back(values: list[int]) -> None:
    array = np.array(values, np.uint64)
    np.testing.assert_array_equal(decode_packed(encode_packed(array)), array)


@given(st.lists(st.integers(-(1 << 63), (1 << 63) - 1)))
def test_deltas_come_back_even_where_they_wrap(values: list[int]) -> None:
    array = np.array(values, np.int64)
    np.testing.assert_array_equal(unzigzag_deltas(zigzag_deltas(array)), array)


@pytest.mark.parametrize("data", [b"\x80", b"\x01\xff", b"\xff" * 10 + b"\x01", b"\xff" * 9 + b"\x02"])
def test_bad_packed_integers_are_corrupt(data: bytes) -> None:
    with pytest.raises(CorruptMediaError):
        decode_packed(data)


def test_a_million_samples_serialize_in_fractions_of_a_second() -> None:
    samples = np.arange(1_000_000)
    times = samples * 512 + np.tile([0, 1024, -512, 512], 250_000)
    order = presentation_order(times)
    index = make_index(
        [0],
        **dict.fromkeys(("dts", "pts"), times),
        sample_offset=samples * 4321,
        sample_size=samples % 60_000,
        sync=samples % 250 == 0,
        disposable=samples % 2 == 1,
        order=order,
        row_pts=times[order],
    )
    start = time.perf_counter()
    again = VideoIndex.deserialize(index.serialize())
    assert time.perf_counter() - start < 3, "0.4 s on an idle machine; this one is far slower"
    assert_same(again, index)


def test_index_of_a_movie_answers_like_upstream() -> None:
    index = read_index(open_source(Movie(edits=[(0, 160)]).build() + box(b"free")))
    assert index is not None
    assert (index.frames(), len(index), index.samples, index.fps()) == (4, 4, 4, 25.0)
    assert index.timestamps().tolist() == [0.0, 0.04, 0.08, 0.12]
