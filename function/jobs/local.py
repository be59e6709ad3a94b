"""A job on this machine: its steps in a few processes, with the attempts that the state machine would make."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from function import s3
from function.errors import FunctionError, WorkerCrashed, of_code
from function.jobs.store import Store
from function.models.job import Job
from function.models.job_files import PART_EVENTS, SURVEY_EVENTS, CutSummary
from function.models.job_steps import MAX_ATTEMPTS, Cut, Gather, List
from function.source.index_cache import VARIABLE
from hwang.sources.backoff import pause_seconds

_GRACE_SECONDS: Final = 30.0  # beyond the function's own limit, which ends what takes too long

Answer = dict[str, Any]
Listener = Callable[[str, int, int, Answer | FunctionError | None], None]
"""Called with a step's name, how many of its invocations are done, of how many, and the outcome of the last one."""


class Environment:
    """A process that answers invocations, started again if it has died.

    It has a folder of its own for temporary files: what its worker leaves behind is removed, and nobody else's.
    """

    def __init__(self, folder: Path, variables: dict[str, str], log: IO[bytes] | int) -> None:
        folder.mkdir()
        self._variables = {**variables, "AWS_LAMBDA_LOG_STREAM_NAME": folder.name, "TMPDIR": str(folder)}
        self._log = log
        self._process: subprocess.Popen[str] | None = None

    def invoke(self, event: Answer, seconds: float) -> Answer:
        """The answer to the event. Raises the function's own FunctionError, WorkerCrashed if the process died."""
        process = self._running()
        assert process.stdin
        assert process.stdout
        guard = threading.Timer(seconds + _GRACE_SECONDS, process.kill)
        guard.start()
        try:
            process.stdin.write(json.dumps({"event": event, "seconds": seconds}) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except (OSError, ValueError):  # it has died, or was stopped
            line = ""
        finally:
            guard.cancel()
        if not line:
            self.stop()
            raise WorkerCrashed("the process that did the work has died")
        answer: Answer = json.loads(line)
        if "error" in answer:
            raise of_code(**answer["error"])
        result: Answer = answer["result"]
        return result

    def stop(self) -> None:
        """Ends the process, and with it the worker that it runs."""
        process, self._process = self._process, None
        if process:
            process.kill()
            process.wait()

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None or self._process.poll() is not None:
            self.stop()
            self._process = subprocess.Popen(
                [sys.executable, "-m", "function.runtime.stdio"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                text=True,
                env=os.environ | self._variables,
                start_new_session=True,  # Ctrl-C is for the process that knows what to do
            )
        return self._process


@dataclass
class Runner:
    """Runs jobs. `workers`: invocations at a time. `seconds`: the time of an invocation, as the function's timeout."""

    workers: int
    seconds: float = 900.0
    log: IO[bytes] | int = subprocess.DEVNULL
    listener: Listener = lambda *_: None
    _free: queue.Queue[Environment] = field(default_factory=queue.Queue)
    _stopping: threading.Event = field(default_factory=threading.Event)

    def run(self, job: Job) -> Answer:
        """The job's manifest without its lists. Raises FunctionError, JobIncomplete among them."""
        store = Store(s3.client(), job.output)
        variables = {VARIABLE: os.environ.get(VARIABLE) or f"{store.uri('indexes')}/"}
        with self._environments(variables) as pool:
            self._step(pool, "list", [List(action="list", job=job).event()])
            self._step(pool, "survey", store.json(SURVEY_EVENTS))
            cut = CutSummary.model_validate(self._step(pool, "cut", [Cut(action="cut", job=job.output).event()])[0])
            if cut.to_do:
                self._step(pool, "decode", store.json(PART_EVENTS), cut.tolerated_failure_percentage)
            return self._step(pool, "gather", [Gather(action="gather", job=job.output).event()])[0]

    @contextmanager
    def _environments(self, variables: dict[str, str]) -> Iterator[ThreadPoolExecutor]:
        """Starts processes, and threads that talk to them; both end with the block."""
        with (
            tempfile.TemporaryDirectory(prefix="job-", ignore_cleanup_errors=True) as folder,
            ThreadPoolExecutor(self.workers, "hwang-map") as pool,
        ):
            names = [f"local-{number}" for number in range(self.workers)]
            environments = [Environment(Path(folder, name), variables, self.log) for name in names]
            for environment in environments:
                self._free.put(environment)
            try:
                yield pool
            finally:
                self._stopping.set()
                for environment in environments:
                    environment.stop()

    def _step(
        self, pool: ThreadPoolExecutor, name: str, events: list[Answer], tolerated_percent: float | None = None
    ) -> list[Answer]:
        """The answers, in any order. Raises the first error, unless some are tolerated.

        Then no more are begun after too many, and gathering finds what is missing.
        """
        answers: list[Answer] = []
        failed = 0
        self.listener(name, 0, len(events), None)
        futures = [pool.submit(self._tried, event) for event in events]
        try:
            for future in as_completed(futures):
                error = future.exception()
                if isinstance(error, FunctionError) and tolerated_percent is not None:
                    failed += 1
                    self.listener(name, len(answers) + failed, len(events), error)
                    if failed * 100 > tolerated_percent * len(events):
                        break
                else:
                    answers.append(future.result())
                    self.listener(name, len(answers) + failed, len(events), answers[-1])
        finally:
            for future in futures:
                future.cancel()
        return answers

    def _tried(self, event: Answer) -> Answer:
        for attempt in range(MAX_ATTEMPTS):
            environment = self._free.get()
            try:
                counted = {"attempt": attempt} if event["action"] in ("survey", "part") else {}
                return environment.invoke({**event, **counted}, self.seconds)
            except FunctionError as error:
                passing = error.retryable or isinstance(error, WorkerCrashed)
                if not passing or attempt + 1 == MAX_ATTEMPTS or self._stopping.is_set():
                    raise
            finally:
                self._free.put(environment)
            time.sleep(pause_seconds(attempt + 1))
        raise AssertionError
