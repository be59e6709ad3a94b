"""The requests, the same rows for every contender, drawn with one seed; and how much of them a run measures."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bench.contenders import Size

SEED = 20261122


@dataclass(frozen=True)
class Workload:
    """A request: `rows` returns the rows asked for of a video of so many frames."""

    name: str
    title: str
    rows: Callable[[int], list[int]]
    size: Size | None = None


def first(count: int) -> Callable[[int], list[int]]:
    """The first `count` rows."""
    return lambda frames: list(range(min(count, frames)))


def drawn(count: int) -> Callable[[int], list[int]]:
    """`count` rows without repetition, in random order."""
    return lambda frames: random.Random(SEED + count).sample(range(frames), min(count, frames))  # noqa: S311


def every(step: int) -> Callable[[int], list[int]]:
    """Every `step`-th row, from the first on."""
    return lambda frames: list(range(0, frames, step))


def spread(count: int) -> Callable[[int], list[int]]:
    """`count` rows, each in the middle of its part of the video."""
    return lambda frames: [(2 * i + 1) * frames // (2 * count) for i in range(count)]


def near_end(frames: int) -> list[int]:
    """One row, at 96 % of the video."""
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
COLD = BY_NAME["W3"]  # asked in fresh processes as well
REMOTE = Workload("remote", "10 spread", spread(10))
EXACT = Workload("exact", "60 random", drawn(60))
EVERYWHERE = ("W1", "W2", "W3", "W4", "W6")
# The requests of each timing clip; the slow ones of a few only.
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
QUICK_CLIPS = ("h264-720p", "hevc-720p")
QUICK_WORKLOADS = ("W1", "W3", "W4", "W6")


@dataclass(frozen=True)
class Settings:
    """The amount of measuring, from the environment of `make bench`."""

    clips: tuple[str, ...]
    workloads: tuple[str, ...]
    rounds: int  # that a cell (clip x workload) is measured, unless they take too long
    most_rounds: int  # of a cell whose rounds are short
    cold_rounds: int
    steady_seconds: float  # a cell gets more rounds until this
    budget_seconds: float  # no further round is begun if it would end past this
    small_clips: int | None  # of the exactness table; None: all

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Settings:
        """Reads QUICK=1, CLIPS="a b", WORKLOADS="W2 W3", REPEAT=5. Raises ValueError for unknown names."""
        quick = environment.get("QUICK", "") not in ("", "0")
        clips, asked = (tuple(environment.get(name, "").replace(",", " ").split()) for name in ("CLIPS", "WORKLOADS"))
        for names, known in ((clips, OF_CLIP), (asked, BY_NAME)):
            for name in set(names) - set(known):
                raise ValueError(f"{name!r} is none of {', '.join(known)}")
        rounds = int(environment.get("REPEAT") or (2 if quick else 3))
        return cls(
            clips=clips or (QUICK_CLIPS if quick else tuple(OF_CLIP)),
            workloads=asked or (QUICK_WORKLOADS if quick else tuple(BY_NAME)),
            rounds=rounds,
            most_rounds=rounds if quick or environment.get("REPEAT") else 3 * rounds,
            cold_rounds=1 if quick else 2,
            steady_seconds=15,
            budget_seconds=20 if quick else 120,
            small_clips=8 if quick else None,
        )

    def cells(self) -> list[tuple[str, list[Workload]]]:
        """The clips and what is asked of each, in the order of measuring."""
        chosen = [(clip, [BY_NAME[name] for name in OF_CLIP[clip] if name in self.workloads]) for clip in self.clips]
        return [(clip, asked) for clip, asked in chosen if asked]
