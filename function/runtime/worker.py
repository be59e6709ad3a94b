"""The process that does the work: takes requests from the supervisor, one after another, and answers each."""

from __future__ import annotations

import ctypes
import gc
import json
import math
import os
import resource
import signal
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

from function import s3, scratch, watchdog
from function.deadline import Deadline
from function.errors import FunctionError, Internal, from_exception
from function.models.event import EVENT
from function.output.undo_log import Journal
from function.runtime import dispatch
from function.session import Session

BEAT_SECONDS: Final = 0.5
_LIBC: Final = ctypes.CDLL(None)
_M_ARENA_MAX: Final = -8  # glibc's number
_ARENAS: Final = 2  # one for each of many threads would keep what none of them uses any more


class Channel:
    """Messages as JSON objects; sent from several threads."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def send(self, message: dict[str, Any]) -> None:
        data = json.dumps(message).encode()
        with self._lock:
            self._connection.send_bytes(data)

    def receive(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self._connection.recv_bytes())
        return message


def main(connection: Connection, memory: int | None) -> None:
    """Serves until the supervisor is gone. `memory`: bytes that this process may take."""
    _prepare(memory)
    _warm_up()
    gc.freeze()  # what requests find here is not looked through after each
    channel = Channel(connection)
    watchdog.give_up = lambda error: _leave(channel, error)
    with suppress(EOFError, OSError):  # the supervisor is gone
        while True:
            message = channel.receive()
            channel.send({"beat": {}})  # the request has arrived
            answer = _answer(message, channel)
            channel.send(answer)
            del message, answer
            _let_go()


def _prepare(memory: int | None) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    if hasattr(_LIBC, "mallopt"):
        _LIBC.mallopt(_M_ARENA_MAX, _ARENAS)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if memory:
        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    with suppress(OSError):  # where memory runs out, it is this process that goes, not the one that answers
        Path("/proc/self/oom_score_adj").write_text("1000")


def _warm_up() -> None:
    """What requests need and the process that answers Lambda does not: it goes on meanwhile."""
    EVENT.rebuild()
    with suppress(Internal):  # each request says so
        s3.client()


def _answer(message: dict[str, Any], channel: Channel) -> dict[str, Any]:
    try:
        session = _session(message, channel)
        with _beating(channel, session):
            return _withdrawn(message) if "withdraw" in message else _answered(message["event"], session)
    except (Internal, RuntimeError) as error:  # there is no client, or there are too many threads for one more
        return {"error": _described(from_exception(error))}


def _leave(channel: Channel, error: FunctionError) -> None:
    """Ends this process in the middle of a request; the supervisor has the next one clear up."""
    with suppress(OSError):
        channel.send({"error": _described(error), "gone": True})
    os._exit(0)


def _let_go() -> None:
    """Gives back what the last request had: a caught exception may hold all of it, decoders and their threads too, and
    the allocator keeps what was freed.
    """
    gc.collect()
    trim = getattr(_LIBC, "malloc_trim", None)  # glibc's
    if trim:
        trim(0)


@contextmanager
def _beating(channel: Channel, session: Session) -> Iterator[None]:
    """Tells from time to time that this process runs, and how far. Ends it when nobody listens any more."""
    done = threading.Event()

    def beat() -> None:
        while not done.wait(BEAT_SECONDS):
            try:
                channel.send({"beat": session.progress()})
            except OSError:
                os._exit(0)

    thread = threading.Thread(target=beat, name="hwang-beat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _session(message: dict[str, Any], channel: Channel) -> Session:
    deadline = Deadline(message.get("deadline", math.inf))
    return Session(s3.client(), deadline, lambda entry: channel.send({"journal": entry}), run=message["run"])


def _answered(event: object, session: Session) -> dict[str, Any]:
    try:
        with scratch.folder():
            return {"result": dispatch.run(event, session)}
    except FunctionError as error:
        return {"error": _described(error)}
    except OSError as error:  # not even a folder could be made
        return {"error": _described(from_exception(error))}


def _described(error: FunctionError) -> dict[str, Any]:
    told: dict[str, Any] = {
        "code": error.code,
        "message": error.message,
        "detail": error.detail,
        "retryable": error.retryable,
    }
    if isinstance(error, Internal):
        # Only where it happened: the text of an unknown exception may hold anything.
        cause = error.__cause__ or error
        told["trace"] = [*traceback.format_tb(cause.__traceback__), type(cause).__name__]
    return told


def _withdrawn(message: dict[str, Any]) -> dict[str, Any]:
    """Takes back what a worker that died has left behind."""
    Journal.of(message["run"], message["withdraw"]).withdraw(s3.client())
    return {"withdrawn": True}
