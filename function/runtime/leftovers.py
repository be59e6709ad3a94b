"""Takes back, beside later requests, the objects that earlier ones could not take back in time."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from function import s3
from function.output.undo_log import Journal

_PAUSE_FACTOR: Final = 15  # of the processor's time that a step took, while there is a request
_LOG = logging.getLogger(__name__)


class Leftovers:
    """Journals of runs that left objects, and a thread that removes these.

    While a request is under way it makes one step at a time, and rests after each so long that it takes a small share
    of the processor. Between requests it goes on at full speed, unless Lambda freezes it.
    """

    def __init__(self) -> None:
        self._journals: dict[str, list[Journal]] = {}
        self._undone: list[str] = []
        self._idle = threading.Event()
        self._idle.set()
        self._steps = threading.Lock()
        self._thread: threading.Thread | None = None

    def add(self, runs: dict[str, list[dict[str, Any]]]) -> None:
        """Take these runs' messages, which their journals recorded, and go on with all that is left."""
        for run, messages in runs.items():
            if messages:
                self._journals.setdefault(run, Journal.of(run, messages))
        if self._journals and not (self._thread and self._thread.is_alive()):
            self._thread = threading.Thread(target=self._work, name="hwang-leftovers", daemon=True)
            try:
                self._thread.start()
            except RuntimeError:  # there is no thread to be had: the next request tries again
                self._thread = None

    @contextmanager
    def beside_a_request(self) -> Iterator[None]:
        """Let a request have most of the processor for the block."""
        self._idle.clear()
        try:
            yield
        finally:
            self._idle.set()

    def wait(self, until: float) -> dict[str, int]:
        """Wait for the thread until this moment of the monotonic clock; return the objects left, by run."""
        if self._thread:
            self._thread.join(max(0.0, until - time.monotonic()))
        return {run: sum(one.objects_left for one in journals) for run, journals in list(self._journals.items())}

    def undone(self) -> list[str]:
        """The runs of which nothing is left to remove, each told once."""
        undone, self._undone = self._undone, []
        return undone

    def _work(self) -> None:
        try:
            client = s3.client()
            for run, journals in list(self._journals.items()):
                for journal in journals:
                    journal.withdraw(client, self._turn)
                if not any(journal.messages for journal in journals):
                    del self._journals[run]
                    self._undone.append(run)
        except Exception:  # it is tried again beside the next request
            _LOG.exception("could not take back what an earlier request left")

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if self._idle.is_set():
            yield
            return
        with self._steps:
            start = time.thread_time()
            yield
            self._idle.wait(_PAUSE_FACTOR * (time.thread_time() - start))
