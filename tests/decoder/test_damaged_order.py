"""Rows of damaged videos whose order is found by decoding, and damage of MPEG-2 that its decoder passes over."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import hwang
from tests.decoder.conftest import MakeClip
from tests.decoder.hostile import write
from tests.support.clips import BY_NAME, linear_decode
from tests.support.rare import RARE


def _overwritten(data: bytes, seed: int) -> bytes:
    random, damaged = np.random.default_rng(seed), bytearray(data)
    for place in random.integers(len(data) // 4, len(data) - 100, 6):
        damaged[place : place + 30] = random.integers(0, 256, 30, np.uint8).tobytes()
    return bytes(damaged)


@pytest.mark.parametrize("name", ["mpeg4-b-frames", "h264-raw"])
def test_the_rows_are_the_frames_of_the_tool_with_any_threads(name: str, clip: MakeClip, tmp_path: Path) -> None:
    path = tmp_path / clip(name).name
    for seed in range(6):
        path.write_bytes(_overwritten(clip(name).read_bytes(), seed))
        expected = len(linear_decode(path, BY_NAME[name].size))
        for threads in (1, 3):
            with hwang.Decoder(path, threads=threads) as decoder:
                assert len(decoder) == expected, f"seed {seed}"


def _decodes(path: Path, threads: int) -> tuple[list[int], int]:
    """The rows that are decoded, each as the tool shows it, and the number of all."""
    expected = linear_decode(path, (128, 96))
    decoded = []
    with hwang.Decoder(path, threads=threads) as decoder:
        for row in reversed(range(len(decoder))):
            try:
                frame = decoder.frames([row])[0]
            except hwang.CorruptFrameError:
                continue
            np.testing.assert_array_equal(frame, expected[row], err_msg=f"row {row}")
            decoded.append(row)
        return decoded, len(decoder)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("line", [1, 3])
def test_lines_that_a_field_lacks_are_damage(line: int, threads: int, tmp_path: Path) -> None:
    data = RARE["field-pictures"](tmp_path).read_bytes()
    sample = [at for at in range(len(data)) if data[at : at + 4] == b"\0\0\1\0"][2 * 14]
    begin = data.index(bytes([0, 0, 1, line]), sample)
    end = data.index(b"\0\0\1", begin + 3)
    decoded, rows = _decodes(write(tmp_path / "lacking.m2v", data[:begin] + data[end:]), threads)
    assert rows == 24
    assert sorted(decoded) == [row for row in range(24) if row not in range(14, 18)]


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_in_a_field_is_damage(threads: int, tmp_path: Path) -> None:
    data = bytearray(RARE["field-pictures"](tmp_path).read_bytes())
    sample = [at for at in range(len(data)) if data[at : at + 4] == b"\0\0\1\0"][2 * 14]
    begin = data.index(b"\0\0\1\2", sample)
    data[begin + 6 : begin + 12] = b"\xff" * 6
    decoded, _ = _decodes(write(tmp_path / "damaged.m2v", bytes(data)), threads)
    assert sorted(decoded) == [row for row in range(24) if row not in range(14, 18)]
