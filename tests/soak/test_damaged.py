"""Thousands of damaged videos through one container: exact frames or an error that says what is wrong, and soon."""

from __future__ import annotations

import time
from collections import Counter
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.cloud.asked import OF_VIDEOS, OK, check_report, frames_in
from tests.cloud.function import Answer, Function
from tests.cloud.postconditions import Postconditions
from tests.cloud.stack import VIDEOS
from tests.fuzz.mutate import mutate
from tests.fuzz.trial import CLIPS
from tests.soak.conftest import Report, times
from tests.support.clips import BY_NAME, linear_decode, make_clip

SEED = 20
GOOD_EVERY = 20
SLOWEST_SECONDS = 10
STRANGER = "ok, as nobody else"  # damage that the decoder took for a picture: docs/decisions/damage.md
MOST_STRANGERS = 0.005
SELECTIONS: tuple[object, ...] = (
    [0],
    [17, 3],
    [39],
    {"count": 5},
    "0:12",
    {"keyframes": True},
    "all",
    {"timestamps": [0.5]},
)


@cache
def sound_frames(name: str, folder: Path) -> frozenset[bytes]:
    return frozenset(frame.tobytes() for frame in linear_decode(make_clip(name, folder), BY_NAME[name].size))


def shown_by_the_tool(data: bytes, size: tuple[int, ...], path: Path) -> frozenset[bytes]:
    """What the ffmpeg tool makes of the damaged video; nothing if it refuses."""
    path.write_bytes(data)
    try:
        return frozenset(frame.tobytes() for frame in linear_decode(path, (size[1], size[0])))
    except (AssertionError, ValueError):  # also of another size than it said
        return frozenset()


def strangers(frames: NDArray[Any], known: frozenset[bytes]) -> bool:
    return any(np.ascontiguousarray(frame).tobytes() not in known for frame in frames)


def check(answer: Answer, name: str, data: bytes, folder: Path, scratch: Path) -> str:
    """Its code. Raises AssertionError for anything but exact frames and errors of videos."""
    assert answer.seconds < SLOWEST_SECONDS
    if answer.code != OK:
        check_report(answer, OF_VIDEOS)
        return answer.code
    frames = frames_in(answer)
    if strangers(frames, sound_frames(name, folder)):
        shown = shown_by_the_tool(data, frames.shape[1:3], scratch / f"damaged.{BY_NAME[name].suffix}")
        return STRANGER if strangers(frames, shown | sound_frames(name, folder)) else "ok, as the tool"
    return OK


@pytest.mark.limits(timeout_seconds=15)
def test_damaged_videos_give_exact_frames_or_an_error(
    function: Function, after: Postconditions, report: Report, tmp_path: Path
) -> None:
    s3, folder, count = function.stack.s3, function.stack.scratch, times(2000)
    outcomes: Counter[str] = Counter()
    failures: list[str] = []
    slowest, began, answer = 0.0, time.monotonic(), None
    for number in range(count):
        random = Random(f"{SEED} {number}")  # noqa: S311 - damage is no secret
        name = random.choice(CLIPS)
        data = mutate(make_clip(name, folder).read_bytes(), random)
        s3.put_object(Bucket=VIDEOS, Key="damaged", Body=data)
        event = {"video": f"s3://{VIDEOS}/damaged", "frames": random.choice(SELECTIONS), "format": "inline"}
        answer = function.invoke(event)
        slowest = max(slowest, answer.seconds)
        try:
            outcomes[check(answer, name, data, folder, tmp_path)] += 1
        except AssertionError as error:
            failures.append(f"variant {number} of seed {SEED}, {name}, {event['frames']}: {str(error)[:300]}")
        if number % GOOD_EVERY == GOOD_EVERY - 1:
            function.check_good()
    s3.delete_object(Bucket=VIDEOS, Key="damaged")
    seconds = time.monotonic() - began
    report(
        variants=count,
        outcomes=dict(outcomes.most_common()),
        failures=len(failures),
        slowest_seconds=round(slowest, 2),
        seconds=round(seconds),
    )
    assert failures == []
    assert outcomes[STRANGER] <= MOST_STRANGERS * count
    assert answer
    after.hold(answer)
