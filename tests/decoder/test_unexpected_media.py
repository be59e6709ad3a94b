"""Videos of an unexpected kind: the frames of the ffmpeg tool or a typed error."""

from __future__ import annotations

import resource
from pathlib import Path

import numpy as np
import pytest

import hwang
from tests.decoder.conftest import MakeClip, Truth
from tests.decoder.hostile import H264, LAVFI, encode, rows_that_are_right, write
from tests.support.boxes import Movie, full, table
from tests.support.clips import BY_NAME, encoder, linear_decode, run_ffmpeg
from tests.support.patch import drop


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


@pytest.mark.parametrize("suffix", ["h264", "ts", "mp4"])
def test_a_size_that_changes_is_refused_for_its_rows_or_scaled_on_request(suffix: str, tmp_path: Path) -> None:
    joined = tmp_path / "joined.h264"
    sizes = ((64, 48), (128, 48))
    parts = [
        encode(tmp_path / f"{width}.h264", *LAVFI, f"testsrc2=d=0.4:s={width}x{height}", *H264, "-g", "5")
        for width, height in sizes
    ]
    joined.write_bytes(b"".join(part.read_bytes() for part in (*parts, parts[0])))
    path = joined
    if suffix != "h264":
        path = encode(tmp_path / f"joined.{suffix}", "-framerate", "25", "-i", str(joined), "-c", "copy")
    small, large = (linear_decode(part, size) for part, size in zip(parts, sizes, strict=True))
    with hwang.Decoder(path) as decoder:
        assert len(decoder) == 30
        for order in (range(30), range(29, -1, -1)):
            for row in order:
                if 10 <= row < 20:
                    with pytest.raises(hwang.UnsupportedMediaError, match="128x48") as refused:
                        decoder.frames([row, 0])
                    assert refused.value.detail["rows"] == [row]
                else:
                    np.testing.assert_array_equal(decoder.frames([row])[0], small[row % 10])
        scaled = decoder.frames(range(30), width=128, height=48)
        np.testing.assert_array_equal(scaled[10:20], large)
        with pytest.raises(hwang.UnsupportedMediaError):
            list(decoder.iter_frames(range(30)))
        assert sum(len(part) for _, part in decoder.batches(range(30), max_side=32)) == 30


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
    cinepak = encode(tmp_path / "cinepak.avi", "-i", str(clip("h264-no-b")), "-c:v", "cinepak", "-frames:v", "2")
    with pytest.raises(hwang.UnsupportedMediaError, match="cinepak"):
        hwang.Decoder(cinepak).frames([0])


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
