"""Videos as phones, cameras and muxers make them: rows are the frames of the ffmpeg tool, whatever came before."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import hwang
from tests.support.clips import linear_decode, oracle, run_ffmpeg
from tests.support.rare import RARE
from tests.support.strange import RECIPES


def shown_by_the_tool(path: Path) -> NDArray[np.uint8]:
    """uint8 [N, H, W, 3]: all frames, of the size that the tool gives them."""
    video = ("-threads", "1", "-noautorotate", "-i", str(path), "-map", "0:v:0", "-fps_mode", "passthrough")
    described = run_ffmpeg(oracle(), *video, "-frames:v", "1", "-f", "framecrc", "-").decode()
    size = re.search(r"^#dimensions 0: (\d+)x(\d+)$", described, re.MULTILINE)
    assert size
    return linear_decode(path, (int(size[1]), int(size[2])))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("strange")


@pytest.mark.parametrize("name", RECIPES | RARE)
def test_rows_are_those_of_the_tool_in_any_order_on_fresh_and_used_decoders(name: str, folder: Path) -> None:
    path = (RECIPES | RARE)[name](folder)
    expected = shown_by_the_tool(path)
    index = hwang.index_video(path)
    assert len(index) == len(expected)
    random = np.random.default_rng(17)
    for threads in (1, 2, 3, 4):
        with hwang.Decoder(path, hwang.VideoIndex.deserialize(index.serialize()), threads=threads) as decoder:
            for row in random.permutation(len(expected))[:10]:  # each behind another, by the same decoder
                np.testing.assert_array_equal(decoder.frames([row]), expected[[row]], err_msg=f"row {row}")
            rows = random.permutation(len(expected))
            np.testing.assert_array_equal(decoder.frames(rows), expected[rows])
            linear = np.concatenate([frames.copy() for _, frames in decoder.batches(range(len(expected)), 300_000)])
            np.testing.assert_array_equal(linear, expected)
            index_size = decoder.video_index.width, decoder.video_index.height
            assert index_size == (expected.shape[2], expected.shape[1])
    for row in random.permutation(len(expected))[:4]:
        with hwang.Decoder(path) as fresh:
            np.testing.assert_array_equal(fresh.frames([row]), expected[[row]], err_msg=f"row {row}")
