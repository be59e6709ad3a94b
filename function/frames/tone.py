"""PQ and HLG frames as a screen without HDR shows them. docs/decisions/way-up.md has the operator and its errors."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from hwang.index import VideoIndex
from hwang.metadata import color_names

Linear = NDArray[np.float64]

PQ: Final = "smpte2084"
HLG: Final = "arib-std-b67"
WHITE_NITS: Final = 203.0  # BT.2408: of a diffuse white in HDR, which becomes the brightest white
PEAK_NITS: Final = 1000.0  # brighter light than that is shown as white, or as the purest color
_PQ_NITS: Final = 10_000.0
_STEPS: Final = 65_535
_BLOCK_PIXELS: Final = 1 << 15  # a block and its intermediate results stay in the cache
BYTES: Final = 20 << 20
"""Memory that a conversion takes beside its frames: its tables, and a block for each of up to 8 cores."""

# BT.2087; the same for the primaries of Display P3.
_TO_BT709: Final = {
    "bt2020": ((1.660491, -0.587641, -0.072850), (-0.124550, 1.132900, -0.008349), (-0.018151, -0.100579, 1.118730)),
    "smpte432": ((1.224940, -0.224940, 0.0), (-0.042057, 1.042057, 0.0), (-0.019638, -0.078636, 1.098274)),
    "bt709": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
}
_LUMA: Final = (0.2627, 0.6780, 0.0593)  # BT.2100

_M1, _M2 = 2610 / 16384, 2523 / 4096 * 128
_C1, _C2, _C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
_A: Final = 0.17883277
_B: Final = 1 - 4 * _A
_C: Final = 0.5 - _A * np.log(4 * _A)
_HLG_GAMMA: Final = 1.2  # BT.2100's, of a display of 1000 cd/m²

_CODECS: Final = frozenset(["hevc", "vp9", "av1"])


def is_known(index: VideoIndex) -> bool:
    """True if the index says whether the video is of HDR: the containers of few others leave that to the pictures."""
    return color_names(index.color).transfer != "unknown" or index.codec not in _CODECS


def may_apply(index: VideoIndex) -> bool:
    """True if the video is of HDR, or may be."""
    return not is_known(index) or color_names(index.color).transfer in (PQ, HLG)


@dataclass(frozen=True)
class ToneMap:
    """Converts frames of one transfer function and one set of primaries, by tables."""

    light: NDArray[np.float32]  # [256]: a channel's value to light, 1.0 at the peak
    system_gain: NDArray[np.float32] | None  # [65536]: HLG's gain of the display by the luminance of the scene
    gain: NDArray[np.float32]  # [65536]: light to white by the largest channel's light
    to_bt709: NDArray[np.float32]  # [3, 3], transposed
    srgb: NDArray[np.uint8]  # [65536]: a channel's value by its light

    @classmethod
    def of(cls, transfer: str, primaries: str) -> Self | None:
        """The conversion for these names of FFmpeg's; None if they are not of HDR. Unknown primaries are BT.2020's."""
        if transfer not in (PQ, HLG):
            return None
        values, fine = np.arange(256) / 255, np.arange(_STEPS + 1) / _STEPS
        peak = _PQ_NITS if transfer == PQ else PEAK_NITS
        light = _pq_to_nits(values) / peak if transfer == PQ else _hlg_to_light(values)
        fine[0] = fine[1]  # no light has no gain
        return cls(
            light.astype(np.float32),
            None if transfer == PQ else (fine ** (_HLG_GAMMA - 1)).astype(np.float32),
            (_compressed(fine * peak) / (fine * WHITE_NITS)).astype(np.float32),
            np.array(_TO_BT709.get(primaries, _TO_BT709["bt2020"]), np.float32).T.copy(),
            np.round(255 * _srgb(fine)).astype(np.uint8),
        )

    def convert(self, frames: NDArray[np.uint8]) -> None:
        """Convert frames [n, H, W, 3] RGB in place: to the primaries of BT.709, with the transfer function of sRGB."""
        pixels = frames.reshape(-1, 3)
        blocks = [pixels[start : start + _BLOCK_PIXELS] for start in range(0, len(pixels), _BLOCK_PIXELS)]
        with ThreadPoolExecutor(8) as pool:
            for _ in pool.map(self._convert, blocks):
                pass

    def _convert(self, pixels: NDArray[np.uint8]) -> None:
        light = self.light[pixels]
        if self.system_gain is not None:
            light *= self.system_gain[_steps(light @ np.array(_LUMA, np.float32))][:, np.newaxis]
        largest = np.maximum(np.maximum(light[:, 0], light[:, 1]), light[:, 2])
        light *= self.gain[_steps(largest)][:, np.newaxis]
        pixels[...] = self.srgb[_steps(light @ self.to_bt709)]


def _steps(light: NDArray[np.float32]) -> NDArray[np.uint16]:
    """The places of `light` in a table; changes it."""
    light *= _STEPS
    light += 0.5
    return np.clip(light, 0, _STEPS, out=light).astype(np.uint16)


def _pq_to_nits(value: Linear) -> Linear:
    root = value ** (1 / _M2)
    nits: Linear = _PQ_NITS * (np.maximum(root - _C1, 0) / (_C2 - _C3 * root)) ** (1 / _M1)
    return nits


def _nits_to_pq(nits: Linear) -> Linear:
    root = (nits / _PQ_NITS) ** _M1
    value: Linear = ((_C1 + _C2 * root) / (1 + _C3 * root)) ** _M2
    return value


def _hlg_to_light(value: Linear) -> Linear:
    return np.where(value <= 0.5, value**2 / 3, (np.exp((value - _C) / _A) + _B) / 12)


def _compressed(nits: Linear) -> Linear:
    """BT.2390's EETF: what PEAK_NITS can show as what WHITE_NITS can; the darker part stays as it is."""
    peak, white = _nits_to_pq(np.array([PEAK_NITS, WHITE_NITS]))
    most = white / peak
    knee = 1.5 * most - 0.5
    value = np.minimum(_nits_to_pq(nits) / peak, 1)
    t = (value - knee) / (1 - knee)
    spline = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (3 * t**2 - 2 * t**3) * most
    return _pq_to_nits(np.where(value < knee, value, spline) * peak)


def _srgb(light: Linear) -> Linear:
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
