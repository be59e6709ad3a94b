"""Does every frame show the number of its row? Of small clips of every container, codec and oddity of the tests."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bench.barcode import Layout
from bench.contestants import Contestant
from bench.process import ContestantError, Process
from bench.video import Video
from bench.workloads import SEED
from tests.support.clips import BITS, SQUARE_PX, Clip, make_clip

MOST_ROWS = 60


@dataclass(frozen=True)
class Verdict:
    clip: str
    contestant: str
    verdict: Literal["right", "wrong", "error"]
    wrong: int = 0  # frames
    error: str = ""


def judge(
    clips: Iterable[Clip], contestants: Iterable[Contestant], directory: Path, tell: Callable[[str], None]
) -> list[Verdict]:
    """One verdict for each clip and contestant. The clips are made in `directory`."""
    videos = {}
    tell("making the small clips")
    for clip in clips:
        layout = Layout(BITS, clip.size[0] / SQUARE_PX, clip.size[1] / SQUARE_PX)
        videos[clip.name] = Video(str(make_clip(clip.name, directory)), layout, clip.numbers)
    verdicts = []
    for contestant in contestants:
        tell(f"exactness: {contestant.title}")
        with Process(contestant) as process:
            for name, video in videos.items():
                verdicts.append(_verdict(name, video, process))
    return verdicts


def _verdict(clip: str, video: Video, process: Process) -> Verdict:
    name, options = process.contestant.name, process.contestant.variants[0]
    rows = random.Random(SEED).sample(range(len(video.numbers)), min(MOST_ROWS, len(video.numbers)))  # noqa: S311
    try:
        opened = process.open(video, options)
        answer = process.run(video, options, rows)
        process.release()
    except ContestantError as error:
        return Verdict(clip, name, "error", error=str(error))
    wrong = video.wrong(rows, answer["numbers"])
    if opened["frames"] != len(video.numbers):
        return Verdict(clip, name, "wrong", wrong, f"{opened['frames']} rows instead of {len(video.numbers)}")
    return Verdict(clip, name, "wrong" if wrong else "right", wrong)
