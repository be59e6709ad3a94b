"""Damages the tests' clips at random and asks hwang for their frames, thousands of times.

Every trial must end in frames or in a hwang.HwangError: within seconds, in bounded memory, without a report of the
sanitizers, and with one answer only for each row. A trial is known by its seed and its number, which alone replay it.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tests.fuzz.supervise import Campaign, Finished
from tests.fuzz.trial import CLIPS, Trial
from tests.support.clips import make_clip

_LINE_EVERY_SECONDS = 15


def main() -> int:
    options = _options()
    with tempfile.TemporaryDirectory() as directory:
        clips = Path(directory)
        for name in CLIPS:
            make_clip(name, clips)
        campaign = Campaign(options.seed, clips)
        numbers = [options.trial] if options.trial is not None else range(options.iterations)
        processes = min(len(numbers), len(os.sched_getaffinity(0)))
        outcomes: Counter[str] = Counter()
        failures: dict[str, list[int]] = {}
        for trial in _with_progress(campaign.run(numbers, processes), len(numbers), failures):
            outcomes[trial.outcome.name] += 1
            if not trial.outcome.failure:
                continue
            same = failures.setdefault(trial.outcome.failure, [])
            same.append(trial.number)
            if len(same) == 1:
                _keep(trial, campaign, options.failures)
    _report(options.seed, outcomes, failures)
    return 1 if failures else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python3 -m tests.fuzz", description=__doc__)
    parser.add_argument("--iterations", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    parser.add_argument("--trial", type=int, help="only this one, as a report named it")
    parser.add_argument("--failures", type=Path, default=Path("/failures"), help="folder for the inputs that failed")
    return parser.parse_args()


def _with_progress(trials: Iterator[Finished], count: int, failures: dict[str, list[int]]) -> Iterator[Finished]:
    """Passes the trials on: a bar on a terminal, a line now and then elsewhere."""
    console = Console()
    columns = (
        TextColumn("fuzz"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[state]}"),
    )
    started = spoken = time.monotonic()
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("fuzz", total=count, state="")
        for done, trial in enumerate(trials, 1):
            yield trial
            state = f"{sum(map(len, failures.values()))} failures"
            progress.update(task, completed=done, state=state)
            now = time.monotonic()
            if not console.is_terminal and (now - spoken > _LINE_EVERY_SECONDS or done == count):
                print(f"fuzz: {done} of {count} trials, {state}, {now - started:.0f} s", flush=True)
                spoken = now


def _keep(trial: Finished, campaign: Campaign, folder: Path) -> None:
    """Says what happened, and leaves the input and the report in `folder`, if there is one."""
    name, data, _ = Trial(campaign.seed, trial.number).video(campaign.clips)
    print(
        f"fuzz: FAILED: {name}, {trial.outcome.failure}\n{trial.outcome.details[-4000:]}", file=sys.stderr, flush=True
    )
    if folder.is_dir():
        kept = folder / f"{campaign.seed}-{trial.number}"
        kept.with_suffix(".video").write_bytes(data)
        kept.with_suffix(".txt").write_text(f"{name}\n{trial.outcome.failure}\n{trial.outcome.details}")


def _report(seed: int, outcomes: Counter[str], failures: dict[str, list[int]]) -> None:
    for name, count in outcomes.most_common():
        print(f"{count:8} {name}")
    for failure, numbers in sorted(failures.items(), key=lambda item: -len(item[1])):
        print(f"{len(numbers):8} x FAILED {failure}\n         again: make fuzz SEED={seed} TRIAL={numbers[0]}")
    if not failures:
        print(f"fuzz: no failure with seed {seed}")


if __name__ == "__main__":
    sys.exit(main())
