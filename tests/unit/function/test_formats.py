"""What is made of frames: exact reductions, contact sheets, pictures."""

from __future__ import annotations

import io
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from function.frames.reduce import REDUCTIONS
from function.frames.rows import MAX_FRAMES
from function.frames.sheet import caption, draw_sheet, layout
from function.models.form import Reduce
from function.models.formats import FORMATS
from function.output.arrays import Stream
from function.output.decoded import encode

SHAPES = st.tuples(st.integers(1, 40), st.integers(1, 9), st.integers(1, 9))


@st.composite
def frames(draw: st.DrawFn) -> NDArray[np.uint8]:
    count, height, width = draw(SHAPES)
    seed = draw(st.integers(0, 2**32 - 1))
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def reduced(
    kind: Reduce, video: NDArray[np.uint8], batch: int, counts: NDArray[np.int64] | None = None
) -> NDArray[Any]:
    result = REDUCTIONS[kind].new()
    counts = np.ones(len(video), dtype=np.int64) if counts is None else counts
    for start in range(0, len(video), batch):
        result.add(video[start : start + batch], counts[start : start + batch])
    return result.result()


@settings(deadline=None)
@given(frames(), st.integers(1, 40))
def test_reductions_equal_the_sums_of_big_integers(video: NDArray[np.uint8], batch: int) -> None:
    pixels = [[int(value) for value in frame.reshape(-1)] for frame in video]
    columns = list(zip(*pixels, strict=True))
    expected: dict[Reduce, tuple[list[int] | list[float], str]] = {
        "sum": ([sum(map(sum, pixels))], "uint64"),
        "sum_frames": (list(map(sum, columns)), "uint64"),
        "mean": ([sum(column) / len(column) for column in columns], "float64"),
        "min": (list(map(min, columns)), "uint8"),
        "max": (list(map(max, columns)), "uint8"),
    }
    for kind, (values, dtype) in expected.items():
        result = reduced(kind, video, batch)
        assert result.dtype == dtype
        assert result.shape == (() if kind == "sum" else video.shape[1:])
        assert result.reshape(-1).tolist() == values


@settings(deadline=None)
@given(frames(), st.integers(1, 40), st.data())
def test_a_frame_that_counts_several_times_is_reduced_as_often(
    video: NDArray[np.uint8], batch: int, data: st.DataObject
) -> None:
    counts = np.array(data.draw(st.lists(st.integers(1, 5), min_size=len(video), max_size=len(video))))
    for kind in get_args(Reduce):
        repeated = reduced(kind, np.repeat(video, counts, axis=0), batch)
        np.testing.assert_array_equal(reduced(kind, video, batch, counts), repeated, strict=True)


def test_reductions_do_not_overflow_where_every_byte_is_255() -> None:
    white = np.full((600, 2, 257, 3), 255, dtype=np.uint8)
    assert int(reduced("sum", white, 600)) == 255 * white.size
    assert (reduced("sum_frames", white, 600) == 255 * 600).all()
    assert (reduced("mean", white, 600) == 255.0).all()
    large = np.full((1, 720, 1280, 3), 255, dtype=np.uint8)
    assert int(reduced("sum", large, 1)) == 255 * large.size
    often = np.array([MAX_FRAMES])
    assert int(reduced("sum", large, 1, often)) == 255 * large.size * MAX_FRAMES
    assert (reduced("sum_frames", large, 1, often) == 255 * MAX_FRAMES).all()
    assert (reduced("mean", large, 1, often) == 255.0).all()


def test_a_reduction_keeps_no_reference_to_the_batch() -> None:
    batch = np.full((1, 2, 2, 3), 7, dtype=np.uint8)
    least = REDUCTIONS["min"].new()
    least.add(batch, np.array([1]))
    batch[:] = 0
    assert (least.result() == 7).all()


@pytest.mark.parametrize("size", [(1280, 720), (720, 1280), (640, 480), (1920, 800), (16, 16), (8192, 4)])
@pytest.mark.parametrize("count", [1, 2, 3, 7, 16, 100, 132, FORMATS["sheet"].max_frames])
def test_a_layout_holds_every_frame_apart_within_the_sheet(count: int, size: tuple[int, int]) -> None:
    sheet = layout(count, *size)
    corners = [sheet.corner(position) for position in range(count)]
    assert len(set(corners)) == count
    assert max(left for left, _ in corners) + sheet.thumb_width_px < sheet.width_px <= 4096
    assert max(top for _, top in corners) + sheet.cell_height_px < sheet.height_px
    assert sheet.thumb_width_px <= 320
    if count in (100, 132, FORMATS["sheet"].max_frames) and size == (1280, 720):
        assert 1.4 < sheet.width_px / sheet.height_px < 2.2


def test_a_sheet_shows_each_frame_in_its_place_with_a_caption_below() -> None:
    colours = np.random.default_rng(1).integers(0, 256, (10, 3), dtype=np.uint8)
    video = np.broadcast_to(colours[:, None, None, :], (10, 72, 128, 3))
    sheet = layout(10, 128, 72)
    image = draw_sheet(
        sheet,
        "clip.mp4",
        [np.ascontiguousarray(frame) for frame in video],
        [caption(row, row / 24) for row in range(10)],
    )
    pixels = np.asarray(image)
    assert image.size == (sheet.width_px, sheet.height_px)
    background = pixels[0, 0]
    for position, colour in enumerate(colours):
        left, top = sheet.corner(position)
        right, bottom = left + sheet.thumb_width_px, top + sheet.thumb_height_px
        assert (pixels[top:bottom, left:right] == colour).all()
        assert (pixels[top:bottom, left - 1] == background).all()
        assert (pixels[bottom : top + sheet.cell_height_px, left:right] != background).any(axis=-1).sum() > 20
    assert (pixels[: sheet.corner(0)[1]] != background).any()


def test_a_title_that_is_too_long_is_cut() -> None:
    sheet = layout(1, 64, 64)
    image = draw_sheet(sheet, "a very long name " * 40, [np.zeros((64, 64, 3), np.uint8)], ["#0  0.00 s"])
    assert (np.asarray(image)[:, -20:] == np.asarray(image)[0, 0]).all()


def test_captions_name_row_and_time() -> None:
    assert caption(100, 100 / 24) == "#100  4.17 s"


def test_a_png_gives_the_frame_back_and_a_jpeg_nearly() -> None:
    frame = np.zeros((48, 64, 3), dtype=np.uint8)
    frame[:, 32:] = (200, 100, 50)
    assert (np.asarray(Image.open(io.BytesIO(encode(frame, "png")))) == frame).all()
    jpeg = Image.open(io.BytesIO(encode(frame, "jpeg")))
    assert jpeg.format == "JPEG"
    assert np.abs(np.asarray(jpeg).astype(int) - frame).mean() < 3
    assert np.asarray(Image.open(io.BytesIO(encode(frame, "webp", 95)))).shape == frame.shape
    assert len(encode(frame, "jpeg", 10)) < len(encode(frame, "jpeg", 95))


@pytest.mark.parametrize("shape", [(48, 64, 3), (48, 64)])
def test_a_tiff_is_compressed_and_gives_colors_and_grays_back(shape: tuple[int, ...]) -> None:
    frame = np.full(shape, 7, np.uint8)
    frame[:, 32:] = 200
    data = encode(frame, "tiff")
    image = Image.open(io.BytesIO(data))
    assert (image.format, image.info["compression"]) == ("TIFF", "tiff_adobe_deflate")
    np.testing.assert_array_equal(np.asarray(image), frame, strict=True)
    assert len(data) < frame.size / 4


def test_a_header_and_raw_frames_are_what_numpy_loads() -> None:
    frames = np.random.default_rng(1).integers(0, 256, (2, 3, 4, 3), dtype=np.uint8)
    data = Stream(frames.shape, frames.dtype, []).header + frames.tobytes()
    np.testing.assert_array_equal(np.load(io.BytesIO(data), allow_pickle=False), frames)
