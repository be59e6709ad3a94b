"""Clips drawn from a seed, whose cuts are known: moving pictures, noise, blur, fades, flashes and repeats."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

FPS = 25
SIZE = 160, 90
_CANVAS = 300, 130  # a shot pans over it
_NOISE = np.random.default_rng(0).normal(0, 2, (2 * SIZE[1], SIZE[0], 3)).astype(np.float32)


@dataclass(frozen=True)
class Shot:
    """Rows `first` to `stop` of a clip, and what happens to the picture there."""

    first: int
    stop: int
    picture: NDArray[np.float32]  # [H, W, 3] of the canvas, 0 to 255
    pan: tuple[float, float]  # pixels a row
    faded: int  # rows in which it comes out of black, and goes back into it
    blurred: int  # rows at the beginning that are out of focus
    flash: int | None  # a row that is white


class Clip:
    """A clip of some shots. `cuts`: the rows at which a shot begins, without the first, and the rows it takes."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        random = np.random.default_rng(seed)
        self.shots: list[Shot] = []
        row = 0
        for number in range(int(random.integers(5, 12))):
            length = int(random.integers(30, 120))
            faded = int(random.integers(10, 26)) if random.random() < 0.2 else 0
            flash = row + length // 2 if random.random() < 0.15 else None
            again = number > 1 and random.random() < 0.2  # as between the two sides of a talk
            picture = self.shots[-2].picture if again else _picture(random)
            pan = (float(random.uniform(-1.2, 1.2)), float(random.uniform(-0.3, 0.3)))
            blurred = int(random.integers(5, 13)) if random.random() < 0.3 else 0
            self.shots.append(Shot(row, row + length, picture, pan, faded, blurred, flash))
            row += length

    def __len__(self) -> int:
        return self.shots[-1].stop

    @cached_property
    def cuts(self) -> list[tuple[int, int]]:
        """For each cut the first row of the new shot, and the row by which it has come out of black."""
        return [(shot.first, shot.first + shot.faded) for shot in self.shots[1:]]

    def frame(self, row: int) -> NDArray[np.uint8]:
        """The picture of a row, uint8 [90, 160, 3] RGB."""
        [shot] = [shot for shot in self.shots if shot.first <= row < shot.stop]
        if row == shot.flash:
            return np.full((SIZE[1], SIZE[0], 3), 250, np.uint8)
        since = row - shot.first
        left, top = (round(abs(speed) * since) for speed in shot.pan)
        view = shot.picture[:: 1 if shot.pan[1] > 0 else -1, :: 1 if shot.pan[0] > 0 else -1]
        left, top = min(left, _CANVAS[0] - SIZE[0]), min(top, _CANVAS[1] - SIZE[1])
        picture: NDArray[np.float32] = view[top : top + SIZE[1], left : left + SIZE[0]]
        if since < shot.blurred:
            picture = _blurred(picture)
        if shot.faded:
            picture = picture * np.float32(min(1.0, since / shot.faded, (shot.stop - 1 - row) / shot.faded))
        shift = (self._seed + 7 * row) % _NOISE.shape[0]
        shown: NDArray[np.uint8] = np.clip(picture + np.roll(_NOISE, shift, 0)[: SIZE[1]], 0, 255).astype(np.uint8)
        return shown


def _picture(random: np.random.Generator) -> NDArray[np.float32]:
    """A canvas: a coarse ground of a few colors, boxes upon it, fine texture."""
    width, height = _CANVAS
    palette = random.uniform(20, 235, (3, 3))
    ground = palette[random.integers(0, 3, (5, 9))] + random.normal(0, 12, (5, 9, 3))
    y, x = np.linspace(0, 4, height), np.linspace(0, 8, width)
    low_y, low_x = np.minimum(y.astype(int), 3), np.minimum(x.astype(int), 7)
    part_y, part_x = (y - low_y)[:, None, None], (x - low_x)[None, :, None]
    upper = ground[low_y][:, low_x] * (1 - part_x) + ground[low_y][:, low_x + 1] * part_x
    lower = ground[low_y + 1][:, low_x] * (1 - part_x) + ground[low_y + 1][:, low_x + 1] * part_x
    picture = upper * (1 - part_y) + lower * part_y
    for _ in range(12):
        left, top = int(random.integers(0, width - 20)), int(random.integers(0, height - 20))
        wide, high = random.integers(8, 40, 2)
        picture[top : top + high, left : left + wide] = random.uniform(10, 245, 3)
    picture += random.normal(0, 1, (height // 2, width // 2, 1)).repeat(2, 0).repeat(2, 1) * 8
    canvas: NDArray[np.float32] = np.clip(picture, 0, 255).astype(np.float32)
    return canvas


def _blurred(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    for axis in (0, 1):
        picture = np.mean([np.roll(picture, shift, axis) for shift in range(-4, 5)], axis=0, dtype=np.float32)
    return picture
