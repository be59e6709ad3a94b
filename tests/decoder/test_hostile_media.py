"""Videos that lie, bomb or are of an unexpected kind: the ffmpeg tool's frames or a typed error, soon, in bounds."""

from __future__ import annotations

import contextlib
import resource
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

import hwang
from tests.boxes import Movie, box, fragment, fragmented, full, table, u32
from tests.clips import BY_NAME, encoder, linear_decode, run_ffmpeg
from tests.decoder.conftest import MakeClip, Truth
from tests.patch import body, drop, put_numbers, put_table

LAVFI = ("-f", "lavfi", "-i")
H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-threads", "1", "-pix_fmt", "yuv420p")


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def encode(path: Path, *arguments: str) -> Path:
    run_ffmpeg(encoder(), *arguments, "-bitexact", str(path))
    return path


def rows_that_are_right(path: Path, size: tuple[int, int]) -> list[int]:
    """Asks for each row alone. It equals the tool's frame and is returned here, or it is named as corrupt."""
    truth, right = linear_decode(path, size), []
    with hwang.Decoder(path) as decoder:
        assert len(decoder) == len(truth)
        for row in range(len(decoder)):
            try:
                frame = decoder.frames([row])[0]
            except hwang.CorruptFrameError as error:
                assert error.rows == (row,)  # noqa: PT017
            else:
                np.testing.assert_array_equal(frame, truth[row], err_msg=f"row {row} is wrong and not flagged")
                right.append(row)
    return right


MEASURED = """
import resource, sys, time
import hwang
before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
try:
    with hwang.Decoder(sys.argv[1]) as decoder:
        decoder.frames([0])
    outcome = "frames"
except hwang.HwangError as error:
    outcome = type(error).__name__
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(outcome, grown >> 10, time.perf_counter() - started)
"""


def outcome_in_bounds(path: Path, *, mib: int, seconds: float) -> str:
    """What the first frame ends in, in a process of its own, whose memory grows by less than `mib`."""
    command = [sys.executable, "-c", textwrap.dedent(MEASURED), str(path)]
    outcome, grown, took = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout.split()
    assert int(grown) < mib
    assert float(took) < seconds
    return outcome.decode()


def noisy(sound: Path, tmp_path: Path) -> Path:
    noise = ("-c", "copy", "-bsf:v", "noise=amount=200*not(key)")
    return encode(tmp_path / "noisy.mp4", "-i", str(sound), *noise)


@pytest.mark.parametrize("threads", [1, 2, 6])
def test_damage_is_named_however_many_threads_there_are(threads: int, clip: MakeClip, tmp_path: Path) -> None:
    path = noisy(clip("h264-closed-gop"), tmp_path)

    def corrupt(threads: int) -> list[int]:
        rows = []
        with hwang.Decoder(path, threads=threads) as decoder:
            for row in range(len(decoder)):
                try:
                    decoder.frames([row])
                except hwang.CorruptFrameError:
                    rows.append(row)
        return rows

    alone = corrupt(1)
    assert len(alone) > 20
    for _ in range(5):
        assert corrupt(threads) == alone


def test_noise_is_named_unless_the_tool_too_takes_it_for_a_picture(
    clip: MakeClip, truth: Truth, tmp_path: Path
) -> None:
    """Noise that happens to be valid syntax cannot be told from a picture, by anyone."""
    path = noisy(clip("h264-closed-gop"), tmp_path)
    shown = {frame.tobytes() for frame in (*truth("h264-closed-gop"), *linear_decode(path, (160, 96)))}
    with hwang.Decoder(path) as decoder:
        assert len(decoder) == 40
        for row in range(40):
            try:
                assert decoder.frames([row])[0].tobytes() in shown, f"row {row} is wrong and not flagged"
            except hwang.CorruptFrameError:
                continue


@pytest.mark.parametrize("name", ["mjpeg-mov", "h264-closed-gop", "png-mov"])
def test_a_damaged_picture_does_not_depend_on_those_before_it(name: str, clip: MakeClip, tmp_path: Path) -> None:
    """What cannot be decoded must not be filled with what happens to be in memory."""
    data = bytearray(clip(name).read_bytes())
    index = hwang.index_video(clip(name))
    for sample in (3, 15, 27):
        middle = int(index.sample_offset[sample]) + int(index.sample_size[sample]) * 2 // 3
        data[middle : middle + 20] = bytes(20)
    with hwang.Decoder(write(tmp_path / "damaged.mov", bytes(data)), threads=1) as decoder:
        for row in range(40):
            try:
                alone = decoder.frames([row])[0]
                among = decoder.frames([*range(row), row])[row]
            except hwang.CorruptFrameError:
                continue
            np.testing.assert_array_equal(alone, among, err_msg=f"row {row}")


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_damage_to_av1_is_not_taken_for_a_lack_of_memory(threads: int, clip: MakeClip, tmp_path: Path) -> None:
    data = bytearray(clip("av1").read_bytes())
    index = hwang.index_video(clip("av1"))
    for start, size in zip(index.sample_offsets(), index.sample_sizes(), strict=True):
        if size > 100:
            data[start + size // 2 : start + size] = np.random.default_rng(size).bytes(size - size // 2)
    with hwang.Decoder(write(tmp_path / "damaged.mp4", bytes(data)), threads=threads) as decoder:
        for row in range(40):
            with contextlib.suppress(hwang.CorruptFrameError):
                decoder.frames([row])


def test_more_frames_than_memory_are_a_limit(clip: MakeClip, tmp_path: Path) -> None:
    data = put_numbers(clip("h264-no-b").read_bytes(), b"avc1", 24, 65535, 65535, size=2)
    with pytest.raises(hwang.LimitExceededError), hwang.Decoder(write(tmp_path / "bomb.mp4", data)) as decoder:
        decoder.frames(range(40))


def test_samples_that_all_have_one_time_are_shown_as_the_tool_shows_them(clip: MakeClip, tmp_path: Path) -> None:
    data = put_numbers(clip("h264-no-b").read_bytes(), b"stts", 8, 40, 0)
    assert len(rows_that_are_right(write(tmp_path / "times.mp4", data), (160, 96))) == 40


def test_audio_alone_is_named(tmp_path: Path) -> None:
    for suffix in ("mp4", "mkv"):
        path = encode(tmp_path / f"tone.{suffix}", *LAVFI, "sine=d=1", "-c:a", "aac")
        with pytest.raises(hwang.UnsupportedMediaError, match=r"no video (track|stream)"):
            hwang.Decoder(path)


def test_a_cover_picture_is_no_video(tmp_path: Path) -> None:
    cover = encode(tmp_path / "cover.png", *LAVFI, "testsrc=d=0.04:s=64x48", "-frames:v", "1")
    song = ("-i", str(cover), *LAVFI, "sine=d=1", "-map", "1", "-map", "0", "-c:a", "aac", "-c:v", "copy")
    path = encode(tmp_path / "song.mp4", *song, "-disposition:v:0", "attached_pic")
    with pytest.raises(hwang.UnsupportedMediaError, match=r"no video track"):
        hwang.Decoder(path)


def test_the_first_of_two_video_tracks_is_taken(clip: MakeClip, truth: Truth, tmp_path: Path) -> None:
    first, second = clip("h264-no-b"), clip("h264-odd-size")
    for suffix in ("mp4", "mkv"):
        maps = ("-i", str(first), "-i", str(second), "-map", "0:v", "-map", "1:v", "-c", "copy")
        with hwang.Decoder(encode(tmp_path / f"two.{suffix}", *maps)) as decoder:
            np.testing.assert_array_equal(decoder.frames([3, 30]), truth("h264-no-b")[[3, 30]])


def test_encrypted_video_is_named(clip: MakeClip, tmp_path: Path) -> None:
    keys = ("-encryption_key", "00" * 16, "-encryption_kid", "11" * 16)
    scheme = ("-c", "copy", "-encryption_scheme", "cenc-aes-ctr", *keys)
    path = encode(tmp_path / "encrypted.mp4", "-i", str(clip("h264-no-b")), *scheme)
    with pytest.raises(hwang.EncryptedMediaError, match="encrypted"):
        hwang.Decoder(path)


@pytest.mark.parametrize("suffix", ["h264", "ts", "mkv", "mp4"])
def test_a_size_that_changes_is_refused_and_never_rescaled(suffix: str, tmp_path: Path) -> None:
    joined = tmp_path / "joined.h264"
    parts = [
        encode(tmp_path / f"{width}.h264", *LAVFI, f"testsrc2=d=0.4:s={width}x48", *H264, "-g", "5")
        for width in (64, 128)
    ]
    joined.write_bytes(b"".join(part.read_bytes() for part in (*parts, parts[0])))
    path = joined
    if suffix != "h264":
        path = encode(tmp_path / f"joined.{suffix}", "-framerate", "25", "-i", str(joined), "-c", "copy")
    with hwang.Decoder(path) as decoder:
        small = decoder.frames([0, 1])
        assert small.shape == (2, 48, 64, 3)
        with pytest.raises(hwang.HwangError):
            decoder.frames([12])
        np.testing.assert_array_equal(decoder.frames([0, 1]), small)


def test_a_depth_that_changes_is_exact_or_refused(tmp_path: Path) -> None:
    joined = tmp_path / "joined.h264"
    formats = ("yuv420p", "yuv420p10le", "yuv422p")
    source = (*LAVFI, "testsrc2=d=0.4:s=64x48", "-c:v", "libx264", "-preset", "ultrafast", "-g", "5", "-threads", "1")
    parts = [encode(tmp_path / f"{name}.h264", *source, "-pix_fmt", name) for name in formats]
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    apart = np.concatenate([linear_decode(part, (64, 48)) for part in parts])
    with hwang.Decoder(joined) as decoder:
        for row in range(len(decoder)):
            try:
                frame = decoder.frames([row])[0]
            except hwang.HwangError:
                continue
            np.testing.assert_array_equal(frame, apart[row], err_msg=f"row {row}")


def test_a_first_group_without_its_key_frame(clip: MakeClip, tmp_path: Path) -> None:
    start = tmp_path / "headless.ts"
    run_ffmpeg(
        encoder(), "-i", str(clip("h264-closed-gop")), "-c", "copy", "-bsf:v", "noise=drop=eq(n\\,0)", str(start)
    )
    shown = linear_decode(start, (160, 96))
    with hwang.Decoder(start) as decoder:
        exact = {frame.tobytes() for frame in shown}
        late = decoder.frames(range(len(decoder) - 20, len(decoder)))
        np.testing.assert_array_equal(late, shown[-20:])
        for row in range(len(decoder)):
            try:
                assert decoder.frames([row])[0].tobytes() in exact, (
                    f"row {row} is a picture that the tool does not show"
                )
            except hwang.CorruptFrameError:
                continue


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
def test_a_container_that_claims_a_huge_picture_is_refused_before_memory_is_taken(
    size: tuple[int, int], clip: MakeClip, tmp_path: Path
) -> None:
    data = put_numbers(clip("h264-no-b").read_bytes(), b"avc1", 24, *size, size=2)
    path = write(tmp_path / "bomb.mp4", data)
    refusals = ("LimitExceededError", "CorruptMediaError", "UnsupportedMediaError")
    assert outcome_in_bounds(path, mib=300, seconds=2) in refusals


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


def test_the_last_frame_of_a_long_group_needs_little_memory(tmp_path: Path) -> None:
    source = (*LAVFI, "testsrc2=d=200:s=64x48:r=25", *H264, "-g", "100000", "-bf", "0", "-x264-params", "scenecut=0")
    path = encode(tmp_path / "long.mp4", *source)
    with hwang.Decoder(path, threads=1) as decoder:
        assert int(decoder.video_index.sync.sum()) == 1
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        frame = decoder.frames([len(decoder) - 1])[0]
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10
    np.testing.assert_array_equal(frame, linear_decode(path, (64, 48))[-1])


def test_a_codec_without_a_decoder_is_named(clip: MakeClip, tmp_path: Path) -> None:
    vvc = Movie(entry=b"vvc1", inside=full(b"vvcC", bytes(20))).build()
    with pytest.raises(hwang.UnsupportedMediaError, match="vvc"):
        hwang.Decoder(write(tmp_path / "vvc.mp4", vvc)).frames([0])
    theora = encode(tmp_path / "theora.mkv", "-i", str(clip("h264-no-b")), "-c:v", "libtheora")
    with pytest.raises(hwang.UnsupportedMediaError, match="theora"):
        hwang.Decoder(theora).frames([0])


def test_fragments_without_their_index(clip: MakeClip, truth: Truth, tmp_path: Path) -> None:
    data = drop(clip("h264-fragmented").read_bytes(), b"mfra")
    assert b"sidx" not in data
    path = write(tmp_path / "plain.mp4", data)
    with hwang.Decoder(path) as decoder:
        np.testing.assert_array_equal(decoder.frames(range(40)), truth("h264-fragmented"))


def test_a_growing_file_is_read_as_it_was_when_opened(clip: MakeClip, truth: Truth, tmp_path: Path) -> None:
    data = clip("h264-fragmented").read_bytes()
    cut = data.index(b"moof", len(data) // 2) - 4
    path = write(tmp_path / "growing.mp4", data[:cut])
    with hwang.Decoder(path) as decoder:
        rows = len(decoder)
        assert 0 < rows < 40
        path.write_bytes(data)
        assert len(decoder) == rows
        np.testing.assert_array_equal(decoder.frames(range(rows)), truth("h264-fragmented")[:rows])


def test_a_file_that_shrinks_after_it_was_opened_names_the_frames_that_went(clip: MakeClip, tmp_path: Path) -> None:
    data = clip("h264-faststart").read_bytes()
    path = write(tmp_path / "shrinking.mp4", data)
    with hwang.Decoder(path) as decoder:
        with path.open("r+b") as file:
            file.truncate(len(data) // 2)
        with pytest.raises(hwang.CorruptFrameError) as caught:
            decoder.frames(range(40))
        assert 39 in caught.value.rows


def test_matroska_without_cues(clip: MakeClip, truth: Truth, tmp_path: Path) -> None:
    path = tmp_path / "live.mkv"
    run_ffmpeg(encoder(), "-i", str(clip("h264-matroska")), "-c", "copy", "-live", "1", str(path))
    assert b"\x1c\x53\xbb\x6b" not in path.read_bytes(), "there are no Cues"
    with hwang.Decoder(path) as decoder:
        np.testing.assert_array_equal(decoder.frames([33, 2]), truth("h264-matroska")[[33, 2]])


def test_a_transport_stream_whose_clock_jumps(clip: MakeClip, tmp_path: Path) -> None:
    first, second = clip("h264-mpegts").read_bytes(), tmp_path / "later.ts"
    late = ("-i", str(clip("h264-mpegts")), "-c", "copy", "-output_ts_offset", "90000")
    path = write(tmp_path / "jump.ts", first + encode(second, *late).read_bytes())
    right = rows_that_are_right(path, BY_NAME["h264-mpegts"].size)
    assert len(right) == 80


def test_a_table_of_tables_that_names_itself(tmp_path: Path) -> None:
    movie = Movie(replace={b"stco": table(b"stco", [(0,), (0,)])})
    with pytest.raises(hwang.CorruptFrameError):
        hwang.Decoder(write(tmp_path / "self.mp4", movie.build())).frames([0])
