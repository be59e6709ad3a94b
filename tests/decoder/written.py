"""Pictures to write, and MP4 files made of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import hwang


def part(pictures: hwang.Planes, which: slice) -> hwang.Planes:
    return hwang.Planes(*(plane[which] for plane in pictures))


def noise(count: int, width: int, height: int) -> hwang.Planes:
    """Pictures that take many bytes."""
    shapes = (count, height, width), (count, height // 2, width // 2), (count, height // 2, width // 2)
    random = np.random.default_rng(1)
    return hwang.Planes(*(random.integers(0, 256, shape, np.uint8) for shape in shapes))


def write_mp4(path: Path, pictures: hwang.Planes, **options: Any) -> Path:
    count, height, width = pictures.y.shape
    with path.open("w+b") as file, hwang.Mp4Writer(file, width, height, **{"frames": count, **options}) as writer:
        writer.write(pictures)
    return path
