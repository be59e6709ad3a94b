"""A contender's process: it is asked in JSON, ended when it does not answer, started again when it has died.

Between an answer and the next question it is suspended: a decoder may go on working after it has answered (decord2
keeps a core busy for as long as a video is open), which would be measured as its neighbors' time.
"""

from __future__ import annotations

import json
import os
import resource
import selectors
import signal
import tempfile
from contextlib import AbstractContextManager
from pathlib import Path
from subprocess import PIPE, Popen
from typing import IO, Any, Self

from bench.contenders import Contender, Options
from bench.video import Video
from bench.workloads import Workload

ROOT = Path(__file__).resolve().parent.parent
TIMEOUT_SECONDS = 300
MAX_BYTES = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2  # a contender that takes more fails
Answer = dict[str, Any]


class ContenderError(Exception):
    """A contender answered with an error instead of frames, or its process ended."""


class Process(AbstractContextManager["Process"]):
    """Starts with the first question. `greeting` has `import_seconds` and `version` as of the last start."""

    def __init__(self, contender: Contender) -> None:
        self.contender = contender
        self.greeting: Answer = {}
        self._child: Popen[bytes] | None = None
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed on exit

    def start(self) -> Self:
        """Raises ContenderError if it was not installed, or cannot be started or imported."""
        if self._child:
            return self
        if self.contender.failed:
            raise ContenderError(self.contender.failed)
        environment = {key: value for key, value in os.environ.items() if key != "LD_LIBRARY_PATH"}
        environment |= self.contender.environment
        command = self.contender.command
        self._log.seek(0)
        self._log.truncate()
        try:
            self._child = Popen(command, stdin=PIPE, stdout=PIPE, stderr=self._log, cwd=ROOT, env=environment)
        except OSError as error:
            raise ContenderError(f"does not start: {error}") from error
        resource.prlimit(self._child.pid, resource.RLIMIT_DATA, (MAX_BYTES, MAX_BYTES))
        try:
            self.greeting = self._answer()
        except ContenderError:
            self.stop()
            raise
        return self

    def open(self, video: Video, options: Options, workload: Workload) -> Answer:
        """Opens and indexes a video, and closes any other: `frames`, and what it cost."""
        return self._ask("open", video, options, workload)

    def run(self, video: Video, options: Options, workload: Workload) -> Answer:
        """Decodes the rows of the workload: `output_bytes`, how many frames are `wrong`, and what it cost."""
        rows = workload.rows(len(video.numbers))
        answer = self._ask("run", video, options, workload, rows=rows)
        return answer | {"wrong": video.wrong(rows, answer["numbers"])}

    def stop(self) -> None:
        """Ends the process if there is one."""
        if self._child:
            self._child.kill()
            self._child.communicate()
            self._child = None

    def _ask(self, what: str, video: Video, options: Options, workload: Workload, **more: Any) -> Answer:
        child = self.start()._child
        assert child
        assert child.stdin
        layout = [video.layout.bits, video.layout.across, video.layout.down]
        request = {"do": what, "path": video.path, "size": workload.size, "layout": layout, "options": options, **more}
        child.send_signal(signal.SIGCONT)
        try:
            child.stdin.write(json.dumps(request).encode() + b"\n")
            child.stdin.flush()
            return self._answer()
        except BrokenPipeError:
            raise ContenderError(self._ending()) from None
        finally:
            if child.poll() is not None:
                self.stop()

    def _answer(self) -> Answer:
        assert self._child
        assert self._child.stdout
        with selectors.DefaultSelector() as selector:
            selector.register(self._child.stdout, selectors.EVENT_READ)
            if not selector.select(TIMEOUT_SECONDS):
                self.stop()
                raise ContenderError(f"no answer within {TIMEOUT_SECONDS} s")
        line = self._child.stdout.readline()
        if not line:
            raise ContenderError(self._ending())
        self._child.send_signal(signal.SIGSTOP)
        answer: Answer = json.loads(line)
        if "error" in answer:
            raise ContenderError(answer["error"])
        return answer

    def _ending(self) -> str:
        assert self._child
        code = self._child.wait()
        self._log.seek(0)
        last = (self._log.read().decode(errors="replace").strip().splitlines() or ["no message"])[-1]
        return f"ended with status {code}: {last[:300]}"

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._log.close()
