"""Run work in threads, and wait for it no longer than a limit.

A codec that loops inside one call cannot be stopped, nor can a read that never returns. Such work runs in a thread of
its own, and is left behind at the limit: only the thread then refers to its decoders, source and memory, and releases
them when it ends. It does not keep the process from exiting.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from hwang import _core
from hwang.errors import DecodeTimeoutError, HwangError, StoppedError

GRACE_SECONDS = 0.03
"""Time for work to stop before it is left behind."""

Item = TypeVar("Item")
Result = TypeVar("Result")

atexit.register(_core.keep_threads_out)


class Deadline:
    """A limit of `seconds` from now on. Raises ValueError unless they are more than 0."""

    def __init__(self, seconds: float) -> None:
        if not seconds > 0:
            raise ValueError(f"timeout is {seconds!r}; it is a number of seconds above 0, or None for no limit")
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds until the limit, at least 0."""
        return min(max(0.0, self._end - time.monotonic()), threading.TIMEOUT_MAX)

    def again(self) -> Deadline:
        """Return a deadline with the same limit from now on."""
        return Deadline(self.seconds)

    def error(self) -> DecodeTimeoutError:
        """Return the error to raise at the limit."""
        return DecodeTimeoutError(
            f"the call did not end within timeout={self.seconds:g} seconds: it asks for more than can be decoded in "
            "that time, its source does not answer, or the video keeps a decoder busy; give a larger timeout, ask for "
            "less, or do without this video"
        )


class Task(Generic[Result]):
    """Runs a function in a thread of its own. `stop` requests its end."""

    def __init__(self, function: Callable[[], Result], stop: Callable[[], None]) -> None:
        self._function: Callable[[], Result] | None = function
        self._stop = stop
        self._process = os.getpid()
        self._ended = threading.Event()
        self._unwanted = False
        self._result: list[Result] = []
        self._error: BaseException | None = None
        threading.Thread(target=self._run, name="hwang-timed", daemon=True).start()

    @property
    def is_left_behind(self) -> bool:
        """True if it still runs although it was stopped."""
        return self._unwanted and not self._ended.is_set()

    def result(self, deadline: Deadline) -> Result:
        """Return or raise what the function does.

        Raises DecodeTimeoutError at the deadline, HwangError in a forked child.
        """
        if self._process != os.getpid():
            raise HwangError("this iterator was begun by the parent process; begin it again in the forked child")
        try:
            in_time = self._ended.wait(deadline.left)
        except BaseException:
            self.end(GRACE_SECONDS)
            raise
        if not in_time:
            self.end(GRACE_SECONDS)
            if not self._ended.is_set() or isinstance(self._error, StoppedError):
                raise deadline.error()
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        return self._result.pop()

    def end(self, seconds: float) -> None:
        """Stop it, and wait up to `seconds` for its end."""
        if self._ended.is_set() or self._unwanted or self._process != os.getpid():
            return
        self._stop()
        if not self._ended.wait(seconds):
            self._unwanted = True

    def _run(self) -> None:
        _core.may_be_left_behind()
        function, self._function = self._function, None
        assert function is not None
        try:
            result = function()
            if not self._unwanted:
                self._result.append(result)
        except BaseException as error:
            if not self._unwanted:
                self._error = error
        finally:
            del function
            self._ended.set()


def one_ahead(
    items: Iterator[Item],
    deadline: Deadline,
    begin: Callable[[Callable[[], list[Item]]], Task[list[Item]]],
    abandon: Callable[[Task[Any]], None],
) -> Iterator[Item]:
    """Yield the same items; the next one is made in another thread while the caller works on this one.

    `deadline` holds for the first item; each later one has as long once it is asked for. `begin` makes tasks, and
    `abandon` gets the last one. An iteration that ends early stops it.
    """

    def take() -> list[Item]:
        return [item for _, item in zip(range(1), items, strict=False)]

    pending = begin(take)
    try:
        while taken := pending.result(deadline):
            pending = begin(take)
            yield taken[0]
            deadline = deadline.again()
    finally:
        pending.end(deadline.again().left)
        abandon(pending)
