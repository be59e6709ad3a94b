"""The API that scripts written for scanner-research/hwang use, and what it answers to mistakes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import hwang
from hwang import decoder as decoder_module
from tests.decoder.conftest import MakeClip, Truth


def test_a_script_written_for_upstream_runs(clip: MakeClip, truth: Truth) -> None:
    with clip("h264-closed-gop").open("rb") as file:
        index = hwang.index_video(file)
        decoder = decoder_module.Decoder(file, video_index=index, device_type=hwang.DeviceType.CPU, device_id=0)
        frames = decoder.retrieve([0, 30])
    assert (index.frames(), index.frame_width(), index.frame_height(), index.fps()) == (40, 160, 96, 25.0)
    assert [frame.shape for frame in frames] == [(96, 160, 3)] * 2
    np.testing.assert_array_equal(frames, truth("h264-closed-gop")[[0, 30]])


def test_a_tuple_is_a_list_of_rows_and_a_range_a_range(clip: MakeClip) -> None:
    with hwang.Decoder(clip("h264-no-b")) as decoder:
        assert len(decoder.retrieve((0, 30))) == 2
        assert len(decoder.retrieve(range(30))) == 30


def test_no_rows_are_no_frames(clip: MakeClip) -> None:
    with hwang.Decoder(clip("h264-no-b")) as decoder:
        assert decoder.frames([]).shape == (0, 96, 160, 3)
        assert list(decoder.batches([])) == []


@pytest.mark.parametrize("row", [-1, 40, 2**40])
def test_a_row_outside_the_video_names_itself_and_the_count(row: int, clip: MakeClip) -> None:
    with hwang.Decoder(clip("h264-no-b")) as decoder, pytest.raises(IndexError, match=rf"row {row} .* 40 frames"):
        decoder.frames([0, row])


def test_frames_belong_to_the_caller(clip: MakeClip, truth: Truth) -> None:
    with hwang.Decoder(clip("h264-no-b")) as decoder:
        first = decoder.frames([3, 3])
        first[0] = 0
        second = decoder.frames([3])
    np.testing.assert_array_equal(first[1], truth("h264-no-b")[3])
    np.testing.assert_array_equal(second[0], truth("h264-no-b")[3])


def test_there_is_no_gpu_build(clip: MakeClip) -> None:
    with pytest.raises(hwang.HwangError, match="GPU"):
        hwang.Decoder(clip("h264-no-b"), device_type=hwang.DeviceType.GPU)


def test_a_closed_decoder_holds_no_threads_and_says_that_it_is_closed(clip: MakeClip) -> None:
    before = len(list(Path("/proc/self/task").iterdir()))
    decoder = hwang.Decoder(clip("h264-one-gop").read_bytes(), threads=4)
    decoder.frames([30])
    assert len(list(Path("/proc/self/task").iterdir())) > before
    decoder.close()
    assert len(list(Path("/proc/self/task").iterdir())) == before
    with pytest.raises(hwang.SourceError, match="closed"):
        decoder.frames([30])
