"""Forty videos of real footage, as unlike each other as those of a bucket: 360p to 1080p, GOPs of 12 to 600 frames."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from local.clip import cache, fetch
from tests.support.clips import encoder

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
        return cache() / "collection" / self.name

    def make(self) -> Path:
        """The real clip forth and back as long as needed. What is there stays."""
        if self.path.exists():
            return self.path
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_suffix(".partial.mp4")
        width, height = self.size
        film = (
            f"split[forth][b];[b]reverse[back];[forth][back]concat,loop=-1:264:0,scale={width}:{height},format=yuv420p"
        )
        codec = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "26", "-threads", "1"]
        keys = ["-x264-params", f"keyint={self.gop}:min-keyint={self.gop}:scenecut=0"]
        source, target = ["-i", str(fetch())], ["-an", "-frames:v", str(self.frames), "-r", str(FPS), str(partial)]
        command = [encoder(), "-nostdin", "-loglevel", "error", "-y", *source, "-vf", film, *codec, *keys, *target]
        subprocess.run(command, check=True)
        partial.rename(self.path)
        return self.path


def _recipes() -> Iterator[Recipe]:
    number = 0
    for gop in GOPS:
        for width, height in SIZES:
            for half in (0, 1):
                frames = max(48 + 37 * ((3 * number) % 7) + 60 * half, gop + 30 if height < 720 else 0)
                yield Recipe(f"{number:02d}-{height}p-gop{gop}.mp4", (width, height), gop, frames)
                number += 1


RECIPES = tuple(_recipes())


def make_all(told: Callable[[int], object] = lambda _: None) -> list[Path]:
    """All of them; `told` hears how many are there."""
    paths = []
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for path in pool.map(Recipe.make, RECIPES):
            paths.append(path)
            told(len(paths))
    return paths
