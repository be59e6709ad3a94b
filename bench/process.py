"""A contestant's process: asked in JSON, ended when it does not answer, started again when it has died.

Between an answer and the next question it is suspended: a decoder may go on working after it has answered (decord2
keeps a core busy for as long as a video is open), which would be measured as its neighbours' time.
"""

from __future__ import annotations

import json
import os
import resource
import selectors
import signal
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from bench.contenders.base import Size
from bench.contestants import Contestant, Options
from bench.video import Video

ROOT = Path(__file__).resolve().parent.parent
PATIENCE_SECONDS = 300
MOST_BYTES = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2  # who takes more fails, not the machine
Answer = dict[str, Any]


class ContestantError(Exception):
    """What a contestant answered instead of frames, or how its process ended."""


class Process:
    """Starts with the first question. `import_seconds` and `version` are of the last start."""

    def __init__(self, contestant: Contestant) -> None:
        self.contestant = contestant
        self.import_seconds = 0.0
        self.version = ""
        self._child: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None

    def start(self) -> Self:
        """Raises ContestantError if it cannot be installed, started or imported."""
        if self._child:
            return self
        if self.contestant.failed:
            raise ContestantError(self.contestant.failed)
        environment = {key: value for key, value in os.environ.items() if key != "LD_LIBRARY_PATH"}
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        try:
            self._child = subprocess.Popen(
                self.contestant.command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                cwd=ROOT,
                env=environment | self.contestant.environment,
            )
        except OSError as error:
            raise ContestantError(f"does not start: {error}") from error
        resource.prlimit(self._child.pid, resource.RLIMIT_DATA, (MOST_BYTES, MOST_BYTES))
        if self.contestant.command[1:]:  # a worker greets; the limit program has nothing to import
            try:
                greeting = self._answer()
            except ContestantError:
                self.stop()
                raise
            self.import_seconds, self.version = greeting["import_seconds"], greeting["version"]
        return self

    def open(self, video: Video, options: Options, size: Size | None = None) -> Answer:
        return self._ask("open", video, options, size)

    def run(self, video: Video, options: Options, rows: list[int], size: Size | None = None) -> Answer:
        scale = {"width": size[0], "height": size[1]} if size else {}
        return self._ask("run", video, options, size, rows=rows, **scale)

    def plan(self, video: Video, rows: list[int]) -> Answer:
        """The limit program's plan for these rows of the video it has open: samples and bytes."""
        return self._ask("plan", video, {}, None, rows=rows, drop=0)

    def release(self) -> None:
        """Close what is open; it goes on being imported."""
        if self._child and self.contestant.command[1:]:
            self._send({"do": "release"})
            self._answer()

    def stop(self) -> None:
        if self._child:
            self._child.kill()
            self._child.communicate()
            self._child = None
        if self._log:
            self._log.close()
            self._log = None

    def _ask(self, what: str, video: Video, options: Options, size: Size | None, **more: Any) -> Answer:
        self.start()
        layout = [video.layout.bits, video.layout.across, video.layout.down]
        request = {"do": what, "path": video.path, "size": size, "layout": layout, "options": options}
        self._send(request | options | more)
        try:
            return self._answer()
        except ContestantError:
            if self._child and self._child.poll() is not None:
                self.stop()
            raise

    def _send(self, request: dict[str, Any]) -> None:
        assert self._child
        assert self._child.stdin
        self._child.send_signal(signal.SIGCONT)
        try:
            self._child.stdin.write(json.dumps(request).encode() + b"\n")
            self._child.stdin.flush()
        except BrokenPipeError:
            raise ContestantError(self._ending()) from None

    def _answer(self) -> Answer:
        assert self._child
        assert self._child.stdout
        with selectors.DefaultSelector() as selector:
            selector.register(self._child.stdout, selectors.EVENT_READ)
            if not selector.select(PATIENCE_SECONDS):
                self.stop()
                raise ContestantError(f"no answer within {PATIENCE_SECONDS} s")
        line = self._child.stdout.readline()
        if not line:
            raise ContestantError(self._ending())
        self._child.send_signal(signal.SIGSTOP)
        answer: Answer = json.loads(line)
        if "error" in answer:
            raise ContestantError(answer["error"])
        return answer

    def _ending(self) -> str:
        assert self._child
        assert self._log
        code = self._child.wait()
        self._log.seek(0)
        last = (self._log.read().decode(errors="replace").strip().splitlines() or ["no message"])[-1]
        return f"ended with status {code}: {last[:300]}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
