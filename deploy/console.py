"""What the user sees: steps as they end, layers as they travel, and at the end a result, for people or as JSON.

Steps and progress go to standard error, results to standard output.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from deploy.errors import DeployError
from deploy.journal import Journal
from deploy.progress import LayerStatus, Progress

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    from deploy.aws import Call
    from deploy.logs import Line

_ARRIVED: Final[dict[str, str]] = {"uploaded": "pushed", "there": "is there already"}


class Reporter:
    """Tells the terminal and the journal. `as_json`: standard output gets one JSON document and nothing else."""

    def __init__(self, *, as_json: bool = False, dry_run: bool = False, verbose: bool = False) -> None:
        self.journal = Journal()
        self._as_json = as_json
        self._dry_run = dry_run
        self._verbose = verbose
        self._err: Console | None = None
        self._live = False
        self.calls: list[str] = []

    @property
    def err(self) -> Console:
        if self._err is None:
            from rich.console import Console

            self._err = Console(stderr=True, highlight=False, soft_wrap=True)
        return self._err

    @contextmanager
    def step(self, text: str) -> Iterator[Callable[[str], None]]:
        """A step that begins now; the line appears when it has ended, with its duration and what `note` added."""
        notes: list[str] = []
        start = time.monotonic()
        self.journal.write("begin", step=text)
        try:
            with self._spinner(text):
                yield notes.append
        except BaseException as error:
            self._ended("✗", "red", text, [str(error).partition("\n")[0]], start)
            self.journal.write("failed", step=text, error=type(error).__name__, message=str(error))
            raise
        self._ended("✓", "green", text, notes, start)
        self.journal.write("done", step=text, notes=notes, seconds=round(time.monotonic() - start, 3))

    @contextmanager
    def _spinner(self, text: str) -> Iterator[None]:
        if not self.err.is_terminal or self._live:
            yield
            return
        self._live = True
        try:
            with self.err.status(text):
                yield
        finally:
            self._live = False

    def _ended(self, mark: str, color: str, text: str, notes: list[str], start: float) -> None:
        from rich.text import Text

        line = Text.assemble((mark, color), f" {text}", ("".join(f"  {note}" for note in notes), "dim"))
        self.err.print(line.append(f"  {time.monotonic() - start:.1f} s", "dim"))

    def say(self, text: str) -> None:
        """A line for people, now."""
        from rich.text import Text

        self.err.print(Text(text))
        self.journal.write("said", text=text)

    def called(self, call: Call) -> None:
        """A call of an API is about to be made, or would be."""
        self.journal.write("call", call=str(call), made=call.made)
        if self._dry_run:
            self.plan(str(call), made=call.made)
        elif self._verbose:
            self.say(f"  {call}")

    def plan(self, what: str, *, made: bool = False) -> None:
        """What a dry run does (reading), or what the real run would do."""
        line = f"{'read ' if made else 'would'} {what}"
        if self.calls and self.calls[-1] == line:
            return
        self.calls.append(line)
        if not self._as_json:
            print(line, flush=True)

    @contextmanager
    def layers(self) -> Iterator[Progress]:
        """Progress of layers: bars on a terminal, a line for each that is done elsewhere."""
        if not self.err.is_terminal:
            yield LayerLines(self.say)
            return
        from rich.progress import BarColumn, DownloadColumn, TextColumn, TransferSpeedColumn
        from rich.progress import Progress as Bars

        columns = (TextColumn("  {task.description:<22}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        with Bars(*columns, console=self.err, transient=True) as bars:
            yield LayerBars(bars)

    def log(self, line: Line) -> None:
        """A line of the function's log."""
        if self._as_json:
            print(json.dumps({"time": line.time, "stream": line.stream, "text": line.text}, default=str), flush=True)
        else:
            print(f"{line.time:%H:%M:%S}  {line.text}", flush=True)

    def show(self, *shown: RenderableType) -> None:
        """Something for people, on standard output."""
        if self._as_json:
            return
        from rich.console import Console

        for item in shown:
            Console(highlight=False, soft_wrap=isinstance(item, str)).print(item, markup=False)

    def result(self, document: dict[str, Any], *shown: RenderableType) -> None:
        """The end: the document for programs, what is `shown` for people."""
        self.journal.write("result", result=document)
        if self._as_json:
            calls = {"calls": self.calls} if self._dry_run else {}
            print(json.dumps({**document, **calls}, indent=2, default=str))
        else:
            self.show(*shown)

    def failed(self, error: DeployError) -> int:
        """The end of a command that failed: why, and what next. Returns the exit code."""
        self.journal.write("error", **error.document)
        if self._as_json:
            print(json.dumps({"error": error.document}, indent=2, default=str))
        print(f"{error.code}: {error.what}", file=sys.stderr)
        if error.then:
            print(f"  next: {error.then}", file=sys.stderr)
        return error.exit_code


class LayerLines:
    """A line for each layer that has arrived."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._last: dict[str, str] = {}

    def layer(self, id: str, status: LayerStatus, done: int, total: int) -> None:  # noqa: A002, ARG002
        if self._last.get(id) != status and status in _ARRIVED:
            self._say(f"  {id}  {_ARRIVED[status]}" + (f"  {total / 1e6:.1f} MB" if total else ""))
        self._last[id] = status


class LayerBars:
    """A bar for each layer."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def layer(self, id: str, status: LayerStatus, done: int, total: int) -> None:  # noqa: A002
        if id not in self._tasks:
            self._tasks[id] = self._bars.add_task(id, total=None)
        arrived = status in _ARRIVED
        self._bars.update(
            self._tasks[id],
            description=f"{id} {_ARRIVED.get(status, status)}",
            completed=total if arrived else done,
            total=total or (1 if arrived else None),
        )
