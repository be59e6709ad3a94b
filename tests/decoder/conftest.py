from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import hwang
from tests.support.clips import BY_NAME, FRAMES, linear_decode, make_clip

Truth = Callable[[str], NDArray[np.uint8]]
MakeClip = Callable[[str], Path]


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> MakeClip:
    """Makes a generated clip by name, once."""
    directory = tmp_path_factory.mktemp("clips")
    return lambda name: make_clip(name, directory)


@pytest.fixture(scope="session")
def truth(clip: MakeClip) -> Truth:
    """All frames of a clip, uint8 [N, H, W, 3], as the ffmpeg tool shows them one after another."""
    return functools.cache(lambda name: linear_decode(clip(name), BY_NAME[name].size))


@pytest.fixture(scope="session")
def pictures(clip: MakeClip) -> hwang.Planes:
    """Numbered pictures as a Decoder gives them."""
    with hwang.Decoder(clip("h264-closed-gop")) as decoder:
        planes: hwang.Planes = decoder.frames(range(FRAMES), pixel_format="yuv420p")
    return planes
