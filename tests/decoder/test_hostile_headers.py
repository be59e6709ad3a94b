"""Headers that lie or bomb: the frames of the ffmpeg tool or a typed error, soon, in bounds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import hwang
from tests.decoder.conftest import MakeClip, Truth
from tests.decoder.hostile import LAVFI, encode, outcome_in_bounds, rows_that_are_right, write
from tests.support.boxes import box, fragment, fragmented, u32
from tests.support.clips import encoder, linear_decode, run_ffmpeg
from tests.support.patch import body, put_numbers, put_table


def test_more_frames_than_memory_are_a_limit(clip: MakeClip, tmp_path: Path) -> None:
    data = put_numbers(clip("mjpeg-mov").read_bytes(), b"jpeg", 24, 8000, 8000, size=2)
    with hwang.Decoder(write(tmp_path / "bomb.mov", data)) as decoder, pytest.raises(hwang.LimitExceededError):
        decoder.frames([0] * 100_000)


def test_samples_that_all_have_one_time_are_shown_as_the_tool_shows_them(clip: MakeClip, tmp_path: Path) -> None:
    data = put_numbers(clip("h264-no-b").read_bytes(), b"stts", 8, 40, 0)
    assert len(rows_that_are_right(write(tmp_path / "times.mp4", data), (160, 96))) == 40


def test_a_time_table_that_claims_two_billion_samples(clip: MakeClip, truth: Truth, tmp_path: Path) -> None:
    data = put_numbers(clip("h264-no-b").read_bytes(), b"stts", 8, (1 << 31) - 1)
    with hwang.Decoder(write(tmp_path / "many.mp4", data)) as decoder:
        assert len(decoder) == 40
        np.testing.assert_array_equal(decoder.frames([39]), truth("h264-no-b")[[39]])
        with pytest.raises(hwang.FrameIndexError, match="40 frames"):
            decoder.frames([(1 << 31) - 2])


@pytest.mark.parametrize("count", [1 << 28, 1 << 31, (1 << 32) - 1])
@pytest.mark.parametrize("kind", [b"stsz", b"stco", b"ctts", b"stsc", b"stss", b"stts"])
def test_counts_beyond_the_box_take_no_memory(kind: bytes, count: int, clip: MakeClip, tmp_path: Path) -> None:
    data = put_numbers(clip("h264-closed-gop").read_bytes(), kind, 8 if kind == b"stsz" else 4, count)
    path = write(tmp_path / "counts.mp4", data)
    assert outcome_in_bounds(path, mib=300, seconds=2) == "CorruptMediaError"


@pytest.mark.parametrize("count", [1 << 28, (1 << 32) - 1])
def test_counts_of_fragments_take_no_memory(count: int, clip: MakeClip, tmp_path: Path) -> None:
    data = put_numbers(clip("h264-fragmented").read_bytes(), b"trun", 4, count)
    path = write(tmp_path / "counts.mp4", data)
    assert outcome_in_bounds(path, mib=300, seconds=2) == "CorruptMediaError"


@pytest.mark.parametrize("size", [(32767, 32767), (65535, 1), (65535, 65535)])
def test_a_container_that_claims_a_huge_picture(size: tuple[int, int], clip: MakeClip, tmp_path: Path) -> None:
    """The coded video's own size counts if its header states it; otherwise it is refused before memory is taken."""
    stated = write(tmp_path / "stated.mp4", put_numbers(clip("h264-no-b").read_bytes(), b"avc1", 24, *size, size=2))
    assert outcome_in_bounds(stated, mib=300, seconds=2) == "frames"
    assert len(rows_that_are_right(stated, (160, 96))) == 40
    unknown = write(tmp_path / "unknown.mov", put_numbers(clip("mjpeg-mov").read_bytes(), b"jpeg", 24, *size, size=2))
    assert outcome_in_bounds(unknown, mib=300, seconds=2) == "LimitExceededError"


@pytest.mark.parametrize("codec", ["mjpeg", "png"])
def test_a_picture_far_larger_than_its_container_says(codec: str, tmp_path: Path) -> None:
    picture = ("-frames:v", "2", "-c:v", codec, "-pix_fmt", "yuvj420p" if codec == "mjpeg" else "gray")
    data = encode(tmp_path / "large.mov", *LAVFI, "color=gray:s=12000x9000:r=1:d=2", *picture).read_bytes()
    entry = b"jpeg" if codec == "mjpeg" else b"png "
    path = write(tmp_path / "bomb.mov", put_numbers(data, entry, 24, 64, 48, size=2))
    assert len(data) < 8 << 20
    outcome = outcome_in_bounds(path, mib=300, seconds=5)
    assert outcome in ("LimitExceededError", "CorruptFrameError", "UnsupportedMediaError")


def test_a_large_picture_in_few_bytes_is_a_limit_or_exact(tmp_path: Path) -> None:
    """142 million pixels in some kilobytes: honest in its header, 428 MB of RGB."""
    source = (*LAVFI, "color=gray:s=16384x8704:r=1:d=1", "-c:v", "png", "-pix_fmt", "gray")
    path = encode(tmp_path / "large.mov", *source)
    assert path.stat().st_size < 1 << 20
    assert outcome_in_bounds(path, mib=1500, seconds=20) in ("frames", "LimitExceededError")


def test_ten_thousand_fragments(tmp_path: Path) -> None:
    path = write(tmp_path / "many.mp4", fragmented(*(fragment([9], time=40 * n) for n in range(10_000))))
    assert len(hwang.VideoIndex.deserialize(hwang.index_video(path).serialize())) == 10_000


def test_boxes_in_boxes_a_thousand_deep(tmp_path: Path) -> None:
    nest = b""
    for _ in range(1000):
        nest = box(b"moov", nest)
    with pytest.raises(hwang.HwangError):
        hwang.Decoder(write(tmp_path / "nest.mp4", box(b"ftyp", b"isom", u32(0)) + nest))


@pytest.mark.parametrize("size", [0, 1, 7, 8, (1 << 31) - 1, (1 << 32) - 1])
@pytest.mark.parametrize("kind", [b"moov", b"trak", b"stbl", b"stsd", b"avc1", b"stsz", b"mdat"])
def test_impossible_sizes_of_boxes(kind: bytes, size: int, clip: MakeClip, tmp_path: Path) -> None:
    data = bytearray(clip("h264-faststart").read_bytes())
    at = body(bytes(data), kind).start - 8
    data[at : at + 4] = u32(size)
    try:
        with hwang.Decoder(write(tmp_path / "size.mp4", bytes(data))) as decoder:
            decoder.frames([0])
    except hwang.HwangError:
        pass


def test_times_beyond_all_bounds(clip: MakeClip, tmp_path: Path) -> None:
    sound = clip("h264-no-b").read_bytes()
    for deltas in ([40, (1 << 31) - 1], [40, (1 << 32) - 512]):
        path = write(tmp_path / "times.mp4", put_numbers(sound, b"stts", 8, *deltas))
        assert len(rows_that_are_right(path, (160, 96))) == len(hwang.index_video(path))
    for time in ((1 << 62) - 1, 1 << 63, (1 << 64) - 1):
        data = fragmented(fragment([9, 9], time=time))
        with pytest.raises(hwang.HwangError):
            hwang.Decoder(write(tmp_path / "late.mp4", data)).frames([0])


@pytest.mark.parametrize("times", ["N*0", "-N", "mod(N\\,5)", "4611686018427387904+N", "if(mod(N\\,2)\\,N\\,NOPTS)"])
def test_strange_times_of_matroska_give_the_frames_or_an_error(times: str, clip: MakeClip, tmp_path: Path) -> None:
    for suffix in ("mkv", "nut", "avi"):
        path = tmp_path / f"strange.{suffix}"
        try:
            run_ffmpeg(encoder(), "-i", str(clip("h264-no-b")), "-c", "copy", "-bsf:v", f"setts=pts={times}", str(path))
        except AssertionError:  # the muxer refuses
            continue
        try:
            with hwang.Decoder(path) as decoder:
                frames = decoder.frames(range(len(decoder)))
        except hwang.HwangError:
            continue
        shown = linear_decode(path, (160, 96))
        assert {frame.tobytes() for frame in frames} <= {frame.tobytes() for frame in shown}


@pytest.mark.parametrize("offset", ["beyond", "overlapping", "header"])
def test_chunks_that_lie_elsewhere_are_named(offset: str, clip: MakeClip, truth: Truth, tmp_path: Path) -> None:
    path = tmp_path / "spread.mp4"
    run_ffmpeg(
        encoder(),
        *("-i", str(clip("h264-no-b")), *LAVFI, "sine=d=1.6", "-map", "0:v", "-map", "1:a", "-c:v", "copy"),
        str(path),
    )  # interleaved with sound, the video has many chunks
    data = path.read_bytes()
    start, stop = body(data, b"stco").start + 8, body(data, b"stco").stop
    chunks = np.frombuffer(data[start:stop], ">u4").tolist()
    last = len(chunks) - 1
    assert last > 2
    elsewhere = {"beyond": len(data) + 1000, "overlapping": chunks[1] + 5, "header": data.index(b"moov")}[offset]
    write(path, put_table(data, b"stco", [*chunks[:last], elsewhere]))
    with hwang.Decoder(path) as decoder:
        assert len(decoder) == 40
        np.testing.assert_array_equal(decoder.frames(range(4)), truth("h264-no-b")[:4])
        with pytest.raises(hwang.CorruptFrameError):
            decoder.frames([39])
