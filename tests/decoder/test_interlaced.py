"""Interlaced H.264: both fields in one picture (MBAFF), and fields as pictures, and samples, of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import hwang
from tests.support.clips import encoder, linear_decode, numbered_frames, numbers_of, run_ffmpeg
from tests.support.fieldcoded import SIZE, field_coded_h264

COUNT = 40


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fields") / "fields.h264"
    luma = np.clip(numbered_frames(COUNT, SIZE)[..., 0], 1, 254)
    luma[:, 16:] = np.random.default_rng(1).integers(1, 255, luma[:, 16:].shape, np.uint8)
    path.write_bytes(field_coded_h264(luma))
    return path


@pytest.mark.parametrize("suffix", ["h264", "ts", "mkv", "mp4", "avi", "flv"])
def test_fields_in_samples_of_their_own(suffix: str, stream: Path) -> None:
    path = stream.with_suffix(f".{suffix}")
    if path != stream:
        run_ffmpeg(encoder(), "-fflags", "+genpts", "-r", "50", "-i", str(stream), "-c", "copy", str(path))
    expected = linear_decode(path, SIZE)
    assert numbers_of(expected) == list(range(COUNT))
    index = hwang.VideoIndex.deserialize(hwang.index_video(path).serialize())
    assert (index.samples, len(index), index.separate_fields) == (2 * COUNT, COUNT, True)
    for threads in (1, 2):
        with hwang.Decoder(path, index, threads=threads) as decoder:
            np.testing.assert_array_equal(decoder.frames(range(COUNT)), expected)
            for row in np.random.default_rng(2).permutation(COUNT):
                np.testing.assert_array_equal(decoder.frames([row])[0], expected[row], err_msg=f"row {row}")
            np.testing.assert_array_equal(list(decoder.iter_frames(range(COUNT))), expected)


def test_both_fields_in_one_picture(tmp_path: Path) -> None:
    path, raw = tmp_path / "mbaff.mp4", tmp_path / "frames.raw"
    numbered_frames(COUNT, SIZE).tofile(raw)
    source = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{SIZE[0]}x{SIZE[1]}", "-r", "25", "-i", str(raw))
    coding = ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-flags", "+ildct+ilme", "-x264-params", "tff=1:keyint=12")
    run_ffmpeg(encoder(), *source, *coding, str(path))
    expected = linear_decode(path, SIZE)
    with hwang.Decoder(path) as decoder:
        assert not decoder.video_index.separate_fields
        rows = np.random.default_rng(3).permutation(COUNT)
        np.testing.assert_array_equal(decoder.frames(rows), expected[rows])
        assert numbers_of(decoder.frames(range(COUNT))) == list(range(COUNT))
