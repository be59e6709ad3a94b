"""Output for the user: steps as they end, layers as they are pushed, and at the end a result, for people or as JSON.

Steps and progress go to standard error, results to standard output. Text from elsewhere (a function's log, messages of
AWS) never controls the terminal, and a stream that nobody reads any more does not end the command.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import datetime
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any, Final, TextIO

from deploy.errors import DeployError, JournalError
from deploy.journal import Journal
from deploy.registry import LayerStatus, Progress

if TYPE_CHECKING:
    from rich.console import RenderableType

    from deploy.aws import Call
    from deploy.logs import Line
    from deploy.terminal import Terminal

_WIDE_COLUMNS: Final = 160  # of a table outside a terminal
# Control characters but for tab and line feed, and those that turn the direction of reading.
_ORDERS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def harmless(text: str) -> str:
    """Spell out everything in the text that a terminal would obey instead of showing it."""
    return _ORDERS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def take_any_text() -> None:
    """Spell out characters that the streams' encoding lacks, from now on."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextmanager
def outlasting(stream: TextIO) -> Iterator[None]:
    """Ignore a closed stream in the block; everything that is written to it later is lost as well."""
    try:
        yield
        stream.flush()
    except OSError:
        lose(stream)


def lose(stream: TextIO) -> None:
    """Discard everything that is written to the stream, its buffer included."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


class Reporter:
    """Writer to the terminal and the journal. `as_json`: standard output gets one JSON document and nothing else."""

    def __init__(self, *, as_json: bool = False, dry_run: bool = False, verbose: bool = False) -> None:
        self.journal = Journal()
        self._as_json = as_json
        self._dry_run = dry_run
        self._verbose = verbose
        self._err: Terminal | None = None
        self._live = False
        self._calls: list[dict[str, object]] = []
        self._document: dict[str, Any] = {}
        self._indent: int | None = 2

    @property
    def err(self) -> Terminal:
        """Standard error."""
        if self._err is None:
            from deploy.terminal import Terminal

            self._err = Terminal(stderr=True, highlight=False, soft_wrap=True)
        return self._err

    @contextmanager
    def step(self, text: str) -> Iterator[Callable[[str], None]]:
        """Run the block as a step; its line appears at the end, with the duration and the notes that were added."""
        notes: list[str] = []
        start = time.monotonic()
        self.journal.write("begin", step=text)
        try:
            with self._spinner(text):
                yield notes.append
        except BaseException as error:
            self._ended("✗", "red", text, [str(error).partition("\n")[0]], start)
            with suppress(JournalError):
                self.journal.write("failed", step=text, error=type(error).__name__, message=str(error))
            raise
        self._ended(*(("○", "dim") if self._dry_run else ("✓", "green")), text, notes, start)
        self.journal.write("done", step=text, notes=notes, seconds=round(time.monotonic() - start, 3))

    @contextmanager
    def _spinner(self, text: str) -> Iterator[None]:
        if not self.err.is_terminal or self._live:
            yield
            return
        self._live = True
        try:
            with self.err.status(harmless(text)):
                yield
        finally:
            self._live = False

    def _ended(self, mark: str, color: str, text: str, notes: list[str], start: float) -> None:
        from rich.text import Text

        noted = harmless("".join(f"  {note}" for note in notes))
        line = Text.assemble((mark, color), f" {harmless(text)}", (noted, "dim"))
        with outlasting(sys.stderr):
            self.err.print(line.append(f"  {time.monotonic() - start:.1f} s", "dim"))

    def say(self, text: str) -> None:
        """Write a line for people, now."""
        from rich.text import Text

        with outlasting(sys.stderr):
            self.err.print(Text(harmless(text)))
        self.journal.write("said", text=text)

    def called(self, call: Call) -> None:
        """Record an API call that is about to be made, or would be."""
        self.journal.write("call", call=str(call), made=call.made)
        if self._dry_run:
            self._plan(str(call), asdict(call))
        elif self._verbose:
            self.say(f"  {call}")

    def plan(self, what: str) -> None:
        """Record something that the real run would do beside API calls."""
        self._plan(what, {"made": False, "action": what, "parameters": {}})

    def _plan(self, text: str, document: dict[str, object]) -> None:
        """Show what a dry run does, or the real run would do; the repeated reads of a wait are shown once."""
        if document["made"] and self._calls and self._calls[-1] == document:
            return
        self._calls.append(document)
        if not self._as_json:
            self._print(f"{'read ' if document['made'] else 'would'} {text}")

    @contextmanager
    def layers(self) -> Iterator[Progress]:
        """Show the progress of layers: bars on a terminal, elsewhere a line for each that was sent."""
        if self.err.is_terminal:
            from deploy.terminal import bars

            with bars(self.err) as show:
                yield show
        else:
            yield self._sent

    def _sent(self, layer: str, status: LayerStatus, _: int, total: int) -> None:
        if status == "uploaded":
            self.say(f"  {layer}  pushed  {total / 1e6:.1f} MB")

    def log(self, line: Line) -> bool:
        """Write a line of the function's log, for programs as JSON. Returns False if standard output is closed."""
        self._indent = None
        document = {"time": line.time.isoformat(timespec="milliseconds"), "stream": line.stream, "text": line.text}
        text = f"{line.time:%H:%M:%S}  {line.text}"
        try:
            print(json.dumps(document) if self._as_json else harmless(text), flush=True)
        except OSError:
            lose(sys.stdout)
            return False
        return True

    def show(self, *shown: RenderableType) -> None:
        """Write for people, on standard output."""
        if self._as_json:
            return
        for item in shown:
            if isinstance(item, str):
                self._print(harmless(item))
                continue
            from deploy.terminal import Terminal

            out = Terminal(highlight=False, width=None if sys.stdout.isatty() else _WIDE_COLUMNS)
            with outlasting(sys.stdout):
                out.print(item, markup=False)

    def result(self, document: dict[str, Any], *shown: RenderableType) -> None:
        """Take the result: the document is for programs, at the end, and `shown` is for people, now."""
        self.journal.write("result", result=document)
        self._document = document
        if self._dry_run and any(not call["made"] for call in self._calls):
            self.show("nothing was changed; the real run would end like this:")
        self.show(*shown)

    def finish(self) -> None:
        """End a command that succeeded."""
        if self._as_json and self._document:
            self._print_document({})

    def failed(self, error: DeployError) -> int:
        """End a command that failed: write the cause and the next step. Returns the exit code."""
        with suppress(JournalError):
            self.journal.write("error", **error.document)
        if self._as_json:
            self._print_document({"error": error.document})
        with outlasting(sys.stderr):
            print(f"{error.code}: {harmless(' '.join(error.what.split()))}", file=sys.stderr)
            print(f"  next: {harmless(' '.join(error.then.split()))}", file=sys.stderr)
        return error.exit_code

    def _print_document(self, more: dict[str, Any]) -> None:
        calls = {"dry_run": True, "calls": self._calls} if self._calls else {}
        self._print(json.dumps({**self._document, **calls, **more}, indent=self._indent, default=_as_json))

    @staticmethod
    def _print(text: str) -> None:
        with outlasting(sys.stdout):
            print(text, flush=True)


def _as_json(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
