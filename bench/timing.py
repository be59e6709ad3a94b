"""The races: every contestant in turn, over and over, on videos that are open (warm) and in fresh processes (cold)."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping

from bench import stats, workloads
from bench.contestants import Contestant, Options
from bench.process import ContestantError, Process
from bench.record import Record
from bench.settings import Settings
from bench.video import Video
from bench.workloads import Workload

SHORT_SECONDS = 2
HOPELESS = 4  # times slower than the fastest: once is enough

Field = Mapping[str, Process]  # by the contestant's name


def warm(
    clip: str,
    video: Video,
    workload: Workload,
    field: Field,
    settings: Settings,
    known: Mapping[str, Options],
) -> Iterator[Record]:
    """Rounds of one cell. The first tries every variant, the others go on with each contestant's fastest.

    known: the fastest of some contestants, where they are known already.
    """
    rows = workload.rows(len(video.numbers))
    variants = {
        name: [known[name]] if name in known else list(process.contestant.variants) for name, process in field.items()
    }
    begun = time.monotonic()
    for number in range(settings.most_rounds):
        fastest: dict[str, tuple[float, Options]] = {}
        for name in stats.rotated(list(field), number):
            for options in variants[name]:
                record = _measured(clip, video, workload, field[name], options, rows)
                yield record
                if record.error:
                    break
                fastest[name] = min(fastest.get(name, (record.wall, options)), (record.wall, options), key=_wall)
        leader = min((wall for wall, _ in fastest.values()), default=0.0)
        variants = {
            name: [fastest[name][1]] if name in fastest and fastest[name][0] < HOPELESS * leader else []
            for name in field
        }
        next_round = sum(wall for name, (wall, _) in fastest.items() if variants[name])
        budget = settings.budget_seconds if number + 1 < settings.rounds else settings.steady_seconds
        if time.monotonic() - begun + next_round > budget:
            return


def _wall(timed: tuple[float, Options]) -> float:
    return timed[0]


def open_all(video: Video, asked: list[Workload], field: Field) -> None:
    """Opens the video in every process, for every variant and size asked for, and decodes a little.

    What fails here fails again when it is measured, and is recorded then.
    """
    for process in field.values():
        for options in process.contestant.variants:
            for size in {workload.size for workload in asked}:
                try:
                    process.open(video, options, size)
                    process.run(video, options, list(range(10)), size)
                except ContestantError:
                    continue


def _measured(
    clip: str, video: Video, workload: Workload, process: Process, options: Options, rows: list[int]
) -> Record:
    """A short request is measured right behind another one like it, as a machine that has idled is slow at first."""
    record = _warm_run(clip, video, workload, process, options, rows)
    if record.error or record.wall > SHORT_SECONDS:
        return record
    return _warm_run(clip, video, workload, process, options, rows)


def _warm_run(
    clip: str, video: Video, workload: Workload, process: Process, options: Options, rows: list[int]
) -> Record:
    contestant = process.contestant
    try:
        answer = process.run(video, options, rows, workload.size)
    except ContestantError as error:
        return Record(clip, workload.name, contestant.name, "warm", json.dumps(options), error=str(error))
    return Record(
        clip,
        workload.name,
        contestant.name,
        "warm",
        json.dumps(options),
        answer["wall"],
        answer["cpu"],
        peak_bytes=answer["peak_bytes"],
        output_bytes=answer["output_bytes"],
        read_bytes=answer.get("read_bytes", 0),
        wrong=video.wrong(rows, answer["numbers"]),
    )


def cold(
    clip: str, video: Video, contestants: list[Contestant], best: Mapping[str, Options], settings: Settings
) -> Iterator[Record]:
    """Open, index and one request in a fresh process; its start and imports are not counted."""
    workload = workloads.BY_NAME[workloads.COLD]
    for number in range(settings.cold_rounds):
        for contestant in stats.rotated(contestants, number):
            yield cold_run(clip, video, workload, contestant, best.get(contestant.name, contestant.variants[0]))


def cold_run(clip: str, video: Video, workload: Workload, contestant: Contestant, options: Options) -> Record:
    rows = workload.rows(len(video.numbers))
    try:
        with Process(contestant) as process:
            opened = process.open(video, options, workload.size)
            answer = process.run(video, options, rows, workload.size)
    except ContestantError as error:
        return Record(clip, workload.name, contestant.name, "cold", error=str(error))
    return Record(
        clip,
        workload.name,
        contestant.name,
        "cold",
        json.dumps(options),
        opened["wall"] + answer["wall"],
        opened["cpu"] + answer["cpu"],
        opened["wall"],
        answer["peak_bytes"],
        answer["output_bytes"],
        opened.get("read_bytes", 0) + answer.get("read_bytes", 0),
        video.wrong(rows, answer["numbers"]),
    )
