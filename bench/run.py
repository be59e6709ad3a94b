"""Measures all contenders in the same way: footprints, exactness, bytes over HTTP, and the race."""

from __future__ import annotations

import json
import stat
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from bench import clips
from bench.contenders import EVERYONE, LIMIT, Contender, Options
from bench.process import ContenderError, Process
from bench.remote import index_bytes, range_server
from bench.results import Footprint, Kind, Record, Results, medians
from bench.video import TIMING, Layout, Video
from bench.workloads import COLD, EXACT, REMOTE, Settings, Workload
from tests.support.clips import BITS, SQUARE_PX, make_clip
from tests.support.clips import CLIPS as SMALL_CLIPS

IMPORTS = 3
SHORT_SECONDS = 2
FIGURES = ("wall", "cpu", "peak_bytes", "output_bytes", "read_bytes", "wrong", "error")  # of an answer
HOPELESS = 4  # times slower than the fastest: once is enough
OTHERS = tuple(contender for contender in EVERYONE if contender is not LIMIT)
T = TypeVar("T")


def measure(results: Results, settings: Settings, log: Callable[[str], None]) -> Iterator[None]:
    """Fills `results`, step by step."""
    for contender in OTHERS:
        log(f"weigh: {contender.title}")
        results.footprints.append(weigh(contender))
    results.remote_floor_bytes = floor_bytes()
    for contender in OTHERS:
        log(f"remote: {contender.title}")
        results.records.append(fetch(contender))
    results.records += judge(settings.small_clips, log)
    yield
    yield from race(results, settings, log)


def weigh(contender: Contender) -> Footprint:
    """Installed bytes, and the median seconds of a few imports."""
    greetings = []
    try:
        for _ in range(IMPORTS):
            with Process(contender) as process:
                greetings.append(process.start().greeting)
    except ContenderError as error:
        return Footprint(contender.name, error=str(error))
    files = [file.lstat() for path in contender.packages for file in path.rglob("*")]
    size = sum(file.st_size for file in files if stat.S_ISREG(file.st_mode))
    seconds = statistics.median(greeting["import_seconds"] for greeting in greetings)
    return Footprint(contender.name, greetings[0]["version"], size, seconds)


def fetch(contender: Contender) -> Record:
    """A few frames of the large clip behind HTTP, in a fresh process: bytes and requests as the server counts them."""
    video = timing_video(clips.LARGE)
    with range_server(Path(video.path)) as served, Process(contender) as process:
        there = replace(video, path=served.url)
        record = opened_and_run("remote", clips.LARGE, there, REMOTE, process, contender.variants[0])
    return replace(record, read_bytes=served.sent_bytes, requests=served.requests)


def floor_bytes() -> int:
    """The index of the large clip, all but its media, and what the limit reads: groups up to the last row wanted."""
    video, options = timing_video(clips.LARGE), LIMIT.variants[0]
    with Process(LIMIT) as process:
        process.open(video, options, REMOTE)
        return index_bytes(Path(video.path)) + int(process.run(video, options, REMOTE)["read_bytes"])


def judge(count: int | None, log: Callable[[str], None]) -> Iterator[Record]:
    """The small clips of the tests, of every container, codec and oddity: does every frame show its row's number?"""
    with tempfile.TemporaryDirectory() as scratch:
        log("exact: making the small clips")
        videos = {}
        for clip in SMALL_CLIPS[:count]:
            layout = Layout(BITS, clip.size[0] / SQUARE_PX, clip.size[1] / SQUARE_PX)
            videos[clip.name] = Video(str(make_clip(clip.name, Path(scratch))), layout, clip.numbers)
        for contender in OTHERS:
            log(f"exact: {contender.title}")
            with Process(contender) as process:
                for name, video in videos.items():
                    yield opened_and_run("exact", name, video, EXACT, process, contender.variants[0])


def race(results: Results, settings: Settings, log: Callable[[str], None]) -> Iterator[None]:
    """All cells warm, and one workload of each clip cold."""
    with ExitStack() as stack:
        field = []
        for contender in EVERYONE:
            try:
                field.append(stack.enter_context(Process(contender)).start())
            except ContenderError as error:
                results.absent[contender.name] = str(error)
        for clip, asked in settings.cells():
            video, title = timing_video(clip), clips.BY_NAME[clip].title
            open_all(video, asked, field)
            for workload in asked:
                log(f"{title}: {workload.title}")
                results.records += warm(clip, video, workload, field, settings)
            for process in field:
                process.stop()  # the next clip finds the machine's memory free
            if COLD in asked:
                log(f"{title}: cold")
                known = fastest(results, clip)
                for number in range(settings.cold_rounds):
                    for process in rotated(field, number):
                        options = known.get(process.contender.name, process.contender.variants[0])
                        results.records.append(opened_and_run("cold", clip, video, COLD, process, options))
                        process.stop()
            yield


def fastest(results: Results, clip: str) -> dict[str, Options]:
    """Each contender's variant that did best when the workload of cold runs was measured warm."""
    cell = medians(results.of("warm")).get((clip, COLD.name), {})
    return {name: json.loads(median.variant) for name, median in cell.items()}


def timing_video(name: str) -> Video:
    """A timing clip with the numbers of its rows."""
    clip = clips.BY_NAME[name]
    return Video(str(clip.path), TIMING, [row % clip.period for row in range(clip.frames)])


def open_all(video: Video, asked: list[Workload], field: list[Process]) -> None:
    """Opens the video in every process, for every variant and size asked for, and decodes a little.

    What fails here fails again when it is measured, and is recorded then.
    """
    for process in field:
        for options in process.contender.variants:
            for size in {workload.size for workload in asked}:
                with suppress(ContenderError):
                    little = Workload("", "", lambda _: list(range(10)), size)
                    process.open(video, options, little)
                    process.run(video, options, little)


def warm(clip: str, video: Video, workload: Workload, field: list[Process], settings: Settings) -> Iterator[Record]:
    """Rounds of one cell. The first tries every variant, the others go on with each contender's fastest."""
    variants = {process: list(process.contender.variants) for process in field}
    begun = time.monotonic()
    for number in range(settings.most_rounds):
        found: dict[Process, Record] = {}
        for process in rotated(field, number):
            for options in variants[process]:
                record = warm_run(clip, video, workload, process, options)
                if not record.error and record.wall < SHORT_SECONDS:  # a machine that has idled is slow at first
                    record = warm_run(clip, video, workload, process, options)
                yield record
                if record.error:
                    break
                if process not in found or record.wall < found[process].wall:
                    found[process] = record
        leader = min((record.wall for record in found.values()), default=0.0)
        going_on = {process: record for process, record in found.items() if record.wall < HOPELESS * leader}
        variants = {
            process: [json.loads(going_on[process].variant)] if process in going_on else [] for process in field
        }
        next_round = sum(record.wall for record in going_on.values())
        budget = settings.budget_seconds if number + 1 < settings.rounds else settings.steady_seconds
        if time.monotonic() - begun + next_round > budget:
            return


def warm_run(clip: str, video: Video, workload: Workload, process: Process, options: Options) -> Record:
    """One request of a video that is open."""
    try:
        answer = process.run(video, options, workload)
    except ContenderError as error:
        answer = {"error": str(error)}
    found = {name: answer[name] for name in FIGURES if name in answer}
    return Record("warm", clip, workload.name, process.contender.name, json.dumps(options), **found)


def opened_and_run(
    kind: Kind, clip: str, video: Video, workload: Workload, process: Process, options: Options
) -> Record:
    """Open, index and one request; the process's start and imports are not counted. Missing rows are wrong frames."""
    try:
        opened = process.start().open(video, options, workload)
    except ContenderError as error:
        return Record(kind, clip, workload.name, process.contender.name, json.dumps(options), error=str(error))
    record = replace(warm_run(clip, video, workload, process, options), kind=kind, open_wall=opened["wall"])
    if record.error:
        return record
    both = {name: opened[name] + getattr(record, name) for name in ("wall", "cpu", "read_bytes")}
    return replace(record, **both, wrong=record.wrong + abs(opened["frames"] - len(video.numbers)))


def rotated(items: Sequence[T], by: int) -> list[T]:
    """The items, beginning with another one each time."""
    start = by % len(items) if items else 0
    return [*items[start:], *items[:start]]
