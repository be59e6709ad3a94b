"""The requests: the same rows for every contender, drawn with one seed."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from bench.contenders.base import Size

SEED = 20261122


@dataclass(frozen=True)
class Workload:
    """`rows` gives the rows asked for of a video of so many frames."""

    name: str
    title: str
    rows: Callable[[int], list[int]]
    size: Size | None = None


def first(count: int) -> Callable[[int], list[int]]:
    return lambda frames: list(range(min(count, frames)))


def drawn(count: int) -> Callable[[int], list[int]]:
    """`count` rows without repetition, in random order."""
    return lambda frames: random.Random(SEED + count).sample(range(frames), min(count, frames))  # noqa: S311


def every(step: int) -> Callable[[int], list[int]]:
    return lambda frames: list(range(0, frames, step))


def spread(count: int) -> Callable[[int], list[int]]:
    """`count` rows, each in the middle of its part of the video."""
    return lambda frames: [(2 * i + 1) * frames // (2 * count) for i in range(count)]


def near_end(frames: int) -> list[int]:
    return [frames - max(1, frames // 25)]


WORKLOADS = (
    Workload("W1", "first 100", first(100)),
    Workload("W2", "100 random", drawn(100)),
    Workload("W3", "10 random", drawn(10)),
    Workload("W4", "1 near the end", near_end),
    Workload("W5", "every 10th", every(10)),
    Workload("W6", "every 250th", every(250)),
    Workload("W7", "100 random, 224x224", drawn(100), (224, 224)),
    Workload("W8", "one a second", every(25)),
)
BY_NAME = {workload.name: workload for workload in WORKLOADS}
EVERYWHERE = ("W1", "W2", "W3", "W4", "W6")
# What is asked of which timing clip; the slow ones of a few only.
OF_CLIP: dict[str, tuple[str, ...]] = {
    "h264-720p": (*EVERYWHERE, "W5", "W7"),
    "hevc-720p": EVERYWHERE,
    "h264-1080p": (*EVERYWHERE, "W7"),
    "h264-10min": ("W8",),
    "vp9-720p": EVERYWHERE,
    "av1-720p": EVERYWHERE,
    "h264-720p-gop30": EVERYWHERE,
    "hevc-720p-10bit": EVERYWHERE,
}
COLD = "W3"  # asked in fresh processes as well
REMOTE = spread(10)
