"""The worker process seen from the process that answers Lambda: asked, watched, replaced."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any, Final

from function import scratch
from function.deadline import TOO_LATE
from function.errors import DeadlineExceeded, FunctionError, WorkerCrashed, from_exception, of_code

# Before Lambda ends the invocation: the worker stops by itself, is stopped, and the answer is on its way.
STOP_SECONDS: Final = 1.5
KILL_SECONDS: Final = 1.0
ANSWER_SECONDS: Final = 0.6

_POLL_SECONDS: Final = 1.0
_MOST_SILENT_POLLS: Final = 5  # a worker tells that it runs twice in each
_OWN_BYTES: Final = 32 << 20  # of this process, of the function's memory


Work = Callable[[Connection, int | None], None]


class _Gone(Exception):  # noqa: N818 - every way in which a worker can leave
    """The worker has died, hangs, or took too long; it does not run any more. `untouched`: it never saw the request."""

    def __init__(self, error: FunctionError, *, untouched: bool = False) -> None:
        super().__init__(error.message)
        self.error = error
        self.untouched = untouched


class Supervisor:
    """One worker, forked from this process, which must have no other threads at work then.

    The worker inherits what is imported here, so that a new one is there within milliseconds and most of its memory
    is shared. `work`: what it does with its end of a connection and the bytes that it may take, until the connection
    ends (function.runtime.worker.main). `memory`: the function's, in bytes; None: unlimited. One request at a time.
    """

    def __init__(self, work: Work, memory: int | None = None) -> None:
        self._work = work
        self._memory = memory
        self._pid = 0
        self._connection: Connection | None = None
        self._sender: threading.Thread | None = None
        self._leftovers: list[tuple[str, list[dict[str, Any]]]] = []  # runs that died, and what they had begun

    def start(self) -> None:
        """A worker, unless there is one. What an earlier one left in temporary storage goes. Raises LimitExceeded."""
        if self._pid and not self._has_died():
            return
        scratch.clean()
        ours, theirs = Pipe()
        try:
            pid = os.fork()
        except OSError as error:
            ours.close()
            theirs.close()
            raise from_exception(error) from error
        if pid == 0:
            status = 1
            try:
                _close_all_but(theirs.fileno())
                self._work(theirs, max(1, self._memory - _OWN_BYTES) if self._memory else None)
                status = 0
            finally:
                os._exit(status)
        theirs.close()
        self._pid, self._connection = pid, ours

    def stop(self) -> None:
        """End the worker, whatever it does."""
        if self._pid:
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
            self._reap()

    def run(self, event: object, seconds_left: float) -> dict[str, Any]:
        """The result. `seconds_left`: until Lambda ends the invocation.

        Raises FunctionError: what the worker raised, WorkerCrashed, DeadlineExceeded; in time.
        """
        now = time.monotonic()
        answer_by = now + seconds_left - ANSWER_SECONDS
        run = uuid.uuid4().hex
        begun: list[dict[str, Any]] = []
        try:
            self.start()
            self._withdraw(answer_by)
            request = {"event": event, "run": run, "deadline": now + seconds_left - STOP_SECONDS}
            try:
                answer = self._ask(request, now + seconds_left - KILL_SECONDS, begun)
            except _Gone as gone:
                if not gone.untouched:
                    raise
                self.start()  # it was dying already
                answer = self._ask(request, now + seconds_left - KILL_SECONDS, begun)
        except _Gone as gone:
            if begun:
                self._leftovers.append((run, begun))
            with suppress(_Gone, FunctionError):
                self.start()
                self._withdraw(answer_by)
            raise gone.error from None
        if "error" in answer:
            raise _error(answer["error"])
        result: dict[str, Any] = answer["result"]
        return result

    def _withdraw(self, until: float) -> None:
        """Has a worker take back what dead ones left behind; what it cannot in time is left for the next request."""
        while self._leftovers:
            run, entries = self._leftovers[0]
            answer = self._ask({"withdraw": entries, "run": run}, until, [])
            if "error" in answer:
                raise _error(answer["error"])
            self._leftovers.pop(0)

    def _ask(self, message: dict[str, Any], until: float, begun: list[dict[str, Any]]) -> dict[str, Any]:
        """The worker's answer; meanwhile `begun` gets what it tells of its writing. Raises _Gone."""
        assert self._connection
        # In a thread, as a worker that does not read would hold this one up for ever.
        sender = threading.Thread(target=_send, args=(self._connection, message), daemon=True)
        try:
            sender.start()
        except RuntimeError as error:
            raise from_exception(error) from error
        self._sender = sender
        silent = 0
        progress: dict[str, Any] | None = None
        while True:
            left = until - time.monotonic()
            if left <= 0:
                self.stop()
                raise _Gone(DeadlineExceeded(f"{TOO_LATE} (it had to be stopped)", **(progress or {})))
            try:
                if not self._connection.poll(min(left, _POLL_SECONDS)):
                    silent += 1
                    if silent >= _MOST_SILENT_POLLS:
                        self.stop()
                        raise _Gone(WorkerCrashed("the worker did not answer any more, and was replaced"))
                    continue
                answer: dict[str, Any] = json.loads(self._connection.recv_bytes())
            except (EOFError, OSError):
                raise _Gone(_crash(self._reap()), untouched=progress is None) from None
            silent = 0
            if "gone" in answer:
                self._reap()
                raise _Gone(_error(answer["error"]))
            if "journal" in answer:
                begun.append(answer["journal"])
            elif "beat" in answer:
                progress = answer["beat"]
            else:
                return answer

    def _has_died(self) -> bool:
        """Since its last answer; then it is replaced, and no request has come to harm."""
        died, _ = os.waitpid(self._pid, os.WNOHANG)
        if died:
            assert self._connection
            self._connection.close()
            self._pid, self._connection = 0, None
        return died != 0

    def _reap(self) -> int:
        """Its exit status, as subprocess has it: negative for a signal."""
        assert self._connection
        with suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)  # it has closed its end, or is ended: it shall not linger
        _, status = os.waitpid(self._pid, 0)
        if self._sender:
            self._sender.join()  # its writes fail now
        self._connection.close()
        self._pid, self._connection = 0, None
        return os.waitstatus_to_exitcode(status)


def _close_all_but(kept: int) -> None:
    """The worker has nothing of this process's, above all not its connection to Lambda."""
    for descriptor in map(int, os.listdir("/proc/self/fd")):  # noqa: PTH208 - numbers, not paths
        if descriptor > 2 and descriptor != kept:
            with suppress(OSError):
                os.close(descriptor)


def _send(connection: Connection, message: dict[str, Any]) -> None:
    with suppress(OSError):  # it is gone, which the reader finds out
        connection.send_bytes(json.dumps(message).encode())


def _error(told: dict[str, Any]) -> FunctionError:
    """The error as the worker has described it."""
    error = of_code(told["code"], told["message"], told["detail"], told["retryable"])
    error.trace = told.get("trace", ())
    return error


def _crash(status: int) -> WorkerCrashed:
    if status >= 0:
        return WorkerCrashed(f"the worker ended with status {status}; the next request has a new one", status=status)
    name = signal.Signals(-status).name
    cause = "; it may have needed more memory than the function has" if name == "SIGKILL" else ""
    return WorkerCrashed(f"the worker was ended by {name}{cause}; the next request has a new one", signal=name)
