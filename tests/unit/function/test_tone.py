"""HDR shown as SDR, beside the formulas of BT.2100, BT.2390, BT.2087 and sRGB as they are published."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from function.frames.tone import HLG, PQ, ToneMap

TOLERANCE = 1.0  # of 255: half is rounding; the matrix of BT.2087 has four digits
ONE = NDArray[np.uint8]


def pq_eotf(value: float) -> float:
    """BT.2100 table 4: cd/m² of a signal."""
    m1, m2, c1, c2, c3 = 0.1593017578125, 78.84375, 0.8359375, 18.8515625, 18.6875
    power = value ** (1 / m2)
    return float(10_000 * (max(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1))


def pq_inverse(nits: float) -> float:
    m1, m2, c1, c2, c3 = 0.1593017578125, 78.84375, 0.8359375, 18.8515625, 18.6875
    power = (nits / 10_000) ** m1
    return float(((c1 + c2 * power) / (1 + c3 * power)) ** m2)


def hlg_light(signal: list[float]) -> list[float]:
    """BT.2100 table 5: cd/m² of a display of 1000 cd/m², of three signals."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = [one * one / 3 if one <= 0.5 else (math.exp((one - c) / a) + b) / 12 for one in signal]
    luminance = 0.2627 * scene[0] + 0.6780 * scene[1] + 0.0593 * scene[2]
    return [1000 * luminance**0.2 * one for one in scene]


def eetf(nits: float) -> float:
    """BT.2390 section 5.4.1, from 0 to 1000 cd/m² to 0 to 203 cd/m²."""
    top, most = pq_inverse(1000), pq_inverse(203) / pq_inverse(1000)
    e1, knee = min(pq_inverse(nits) / top, 1.0), 1.5 * most - 0.5
    if e1 >= knee:
        t = (e1 - knee) / (1 - knee)
        e1 = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (-2 * t**3 + 3 * t**2) * most
    return pq_eotf(e1 * top)


def reference(pixel: list[int], transfer: str) -> list[float]:
    """The pixel as SDR, from 0 to 255, not rounded."""
    signal = [value / 255 for value in pixel]
    light = [pq_eotf(one) for one in signal] if transfer == PQ else hlg_light(signal)
    largest = max(light)
    light = [one * eetf(largest) / largest / 203 if largest else 0.0 for one in light]
    matrix = [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]]
    shown = [sum(m * one for m, one in zip(row, light, strict=True)) for row in matrix]
    clipped = [min(max(one, 0.0), 1.0) for one in shown]
    return [255 * (12.92 * one if one <= 0.0031308 else 1.055 * one ** (1 / 2.4) - 0.055) for one in clipped]


def converted(pixels: ONE, transfer: str, primaries: str = "bt2020") -> ONE:
    """Pixels [n, 3] after the conversion."""
    frames = pixels.reshape(1, 1, -1, 3).copy()
    tone = ToneMap.of(transfer, primaries)
    assert tone
    tone.convert(frames)
    return frames.reshape(-1, 3)


RAMP = np.arange(256, dtype=np.uint8)
RAMPS = {
    "gray": np.stack([RAMP, RAMP, RAMP], 1),
    "red": np.stack([RAMP, RAMP // 4, RAMP // 5], 1),
    "green": np.stack([RAMP // 3, RAMP, RAMP // 2], 1),
    "blue": np.stack([RAMP // 2, RAMP // 3, RAMP], 1),
    "skin": np.stack([RAMP, (RAMP * 0.85).astype(np.uint8), (RAMP * 0.75).astype(np.uint8)], 1),
    "any": np.random.default_rng(5).integers(0, 256, (2000, 3), dtype=np.uint8),
}


@pytest.mark.parametrize("transfer", [PQ, HLG])
@pytest.mark.parametrize("ramp", RAMPS)
def test_it_is_what_the_published_formulas_give(ramp: str, transfer: str) -> None:
    pixels = RAMPS[ramp]
    expected = np.array([reference(pixel, transfer) for pixel in pixels.tolist()])
    assert np.abs(converted(pixels, transfer) - expected).max() <= TOLERANCE


@pytest.mark.parametrize(("transfer", "step"), [(PQ, 3), (HLG, 2)])
def test_gray_stays_gray_and_ascends_in_steps_of_at_most_what_is_documented(transfer: str, step: int) -> None:
    gray = converted(RAMPS["gray"], transfer).astype(int)
    assert np.ptp(gray, axis=1).max() == 0
    steps = np.diff(gray[:, 0])
    assert (steps.min(), steps.max()) == (0, step)
    assert (gray[0, 0], gray[-1, 0]) == (0, 255)


def test_a_diffuse_white_is_bright_and_darker_light_is_as_it_was() -> None:
    """A white of 203 cd/m² is 58 % of PQ and 75 % of HLG."""
    assert converted(np.full((1, 3), 148, np.uint8), PQ)[0, 0] == 229
    assert converted(np.full((1, 3), 191, np.uint8), HLG)[0, 0] == 229
    nits = pq_eotf(100 / 255)
    assert converted(np.full((1, 3), 100, np.uint8), PQ)[0, 0] == round(
        255 * (1.055 * (nits / 203) ** (1 / 2.4) - 0.055)
    )


@pytest.mark.parametrize("primaries", ["bt2020", "unknown", "smpte432", "bt709"])
def test_primaries_decide_about_colors_and_not_about_white(primaries: str) -> None:
    white, red = converted(np.array([[150, 150, 150], [150, 60, 60]], np.uint8), PQ, primaries).astype(int)
    assert np.ptp(white) == 0
    narrow = converted(np.array([[150, 60, 60]], np.uint8), PQ, "bt709").astype(int)[0]
    assert bool(red[0] - red[1] > narrow[0] - narrow[1]) is (primaries != "bt709")


@pytest.mark.parametrize("transfer", ["bt709", "unknown", "smpte170m", "iec61966-2-1", "linear"])
def test_other_videos_have_no_conversion(transfer: str) -> None:
    assert ToneMap.of(transfer, "bt2020") is None


def test_frames_of_any_size_are_converted_whole() -> None:
    frames = np.random.default_rng(1).integers(0, 256, (3, 217, 191, 3), dtype=np.uint8)
    expected = converted(frames.reshape(-1, 3), HLG).reshape(frames.shape)
    tone = ToneMap.of(HLG, "bt2020")
    assert tone
    tone.convert(frames)
    np.testing.assert_array_equal(frames, expected)
