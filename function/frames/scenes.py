"""Frames that are found by looking at the video: the first good one of each scene, and those that represent it.

docs/decisions/worth.md has the measures, their limits and how often they are right.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from function.clock import Clock
from function.frames.pictures import Frames, SizeMisstatedError
from function.frames.rows import Rows, looks
from function.models.selection import Representative, Searched
from hwang.errors import CorruptFrameError
from hwang.picture import picture_layout

if TYPE_CHECKING:
    from hwang.decoder import Decoder

Values = NDArray[np.float32]

_SIDE_PX: Final = 160
_BATCH_BYTES: Final = 4 << 20
_GRID: Final = 4  # cells across and down
_QUANTILES: Final = (np.arange(8) + 0.5) / 8
_BLANK: Final = 0.05  # contrast of black, of white, and of a plain color
_GOOD: Final = 0.5  # of the best contrast and sharpness around
_AROUND: Final = 5  # looks before and behind one
_OUTSTANDING: Final = 2.0  # a cut differs so much more than what moves around it
_SUDDEN: Final = 0.1
_TINY: Final = 1e-3
_SAME: Final = 0.03  # distance of pictures that show the same


def find(wanted: Searched, decoder: Decoder, clock: Clock) -> Rows:
    """The rows, int64 [n], n ≥ 1, ascending: some of those looked at. Frames that cannot be decoded are passed over.

    Raises SizeMisstatedError, and CorruptFrameError if no frame can be decoded.
    """
    rows, seen = _seen(looks(wanted, decoder.video_index), decoder, clock)
    with clock.phase("look"):
        if isinstance(wanted, Representative):
            return rows[representatives(seen, wanted.representative)]
        return rows[scenes(seen, wanted.scenes.threshold, wanted.scenes.max)]


class Seen:
    """Measures of n small pictures.

    `shades` float32 [n, f], in [0, 1]: of each cell of a grid and each channel, the value at eight quantiles.
    `contrast`, `sharpness` float32 [n]: how far dark and bright lie apart, and how much neighbors differ.
    """

    def __init__(self, batches: list[tuple[Values, Values, Values]]) -> None:
        self.shades, self.contrast, self.sharpness = map(np.concatenate, zip(*batches, strict=True))

    @property
    def is_blank(self) -> NDArray[np.bool_]:
        """True of pictures that show black, white or a plain color, bool [n]."""
        return self.contrast < _BLANK

    def distances(self, one: slice, other: slice) -> Values:
        """Distances of the shades in [0, 1], pair by pair, but for a brightness that all of a picture may gain.

        So a fade is no change. They count at the mean brightness of both.
        """
        first, second = self.shades[one], self.shades[other]
        light, dark = first.sum(axis=1), second.sum(axis=1)
        is_darker = (light < dark)[:, np.newaxis]
        bright, dim = np.where(is_darker, second, first), np.where(is_darker, first, second)
        gain = (bright * dim).sum(axis=1) / np.maximum((bright * bright).sum(axis=1), _TINY)
        residue = np.abs(dim - gain[:, np.newaxis] * bright).mean(axis=1)
        distances: Values = residue * (light + dark) / np.maximum(2 * np.minimum(light, dark), _TINY)
        return distances


def measured(frames: Frames) -> tuple[Values, Values, Values]:
    """Shades, contrast and sharpness of pictures, uint8 [n, H, W, 3]."""
    count, height, width, _ = frames.shape
    down, across = min(_GRID, height), min(_GRID, width)
    cells = frames[:, : height // down * down, : width // across * across]
    cells = cells.reshape(count, down, height // down, across, width // across, 3).transpose(0, 1, 3, 5, 2, 4)
    sorted_cells = np.sort(cells.reshape(count, down * across * 3, -1), axis=-1)
    places = (_QUANTILES * sorted_cells.shape[-1]).astype(int)
    shades = sorted_cells[..., places].reshape(count, -1).astype(np.float32)
    shades /= 255
    luma = (frames @ np.array([0.2126, 0.7152, 0.0722], np.float32)).astype(np.float32) / np.float32(255)
    dark, bright = np.quantile(luma.reshape(count, -1), [0.05, 0.95], axis=1)
    edges = np.abs(np.diff(luma, 2, axis=1)).mean(axis=(1, 2)) if height > 2 else np.zeros(count)
    edges = edges + (np.abs(np.diff(luma, 2, axis=2)).mean(axis=(1, 2)) if width > 2 else 0)
    return shades, (bright - dark).astype(np.float32), np.asarray(edges, np.float32)


def scenes(seen: Seen, threshold: float, most: int | None) -> NDArray[np.intp]:
    """Positions of the first good look of each scene, ascending; of too many, of the longest scenes."""
    bounds = cuts(seen, threshold)
    found: list[tuple[int, int]] = []  # negative length, position
    for start, stop in zip([0, *bounds], [*bounds, len(seen.contrast)], strict=True):
        good = np.flatnonzero(_is_good(seen, slice(start, stop), np.max))
        if len(good):
            found.append((start - stop, start + int(good[0])))
    if not found:
        return np.array([np.argmax(seen.contrast)])
    return np.array(sorted(position for _, position in sorted(found)[:most]), np.intp)


def cuts(seen: Seen, threshold: float) -> list[int]:
    """Positions at which another scene begins, ascending, without the first.

    Looks that differ one after another are one transition, whose end counts. A look that differs from both its
    neighbors, while these are alike, is a flash and no cut. A scene begins where black ends.
    """
    distances = np.append(0, seen.distances(np.s_[1:], np.s_[:-1]))
    around = np.lib.stride_tricks.sliding_window_view(np.pad(distances, _AROUND, mode="edge"), 2 * _AROUND + 1)
    is_change = distances >= np.maximum(threshold, _OUTSTANDING * np.median(around, axis=1))
    is_change[1:] |= np.diff(seen.is_blank)
    sudden, apart = (np.abs(seen.shades[n:] - seen.shades[:-n]).mean(axis=1) >= _SUDDEN for n in (1, 2))
    is_flash = sudden[:-1] & sudden[1:] & ~apart & (seen.distances(np.s_[2:], np.s_[:-2]) < threshold)
    for position in (np.flatnonzero(is_flash) + 1).tolist():
        is_change[position : position + 2] = False
    is_change &= ~seen.is_blank & np.maximum.accumulate(np.append(False, ~seen.is_blank[:-1]))  # not the first picture
    return np.flatnonzero(is_change & ~np.append(is_change[1:], False)).tolist()


def representatives(seen: Seen, most: int) -> NDArray[np.intp]:
    """Positions of looks that all others resemble as much as possible, ascending, none blank, blurred or twice.

    Each in turn is the one that brings all looks nearest to those chosen.
    """
    positions = np.flatnonzero(_is_good(seen, np.s_[:], np.median))
    if not len(positions):
        return np.array([np.argmax(seen.contrast)])
    shown = seen.shades[~seen.is_blank]
    distances = np.stack([np.abs(shown - seen.shades[position]).mean(axis=1) for position in positions])
    among = np.stack([np.abs(seen.shades[positions] - seen.shades[one]).mean(axis=1) for one in positions])
    nearest, is_new = np.ones(len(shown)), np.ones(len(positions), np.bool_)
    chosen: list[int] = []
    while is_new.any() and len(chosen) < most:
        gains = np.maximum(nearest - distances, 0).sum(axis=1)
        best = int(np.argmax(np.where(is_new, gains, -1)))
        chosen.append(int(positions[best]))
        nearest = np.minimum(nearest, distances[best])
        is_new &= among[best] >= _SAME
        is_new[best] = False
    return np.sort(np.array(chosen, np.intp))


def _is_good(seen: Seen, part: slice, typical: Callable[[Values], np.floating]) -> NDArray[np.bool_]:
    """True of looks in `part` that are neither blank nor much duller or softer than what is `typical` of these."""
    contrast, sharpness, is_shown = seen.contrast[part], seen.sharpness[part], ~seen.is_blank[part]
    if not is_shown.any():
        return is_shown
    least_contrast, least_sharpness = _GOOD * typical(contrast[is_shown]), _GOOD * typical(sharpness[is_shown])
    return is_shown & (contrast >= least_contrast) & (sharpness >= least_sharpness)


def _seen(rows: Rows, decoder: Decoder, clock: Clock) -> tuple[Rows, Seen]:
    """The rows that could be decoded, and what was seen of them."""
    index = decoder.video_index
    size = index.width, index.height
    layout = picture_layout(size, None, None, _SIDE_PX, "rgb24")
    looked_at: list[Rows] = []
    found = []
    while len(rows):
        done = 0
        try:
            batches = decoder.batches(
                rows, _BATCH_BYTES, pixel_format="rgb24", width=layout.width, height=layout.height
            )
            for part, frames in clock.items("look", batches):
                index = decoder.video_index
                if (index.width, index.height) != size:
                    raise SizeMisstatedError
                with clock.phase("look"):
                    found.append(measured(frames))
                looked_at.append(rows[part])
                done = part.stop
            break
        except CorruptFrameError as error:
            rest = rows[done:]
            rows = rest[~np.isin(rest, error.rows)]
            if len(rows) == len(rest) or not (len(rows) or found):
                raise
    return np.concatenate(looked_at), Seen(found)
