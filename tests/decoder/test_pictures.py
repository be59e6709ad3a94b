"""Pixel formats, sizes, and arrays of the caller: what frames() writes, and where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import hwang
from hwang.picture import PixelFormat
from tests.decoder.conftest import MakeClip, Truth
from tests.support.clips import BY_NAME, oracle, run_ffmpeg

COLOURS = ["h264-closed-gop", "h264-odd-size", "h264-444", "hevc-10bit", "vp9", "mjpeg", "png-mov", "prores", "ffv1"]
TOOL_NAME = {"rgb24": "rgb24", "bgr24": "bgr24", "gray8": "gray", "rgb48": "rgb48le", "yuv420p": "yuv420p"}


def tool_bytes(path: Path, count: int, *options: str) -> NDArray[np.uint8]:
    """uint8 [count, bytes of a picture]: what the ffmpeg tool writes with these options."""
    show = ("-map", "0:v:0", "-fps_mode", "passthrough", "-f", "rawvideo", *options, "-")
    return np.frombuffer(run_ffmpeg(oracle(), "-noautorotate", "-i", str(path), *show), np.uint8).reshape(count, -1)


def as_bytes(pictures: Any) -> NDArray[np.uint8]:
    """uint8 [N, bytes of a picture], planes one after another."""
    planes = pictures if isinstance(pictures, hwang.Planes) else (pictures,)
    return np.concatenate([plane.view(np.uint8).reshape(len(plane), -1) for plane in planes], axis=1)


@pytest.mark.parametrize("name", COLOURS)
@pytest.mark.parametrize("pixel_format", ["bgr24", "gray8", "rgb48", "yuv420p"])
def test_pixel_formats_equal_the_tool(name: str, pixel_format: PixelFormat, clip: MakeClip) -> None:
    with hwang.Decoder(clip(name)) as decoder:
        rows = range(len(decoder))
        expected = tool_bytes(clip(name), len(rows), "-pix_fmt", TOOL_NAME[pixel_format])
        np.testing.assert_array_equal(as_bytes(decoder.frames(rows, pixel_format=pixel_format)), expected)


@pytest.mark.parametrize("name", ["h264-full-range-709", "mjpeg"])
def test_gray_of_full_range_video_is_its_luma(name: str, clip: MakeClip) -> None:
    with hwang.Decoder(clip(name)) as decoder:
        luma = decoder.frames([5, 6], pixel_format="yuv420p").y
        np.testing.assert_array_equal(decoder.frames([5, 6], pixel_format="gray8"), luma)


@pytest.mark.parametrize("name", [*COLOURS, "h264-full-range-709"])
@pytest.mark.parametrize("size", [(224, 224), (64, 48), (101, 31)])
def test_sizes_equal_the_tool(name: str, size: tuple[int, int], clip: MakeClip) -> None:
    width, height = size
    with hwang.Decoder(clip(name)) as decoder:
        rows = range(len(decoder))
        scaled = ("-vf", f"scale={width}:{height}")
        for pixel_format in ("rgb24", "gray8"):
            expected = tool_bytes(clip(name), len(rows), *scaled, "-pix_fmt", TOOL_NAME[pixel_format])
            frames = decoder.frames(rows, width=width, height=height, pixel_format=pixel_format)
            np.testing.assert_array_equal(as_bytes(frames), expected)


@pytest.mark.parametrize(
    ("keywords", "shape"),
    [
        ({"max_side": 80}, (48, 80, 3)),
        ({"max_side": 4000}, (96, 160, 3)),
        ({"width": 40}, (24, 40, 3)),
        ({"height": 24}, (24, 40, 3)),
        ({"width": 1}, (1, 1, 3)),
        ({"pixel_format": "gray8"}, (96, 160)),
        ({"pixel_format": "rgb48", "max_side": 80}, (48, 80, 3)),
    ],
)
def test_shapes(keywords: dict[str, Any], shape: tuple[int, ...], clip: MakeClip) -> None:
    with hwang.Decoder(clip("h264-closed-gop")) as decoder:
        frames = decoder.frames([3, 9], **keywords)
        assert frames.shape == (2, *shape)
        assert frames.flags.c_contiguous
        assert frames.dtype == (np.uint16 if keywords.get("pixel_format") == "rgb48" else np.uint8)


@pytest.mark.parametrize(
    "keywords",
    [
        {"pixel_format": "rgb"},
        {"width": 0},
        {"height": -1},
        {"max_side": 1.5},
        {"max_side": 100_000},
        {"width": 10, "max_side": 10},
    ],
)
def test_keywords_that_make_no_sense(keywords: dict[str, Any], clip: MakeClip) -> None:
    with hwang.Decoder(clip("h264-no-b")) as decoder, pytest.raises(ValueError, match=next(iter(keywords))):
        decoder.frames([0], **keywords)


@pytest.mark.parametrize("name", ["h264-closed-gop", "h264-odd-size"])
def test_out_is_filled_and_returned(name: str, clip: MakeClip, truth: Truth) -> None:
    width, height = BY_NAME[name].size
    rows = [30, 2, 30]
    with hwang.Decoder(clip(name)) as decoder:
        out = np.zeros((3, height, width, 3), np.uint8)
        assert decoder.frames(rows, out=out) is out
        np.testing.assert_array_equal(out, truth(name)[rows])
        around = np.full((5, height, width, 3), 7, np.uint8)
        decoder.frames(rows, out=around[1:4])
        np.testing.assert_array_equal(around[1:4], truth(name)[rows])
        assert (around[[0, 4]] == 7).all()
        planes = decoder.frames(rows, pixel_format="yuv420p")
        assert decoder.frames(rows, pixel_format="yuv420p", out=planes) is planes


def test_an_out_that_does_not_fit_is_refused(clip: MakeClip) -> None:
    with hwang.Decoder(clip("h264-no-b")) as decoder:
        read_only = np.zeros((1, 96, 160, 3), np.uint8)
        read_only.flags.writeable = False
        unfit: list[Any] = [
            np.zeros((2, 96, 160, 3), np.uint8),
            np.zeros((1, 96, 160, 3), np.int8),
            np.zeros((1, 96, 320, 3), np.uint8)[:, :, ::2],
            np.zeros((1, 96, 160, 3), np.uint8).tolist(),
            read_only,
        ]
        for out in unfit:
            with pytest.raises(ValueError, match="out must be"):
                decoder.frames([0], out=out)


def test_released_arrays_are_used_again_and_held_ones_are_not(clip: MakeClip, truth: Truth) -> None:
    with hwang.Decoder(clip("h264-closed-gop")) as decoder:
        held = decoder.frames([1, 2])
        address = decoder.frames([3, 4]).ctypes.data
        again = decoder.frames([5, 6])
        assert again.ctypes.data == address
        np.testing.assert_array_equal(held, truth("h264-closed-gop")[[1, 2]])
    np.testing.assert_array_equal(again, truth("h264-closed-gop")[[5, 6]])
    del decoder
    np.testing.assert_array_equal(held, truth("h264-closed-gop")[[1, 2]])


def test_more_than_the_memory_there_is(clip: MakeClip) -> None:
    with hwang.Decoder(clip("h264-no-b")) as decoder:
        with pytest.raises(hwang.LimitExceededError, match="iter_frames"):
            decoder.frames(np.zeros(10**7, np.int64), width=16_000, height=16_000)
        assert decoder.frames([0]).shape == (1, 96, 160, 3)


def test_larger_pictures_than_allowed(clip: MakeClip) -> None:
    for name in ("h264-no-b", "h264-mpegts"):
        with pytest.raises(hwang.LimitExceededError, match="160x96"):
            hwang.Decoder(clip(name), max_pixels=160 * 96 - 1)
        hwang.Decoder(clip(name), max_pixels=160 * 96).close()
