"""Worker processes under sanitizers, and what became of their trials, even of those that ended their process."""

from __future__ import annotations

import json
import os
import queue
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tests.fuzz.trial import Outcome

__all__ = ["Campaign", "Finished"]

SANITIZERS = Path("/opt/sanitizers")
_SECONDS = 20  # longest trial; a sound clip takes a fraction of one
_TRIALS_PER_PROCESS = 500  # freed memory stays with the sanitizer for a while
_ASAN = {
    "allocator_may_return_null": 1,  # as malloc does: a MemoryError is the trial's outcome, not its end
    "max_allocation_size_mb": 1024,
    "hard_rss_limit_mb": 3072,
    "quarantine_size_mb": 64,
    "detect_leaks": 0,  # the interpreter's own
}
_REPORT = re.compile(
    r"SUMMARY: (?P<asan>.*)|(?P<ubsan>\S+: runtime error: .*)|(?P<other>hard rss limit.*|Timeout \(.*)"
)


@dataclass(frozen=True, slots=True)
class Finished:
    """A trial's number and outcome."""

    number: int
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Campaign:
    """Where the trials of one seed find their clips."""

    seed: int
    clips: Path

    def run(self, numbers: Iterable[int], processes: int) -> Iterator[Finished]:
        """Each trial's outcome, as they come."""
        waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
        finished: queue.SimpleQueue[Finished | None] = queue.SimpleQueue()
        for number in numbers:
            waiting.put(number)
        threads = [threading.Thread(target=self._work, args=(waiting, finished), daemon=True) for _ in range(processes)]
        for thread in threads:
            thread.start()
        running = processes
        while running:
            if (trial := finished.get()) is None:
                running -= 1
            else:
                yield trial

    def _work(self, waiting: queue.SimpleQueue[int], finished: queue.SimpleQueue[Finished | None]) -> None:
        try:
            while not waiting.empty():
                with tempfile.TemporaryFile("w+") as log:
                    self._one_process(waiting, finished, log)
        except queue.Empty:  # another thread was faster
            pass
        finally:
            finished.put(None)

    def _one_process(
        self, waiting: queue.SimpleQueue[int], finished: queue.SimpleQueue[Finished | None], log: IO[str]
    ) -> None:
        arguments = ["--seed", str(self.seed), "--clips", str(self.clips), "--seconds", str(_SECONDS)]
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.fuzz.worker", *arguments],
            env=_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        with process:
            assert process.stdin is not None
            assert process.stdout is not None
            for _ in range(_TRIALS_PER_PROCESS):
                number = waiting.get_nowait()
                process.stdin.write(f"{number}\n")
                process.stdin.flush()
                if not (answer := process.stdout.readline()):
                    finished.put(Finished(number, _death(process.wait(), log)))
                    return
                finished.put(Finished(number, Outcome(**json.loads(answer))))
            process.stdin.close()


def _environment() -> dict[str, str]:
    """The sanitizers' runtimes have to be there before the interpreter, whose own build knows nothing of them."""
    if not SANITIZERS.is_dir():
        return dict(os.environ)
    return {
        **os.environ,
        "LD_PRELOAD": f"{SANITIZERS}/libasan.so {SANITIZERS}/libubsan.so libstdc++.so.6",
        "ASAN_OPTIONS": ":".join(f"{name}={value}" for name, value in _ASAN.items()),
        "UBSAN_OPTIONS": "print_stacktrace=1",
    }


def _death(status: int, log: IO[str]) -> Outcome:
    log.seek(0)
    report = log.read()
    found = _REPORT.search(report)
    cause = next(filter(None, found.groups())) if found else f"exit status {status}"
    return Outcome("died", f"died: {cause}", report)
