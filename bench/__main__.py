"""Runs the benchmark in its image and leaves the results in $RESULTS: results.json, bench.md, bench.png.

bench/run.sh starts it with the timing clips in $CLIPS_DIRECTORY.
"""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from bench import clips, stats, timing, workloads
from bench.accuracy import judge
from bench.barcode import TIMING
from bench.contestants import CORES, EVERYONE, LIMIT
from bench.footprint import weigh
from bench.plot import draw
from bench.process import ContestantError, Process
from bench.progress import Progress
from bench.record import Record
from bench.remote import fetch_all, floor_bytes
from bench.report import markdown, tables
from bench.results import Machine, Results
from bench.settings import Settings
from bench.video import Video
from local.clip import ROOT
from tests.support.clips import CLIPS

LARGE = "h264-large"
LOG_COLUMNS = 180
DENSE = "W5"  # tells the fastest variants for a loop of the same clip, which is too long to try them all


def main() -> None:
    settings = Settings.of(os.environ)
    folder = Path(os.environ.get("RESULTS", ROOT / "bench/results"))
    console = Console()
    if not console.is_terminal:
        console = Console(width=LOG_COLUMNS)
    results = Results(Machine(_processor(), CORES, platform.release(), time.strftime("%Y-%m-%d")))
    with Progress(console) as progress:
        for _ in measure(results, settings, progress):
            write(results, folder)
    for table in tables(results):
        console.print(table.rich())


def write(results: Results, folder: Path) -> None:
    """What is there so far: a run that is ended early leaves what it has measured."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(dataclasses.asdict(results), indent=1) + "\n")
    (folder / "bench.md").write_text(markdown(results))
    if results.records:
        draw(results, folder / "bench.png")


def measure(results: Results, settings: Settings, progress: Progress) -> Iterator[None]:
    """Fills `results`, step by step."""
    contestants = [contestant for contestant in EVERYONE if contestant is not LIMIT]
    for contestant in progress.track("weigh", contestants, lambda contestant: contestant.title):
        results.footprints.append(weigh(contestant))
    large = _video(LARGE)
    results.remote_floor_bytes = floor_bytes(large)
    results.remote_rows = workloads.REMOTE(len(large.numbers))
    results.remote += fetch_all(large, contestants, progress.tell)
    with tempfile.TemporaryDirectory() as scratch:
        small = CLIPS[: settings.small_clips]
        results.verdicts += judge(small, contestants, Path(scratch), progress.tell)
    yield
    yield from race(results, settings, progress)


def race(results: Results, settings: Settings, progress: Progress) -> Iterator[None]:
    """All cells, warm, and one workload of each clip cold."""
    with ExitStack() as stack:
        field = {}
        for contestant in EVERYONE:
            process = stack.enter_context(Process(contestant))
            try:
                field[contestant.name] = process.start()
            except ContestantError as error:
                results.absent[contestant.name] = str(error)
        for clip, asked in progress.track("race", settings.cells(), lambda cell: clips.BY_NAME[cell[0]].title):
            video = _video(clip)
            timing.open_all(video, asked, field)
            for workload in asked:
                progress.tell(f"{clips.BY_NAME[clip].title}: {workload.title}")
                known = _fastest(results.records, clips.BY_NAME[clip].loop_of or settings.clips[0], workload.name)
                known = known or _fastest(results.records, clips.BY_NAME[clip].loop_of, DENSE)
                results.records += timing.warm(clip, video, workload, field, settings, known)
            for process in field.values():
                process.stop()  # the next clip finds the machine's memory free
            if workloads.COLD in {workload.name for workload in asked}:
                progress.tell(f"{clips.BY_NAME[clip].title}: cold")
                there = [process.contestant for process in field.values()]
                results.records += timing.cold(
                    clip, video, there, _fastest(results.records, clip, workloads.COLD), settings
                )
            yield


def _fastest(records: list[Record], clip: str, workload: str) -> dict[str, dict[str, object]]:
    """The variants that did best in a warm cell; none if it was not measured."""
    cell = stats.medians(records).get((clip, workload), {})
    return {name: json.loads(median.variant) for name, median in cell.items()}


def _video(name: str) -> Video:
    clip = clips.BY_NAME[name]
    return Video(str(clip.path), TIMING, [row % clip.period for row in range(clip.frames)])


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())


if __name__ == "__main__":
    try:
        main()
    except (ValueError, FileNotFoundError) as error:
        sys.exit(f"bench: {error}")
    except KeyboardInterrupt:
        sys.exit("bench: interrupted")
