"""Forty videos of real footage, as unlike each other as those of a bucket: 360p to 1080p, GOPs of 12 to 600 frames."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from local.clip import cache, fetch, made

FPS = 24
SIZES = ((640, 360), (854, 480), (1280, 720), (1920, 1080))
GOPS = (12, 48, 120, 250, 600)


@dataclass(frozen=True)
class Recipe:
    """A video: its size in pixels, the longest distance of two sync samples in frames, how many frames."""

    name: str
    size: tuple[int, int]
    gop: int
    frames: int

    @property
    def path(self) -> Path:
        """Path of the file, which may not exist yet."""
        return cache() / "collection" / self.name

    def make(self) -> Path:
        """Makes it of the real clip, forth and back as long as needed, unless it is there."""
        film = "split[f][b];[b]reverse[r];[f][r]concat,loop=-1:264:0,scale={}:{},format=yuv420p".format(*self.size)
        codec = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "26", "-threads", "1"]
        keys = ["-x264-params", f"keyint={self.gop}:min-keyint={self.gop}:scenecut=0"]
        length = ["-an", "-frames:v", str(self.frames), "-r", str(FPS)]
        return made(self.path, "-i", str(fetch()), "-vf", film, *codec, *keys, *length)


def _recipe(number: int, gop: int, size: tuple[int, int], half: int) -> Recipe:
    frames = max(48 + 37 * ((3 * number) % 7) + 60 * half, gop + 30 if size[1] < 720 else 0)
    return Recipe(f"{number:02d}-{size[1]}p-gop{gop}.mp4", size, gop, frames)


RECIPES = tuple(_recipe(number, *form) for number, form in enumerate(itertools.product(GOPS, SIZES, (0, 1))))


def make_all(progress: Callable[[int, int], object] = lambda *_: None) -> list[Path]:
    """Makes all that are missing; calls `progress` with the number that are there, and of all."""
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for number, _ in enumerate(pool.map(Recipe.make, RECIPES), 1):
            progress(number, len(RECIPES))
    return [recipe.path for recipe in RECIPES]
