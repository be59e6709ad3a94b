"""What the function tests itself with, in a build that can encode and in one that cannot."""

from __future__ import annotations

import io

import numpy as np

import hwang
from function.actions.jpegmovie import jpeg_movie

LUMAS = (20, 131, 197, 56)


def test_a_movie_made_without_an_encoder_shows_its_pictures() -> None:
    pictures = [np.full((48, 64), luma, np.uint8) for luma in LUMAS]
    with hwang.Decoder(io.BytesIO(jpeg_movie(pictures, fps=10))) as decoder:
        index = decoder.video_index
        assert (index.codec, index.width, index.height, len(index), index.fps()) == ("mjpeg", 64, 48, 4, 10)
        shown = decoder.frames([2, 0, 3, 1], pixel_format="yuv420p")
    for picture, row in zip(shown.y, [2, 0, 3, 1], strict=True):
        assert abs(int(picture.min()) - LUMAS[row]) <= 1 >= abs(int(picture.max()) - LUMAS[row])


def test_this_build_says_whether_it_can_encode() -> None:
    assert hwang.can_encode() is True
