"""Damaged headers and damaged indexes, at a high rate: whatever they say, the answer is an index or a typed error."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
import pytest

from hwang.errors import HwangError
from hwang.index import VideoIndex
from hwang.isobmff.file import read_index
from hwang.plan import make_plan, slice_into_video_intervals
from hwang.sources import open_source
from tests.fuzz.mutate import mutate
from tests.support.boxes import Movie, fragment, fragmented

SECONDS = 2  # of each test
SEED = 1  # another one is another test; a failure names the trial

BUILT = [
    Movie(composition=[(2, 0), (2, 40)], edits=[(-1, 40), (0, 160)], depended_on=(1, 2, 1, 2)).build(),
    Movie(sizes=range(1, 40), sync=(1, 9, 30), edits=[(40, 400), (0, 800)], wide=True).build(header_first=False),
    fragmented(fragment([10, 20], time=0, composition=40), fragment([5, 6, 7], time=80)),
]


def plan_some(index: VideoIndex, random: Random) -> None:
    """Plan what a caller might ask of an index that was accepted."""
    if not len(index):
        return
    rows = [random.randrange(len(index)) for _ in range(4)]
    plan = make_plan(index, rows)
    assert np.isin(plan.sample_of_position, np.concatenate([run.samples for run in plan.runs])).all()
    assert {row for _, shown in slice_into_video_intervals(index, rows) for row in shown} == set(rows)


def torture(sound: list[bytes], use: Callable[[bytes, Random], object]) -> None:
    """Trials until the time is over; each ends soon, and in no other exception than ours."""
    until, accepted, refused = time.monotonic() + SECONDS, 0, 0
    for trial in itertools.count():
        started = time.monotonic()
        if started > until and accepted and refused:
            return
        random = Random(f"{SEED} {trial}")  # noqa: S311 - damage is no secret
        try:
            use(mutate(random.choice(sound), random), random)
            accepted += 1
        except HwangError:
            refused += 1
        except Exception as error:
            raise AssertionError(f"seed {SEED}, trial {trial}") from error
        assert time.monotonic() - started < SECONDS, f"seed {SEED}, trial {trial} takes long"


def read_and_plan(data: bytes, random: Random) -> None:
    index = read_index(open_source(data))
    if index is not None:
        plan_some(index, random)
        VideoIndex.deserialize(index.serialize())


@pytest.mark.parametrize("damaged", ["built", "encoded"])
def test_damaged_videos_are_indexed_or_refused(damaged: str, clip: Callable[[str], Path]) -> None:
    names = ("h264-trimmed", "h264-fragmented", "vp9-mp4", "png-mov")
    sound = BUILT if damaged == "built" else [clip(name).read_bytes() for name in names]
    torture(sound, read_and_plan)


def test_damaged_indexes_are_read_or_refused() -> None:
    indexes = [read_index(open_source(data)) for data in BUILT]
    sound = [index.serialize() for index in indexes if index is not None]
    torture(sound, lambda data, random: plan_some(VideoIndex.deserialize(data), random))
