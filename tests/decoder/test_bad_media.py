"""Damaged and foreign bytes: what decodes exactly is returned, the rest is a typed error."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import hwang
from tests.decoder.conftest import MakeClip, Truth


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", hwang.CorruptMediaError),
        (b"frames, please\n" * 100, hwang.UnsupportedMediaError),
        (b"<!DOCTYPE html><html><body>404</body></html>", hwang.UnsupportedMediaError),
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", hwang.UnsupportedMediaError),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", hwang.UnsupportedMediaError),
        (b"PK\x03\x04" + bytes(500), hwang.UnsupportedMediaError),
        (bytes(100_000), hwang.UnsupportedMediaError),
    ],
    ids=["empty", "text", "html", "playlist", "concat", "zip", "zeros"],
)
def test_what_is_no_video(content: bytes, error: type[Exception], tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    path.write_bytes(content)
    with pytest.raises(error):
        hwang.Decoder(path)


def test_a_truncated_clip_gives_the_frames_that_are_there(clip: MakeClip, truth: Truth, tmp_path: Path) -> None:
    whole = clip("h264-faststart").read_bytes()
    path = tmp_path / "truncated.mp4"
    path.write_bytes(whole[: len(whole) * 2 // 3])
    with hwang.Decoder(path) as decoder:
        assert len(decoder) == 40
        with pytest.raises(hwang.CorruptFrameError) as caught:
            decoder.frames(range(40))
        good = [row for row in range(40) if row not in caught.value.rows]
        assert len(good) > 15
        np.testing.assert_array_equal(decoder.frames(good), truth("h264-faststart")[good])
        with pytest.raises(hwang.CorruptFrameError):
            decoder.frames([39])


@pytest.mark.parametrize("keep", [406, 5_000])
def test_a_clip_cut_in_its_header(keep: int, clip: MakeClip, tmp_path: Path) -> None:
    path = tmp_path / "cut.mp4"
    path.write_bytes(clip("h264-closed-gop").read_bytes()[:keep])
    with pytest.raises(hwang.CorruptMediaError):
        hwang.Decoder(path)


@pytest.mark.parametrize("name", ["h264-closed-gop", "hevc-open-gop", "vp9-mp4", "av1"])
def test_damaged_samples_never_pass_for_good(name: str, clip: MakeClip, truth: Truth, tmp_path: Path) -> None:
    """The payload of one sample is overwritten: a row is either bit-exact or named as corrupt.

    MPEG-4 part 2 is not among them: its pictures have no redundancy that noise would contradict.
    """
    data = bytearray(clip(name).read_bytes())
    index = hwang.index_video(clip(name))
    victim = 15
    offset, size = index.sample_offsets()[victim], index.sample_sizes()[victim]
    data[offset + 5 : offset + size] = np.random.default_rng(7).integers(0, 256, size - 5, np.uint8).tobytes()
    path = tmp_path / "damaged.mp4"
    path.write_bytes(data)
    corrupt = []
    with hwang.Decoder(path) as decoder:
        for row in range(len(decoder)):
            try:
                frame = decoder.frames([row])[0]
            except hwang.CorruptFrameError as error:
                corrupt.append(error.rows)
            else:
                np.testing.assert_array_equal(frame, truth(name)[row], err_msg=f"row {row} is wrong and not flagged")
    assert corrupt
    assert all(int(index.order[row]) >= victim for (row,) in corrupt)
