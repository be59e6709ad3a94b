"""Containers that call samples sync which are none: a row is still the right picture, or named as corrupt."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import hwang
from tests.decoder.conftest import MakeClip, Truth
from tests.decoder.hostile import rows_that_are_right, write
from tests.support.clips import BY_NAME, linear_decode
from tests.support.patch import body, drop, put_table

Lie = Callable[[bytes], bytes]

CLIPS = (
    "h264-closed-gop",
    "h264-open-gop",
    "h264-one-gop",
    "hevc-open-gop",
    "vp9-mp4",
    "av1",
    "mpeg4-mp4",
    "mpeg2-mp4",
    "h263",
    "animation",
    "animation-gray",
)
ELSEWHERE = (  # in containers other than MP4 and MOV
    *("h264-matroska", "hevc-raw", "vp8-alt-ref", "vp9", "av1-matroska", "mpeg4-b-frames", "mpeg2-program-stream"),
    *("mpeg1", "mpeg2-mxf", "theora", "wmv1", "wmv2", "msmpeg4v2", "msmpeg4v3", "flv1", "h263-avi", "gif"),
)
LIES: dict[str, Lie] = {
    "every sample": lambda data: drop(data, b"stss"),
    "some others": lambda data: put_table(data, b"stss", [1, 6, 21, 34][: len(data[body(data, b"stss")]) // 4 - 2]),
    "a late one": lambda data: put_table(data, b"stss", [18]),
    "none": lambda data: put_table(data, b"stss", []),
}


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("name", CLIPS)
def test_false_sync_samples_never_give_a_wrong_picture(name: str, lie: str, clip: MakeClip, tmp_path: Path) -> None:
    path = write(tmp_path / "lying.mp4", LIES[lie](clip(name).read_bytes()))
    rows_that_are_right(path, BY_NAME[name].size)


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("name", CLIPS)
def test_false_sync_samples_do_not_hide_sound_pictures(name: str, lie: str, clip: MakeClip, tmp_path: Path) -> None:
    """All bytes are sound, so that decoding from far enough back gives every row."""
    path = write(tmp_path / "lying.mp4", LIES[lie](clip(name).read_bytes()))
    truth = linear_decode(path, BY_NAME[name].size)
    with hwang.Decoder(path) as decoder:
        np.testing.assert_array_equal(decoder.frames(range(len(decoder))), truth)


@pytest.mark.parametrize("name", ELSEWHERE)
def test_an_index_that_calls_every_sample_sync_gives_no_wrong_picture(name: str, clip: MakeClip, truth: Truth) -> None:
    index = hwang.index_video(clip(name))
    lying = dataclasses.replace(index, sync=np.ones(index.samples, np.bool_))
    with hwang.Decoder(clip(name), lying, threads=2) as decoder:
        for row in [39, *range(0, 40, 3), 38]:  # the last ones with a decoder that was used
            np.testing.assert_array_equal(decoder.frames([row])[0], truth(name)[row], err_msg=f"row {row}")
