"""Pictures of more than 8 bits in a sample: their RGB is the tool's, whatever their colors, sizes and values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import hwang
from tests.decoder.hostile import encode
from tests.support.clips import linear_decode

PICTURES = 3


def noise(path: Path, pixel_format: str, size: tuple[int, int], *said: str, bits: int = 10) -> Path:
    """Writes a lossless clip of random samples: any value, the two extremes, and a few values about them."""
    width, height = size
    rows = {"420": (height + 1) // 2, "422": height}[pixel_format[3:6]]
    random = np.random.default_rng(width * height)
    shape = (width * height + 2 * ((width + 1) // 2) * rows,)
    any_value = random.integers(0, 1 << bits, shape)
    extremes = random.choice([0, (1 << bits) - 1], shape)
    near = np.clip(extremes + random.integers(-40, 41, shape), 0, (1 << bits) - 1)
    raw = path.with_suffix(".yuv")
    np.stack([any_value, extremes, near]).astype("<u2").tofile(raw)
    source = ("-f", "rawvideo", "-pix_fmt", pixel_format, "-s", f"{width}x{height}", *said, "-i", str(raw))
    return encode(path, *source, "-c:v", "ffv1", "-level", "3", "-pix_fmt", pixel_format, *said)


def assert_equal_to_the_tool(path: Path, size: tuple[int, int]) -> None:
    around = np.full((PICTURES + 2, size[1], size[0], 3), 7, np.uint8)
    with hwang.Decoder(path) as decoder:
        decoder.frames(range(PICTURES), out=around[1:-1])
    np.testing.assert_array_equal(around[1:-1], linear_decode(path, size))
    assert (around[[0, -1]] == 7).all(), "written outside the pictures"


@pytest.mark.parametrize("color_range", ["tv", "pc"])
@pytest.mark.parametrize("matrix", ["bt709", "fcc", "smpte170m", "smpte240m", "bt2020nc", "unknown"])
def test_every_matrix_and_range(matrix: str, color_range: str, tmp_path: Path) -> None:
    said = ("-colorspace", matrix, "-color_range", color_range)
    assert_equal_to_the_tool(noise(tmp_path / "noise.mkv", "yuv420p10le", (192, 64), *said), (192, 64))


@pytest.mark.parametrize(
    "size", [(64, 16), (66, 18), (62, 40), (64, 14), (65, 32), (64, 33), (126, 20), (130, 22), (318, 50), (6, 6)]
)
@pytest.mark.parametrize("pixel_format", ["yuv420p10le", "yuv422p10le"])
def test_every_size(pixel_format: str, size: tuple[int, int], tmp_path: Path) -> None:
    assert_equal_to_the_tool(noise(tmp_path / "noise.mkv", pixel_format, size), size)


@pytest.mark.parametrize("pixel_format", ["yuv420p9le", "yuv420p12le", "yuv422p12le", "yuv420p14le"])
def test_every_depth(pixel_format: str, tmp_path: Path) -> None:
    bits = int(pixel_format[7:].removesuffix("le"))
    assert_equal_to_the_tool(noise(tmp_path / "noise.mkv", pixel_format, (130, 36), bits=bits), (130, 36))
