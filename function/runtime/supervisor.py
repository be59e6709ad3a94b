"""Runs requests in a worker process: watches it, ends it in time, and replaces it if it dies."""

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

# Seconds before Lambda ends the invocation: the worker stops itself, the worker is killed, the answer is sent.
STOP_SECONDS: Final = 1.5
KILL_SECONDS: Final = 1.0
ANSWER_SECONDS: Final = 0.6

_POLL_SECONDS: Final = 1.0
_MAX_SILENT_POLLS: Final = 5  # a worker sends two beats in each
_REPLY_SECONDS: Final = 0.1  # between processes, on a busy machine
_OWN_BYTES: Final = 32 << 20  # of the function's memory, for this process


Work = Callable[[Connection, int | None, bool], None]
Begun = dict[tuple[str, str], dict[str, Any]]  # messages of a journal by bucket and key


class _Gone(Exception):  # noqa: N818 - covers every way in which a worker can end
    """The worker died, hung or took too long, and does not run any more. `untouched`: it never saw the request."""

    def __init__(self, error: FunctionError, *, untouched: bool = False) -> None:
        super().__init__(error.message)
        self.error = error
        self.untouched = untouched


class Supervisor:
    """Owns one worker, forked from this process, which must run no other threads at that moment.

    The worker inherits all imports, so that a new one starts within milliseconds and shares most of its memory.
    `work(connection, memory, loads)` is the worker's main function (function.runtime.worker.main); it returns when the
    connection ends. `memory`: the function's memory in bytes; None: unlimited. `loads`: the worker loads own code
    first, and tells when it has; one that dies of that is replaced by one that does not. One request at a time.
    """

    def __init__(self, work: Work, memory: int | None = None, *, loads: bool = False) -> None:
        self._work = work
        self._memory = memory
        self._loads = loads
        self._is_loading = False
        self._pid = 0
        self._connection: Connection | None = None
        self._sender: threading.Thread | None = None
        # Runs whose objects are not known to be gone, and the entries of their journals; those that the worker knows.
        self._leftovers: dict[str, list[dict[str, Any]]] = {}
        self._handed_over: set[str] = set()

    def start(self) -> None:
        """Start a worker unless one runs, and clear the temporary storage of the last one. Raises LimitExceeded."""
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
                self._work(theirs, max(1, self._memory - _OWN_BYTES) if self._memory else None, self._loads)
                status = 0
            finally:
                os._exit(status)
        theirs.close()
        self._pid, self._connection, self._is_loading = pid, ours, self._loads
        self._handed_over = set()

    def wait_until_loaded(self, seconds: float) -> None:
        """Wait so long for the worker to have loaded own code: part of the function's start, not of a request."""
        if self._is_loading and self._connection and self._connection.poll(seconds):
            with suppress(EOFError, OSError):  # it has died: the next request finds that out
                self._is_loading = "loaded" not in json.loads(self._connection.recv_bytes())

    def stop(self) -> None:
        """Kill the worker."""
        if self._pid:
            self._reap()

    def run(self, event: object, seconds_left: float) -> dict[str, Any]:
        """Run one request and return its result. `seconds_left`: until Lambda ends the invocation.

        Raises, always before that time, the worker's FunctionError, WorkerCrashed or DeadlineExceeded.
        """
        now = time.monotonic()
        run = uuid.uuid4().hex
        begun: Begun = {}
        try:
            request = {"event": event, "run": run, "deadline": now + seconds_left - STOP_SECONDS}
            try:
                self.start()
                answer = self._ask(request, now + seconds_left - KILL_SECONDS, begun)
            except _Gone as gone:
                if not gone.untouched:
                    raise
                self.start()  # the worker was dying before the request came
                answer = self._ask(request, now + seconds_left - KILL_SECONDS, begun)
        except _Gone as gone:
            if begun:
                self._leftovers[run] = list(begun.values())
                gone.error.detail["objects_left"] = len(begun)
            self._withdraw(run, gone.error, now + seconds_left - ANSWER_SECONDS)
            raise gone.error from None
        if "error" in answer:
            if answer.get("left"):
                self._leftovers[run] = answer["left"]
                self._handed_over.add(run)
            raise _error(answer["error"])
        result: dict[str, Any] = answer["result"]
        return result

    def _withdraw(self, run: str, error: FunctionError, until: float) -> None:
        """Have a new worker delete what the dead one left; what it cannot by then, it does beside later requests.

        The number of objects of `run` that are left goes into the error's detail.
        """
        with suppress(_Gone, FunctionError):
            self.start()
            if self._leftovers:
                left = self._ask({"until": until - _REPLY_SECONDS}, until, {})["left"]
                error.detail.pop("objects_left", None)
                if left.get(run):
                    error.detail["objects_left"] = left[run]

    def _ask(self, message: dict[str, Any], until: float, begun: Begun) -> dict[str, Any]:
        """Send a message and return the worker's answer; put its last journal entry of each object in `begun`.

        Raises _Gone.
        """
        assert self._connection
        leftovers = {run: entries for run, entries in self._leftovers.items() if run not in self._handed_over}
        self._handed_over |= leftovers.keys()
        message = {**message, "leftovers": leftovers}
        # In a thread, as a worker that does not read would block this process for ever.
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
                    # Own code may hold the interpreter for long; then only the deadline counts.
                    silent += not (self._is_loading or "apply" in (progress or {}))
                    if silent >= _MAX_SILENT_POLLS:
                        self.stop()
                        raise _Gone(WorkerCrashed("the worker did not answer any more, and was replaced"))
                    continue
                answer: dict[str, Any] = json.loads(self._connection.recv_bytes())
            except (EOFError, OSError):
                if self._is_loading:
                    self._loads = False
                raise _Gone(_crash(self._reap(), progress or {}), untouched=progress is None) from None
            silent = 0
            if "loaded" in answer:
                self._is_loading = False
                continue
            if "gone" in answer:
                self._reap()
                raise _Gone(_error(answer["error"]))
            if "journal" in answer:
                entry = answer["journal"]["entry"]
                begun[entry["bucket"], entry["key"]] = answer["journal"]
            elif "beat" in answer:
                progress = answer["beat"]
            else:
                for run in answer.get("undone", ()):
                    self._leftovers.pop(run, None)
                return answer

    def _has_died(self) -> bool:
        """True if the worker died after its last answer, so that no request was lost."""
        died, _ = os.waitpid(self._pid, os.WNOHANG)
        if died:
            assert self._connection
            self._connection.close()
            self._pid, self._connection = 0, None
        return died != 0

    def _reap(self) -> int:
        """Kill and wait for the worker; return its exit status, negative for a signal."""
        assert self._connection
        with suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)  # it may still run after it closed its end
        _, status = os.waitpid(self._pid, 0)
        if self._sender:
            self._sender.join()  # its writes fail now
        self._connection.close()
        self._pid, self._connection = 0, None
        return os.waitstatus_to_exitcode(status)


def _close_all_but(kept: int) -> None:
    """Close the inherited descriptors, above all the connection to Lambda."""
    for descriptor in map(int, os.listdir("/proc/self/fd")):  # noqa: PTH208 - numbers, not paths
        if descriptor > 2 and descriptor != kept:
            with suppress(OSError):
                os.close(descriptor)


def _send(connection: Connection, message: dict[str, Any]) -> None:
    with suppress(OSError):  # the worker is gone, which the reader notices
        connection.send_bytes(json.dumps(message).encode())


def _error(described: dict[str, Any]) -> FunctionError:
    error = of_code(described["code"], described["message"], described["detail"], described["retryable"])
    error.trace = described.get("trace", ())
    return error


def _crash(status: int, progress: dict[str, Any]) -> WorkerCrashed:
    """The error for a worker that died with this status; if it was in own code, that is named."""
    about = {name: progress[name] for name in ("apply", "rows") if name in progress and "apply" in progress}
    place = f" in {about['apply']}" if about else ""
    if status >= 0:
        message = f"the worker ended with status {status}{place}; the next request has a new one"
        return WorkerCrashed(message, status=status, **about)
    name = signal.Signals(-status).name
    cause = "; it may have needed more memory than the function has" if name == "SIGKILL" else ""
    message = f"the worker was ended by {name}{place}{cause}; the next request has a new one"
    return WorkerCrashed(message, signal=name, **about)
