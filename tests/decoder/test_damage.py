"""Damaged bytes: a picture is exact or named, whatever the threads, the history and the memory."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest

import hwang
from tests.decoder.conftest import MakeClip, Truth
from tests.decoder.hostile import encode, write
from tests.support.clips import linear_decode


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


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_a_checksum_that_does_not_hold_is_believed(threads: int, clip: MakeClip, truth: Truth, tmp_path: Path) -> None:
    """FFV1 in Matroska: a bit in the middle of a sample, which decodes into a picture that looks almost right."""
    data = bytearray(clip("ffv1").read_bytes())
    index = hwang.index_video(clip("ffv1"))
    for sample in (3, 27):
        data[int(index.sample_offset[sample]) + int(index.sample_size[sample]) // 2] ^= 0x10
    sound = [row for row in range(40) if row not in (3, 27)]
    with hwang.Decoder(write(tmp_path / "damaged.mkv", bytes(data)), threads=threads) as decoder:
        for _ in range(3):
            with pytest.raises(hwang.CorruptFrameError) as caught:
                decoder.frames(range(40))
            assert caught.value.rows == (3, 27)
            np.testing.assert_array_equal(decoder.frames(sound), truth("ffv1")[sound])
