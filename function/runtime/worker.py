"""The worker process: takes requests from the supervisor, one after another, and answers each."""

from __future__ import annotations

import ctypes
import gc
import json
import math
import os
import resource
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

from function import s3, scratch
from function.deadline import Deadline
from function.errors import FunctionError, Internal, from_exception
from function.frames import own_code
from function.models.event import EVENT
from function.runtime import dispatch
from function.runtime.json_log import stack
from function.runtime.leftovers import Leftovers
from function.session import Session

BEAT_SECONDS: Final = 0.5
_LIBC: Final = ctypes.CDLL(None)  # glibc
_M_ARENA_MAX: Final = -8  # glibc's number
_ARENAS: Final = 2  # more arenas, one for each thread, would keep freed memory


Send = Callable[[dict[str, Any]], None]
"""Sends one message to the supervisor, from any thread. Raises OSError if it is gone."""


def main(connection: Connection, memory: int | None, loads: bool) -> None:
    """Answer requests until the supervisor is gone.

    `memory`: bytes that this process may allocate. `loads`: load own code before the first request.
    """
    _prepare(memory)
    warming = _warm_up()
    lock = threading.Lock()

    def send(message: dict[str, Any]) -> None:
        with lock:
            connection.send_bytes(json.dumps(message).encode())

    if loads:
        own_code.load_all()
        send({"loaded": True})
    s3.give_up = lambda error: _leave(send, error)
    leftovers = Leftovers()
    is_first = True
    with suppress(EOFError, OSError):  # the supervisor is gone
        while True:
            message = json.loads(connection.recv_bytes())
            send({"beat": {}})  # the request has arrived
            leftovers.add(message.get("leftovers", {}))
            answer = _answer(message, send, leftovers)
            send({**answer, "undone": leftovers.undone()})
            if "error" in answer:
                leftovers.add({message["run"]: answer["left"]})
            del message, answer
            _release_memory()
            if is_first:  # what is there now stays; to look at the S3 client alone takes a collection 10 ms
                warming.join()
                gc.freeze()
                is_first = False


def _prepare(memory: int | None) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    _LIBC.mallopt(_M_ARENA_MAX, _ARENAS)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if memory:
        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    with suppress(OSError):  # the kernel shall end this process, not the one that answers Lambda
        Path("/proc/self/oom_score_adj").write_text("1000")


def _warm_up() -> threading.Thread:
    """Prepare what only requests need; the process that answers Lambda starts meanwhile.

    Returns the thread that makes the S3 client. A request that needs none, such as a self-test, does not wait for it.
    """
    thread = threading.Thread(target=_make_client, name="hwang-client", daemon=True)
    thread.start()
    EVENT.rebuild()
    return thread


def _make_client() -> None:
    with suppress(Internal):  # each request reports it
        s3.client()


def _answer(message: dict[str, Any], send: Send, leftovers: Leftovers) -> dict[str, Any]:
    session = _session(message, send)
    try:
        with _beating(send, session):
            if "event" not in message:
                return {"left": leftovers.wait(message["until"])}
            with leftovers.beside_a_request(), scratch.folder():
                return {"result": dispatch.run(message["event"], session)}
    except (FunctionError, OSError, RuntimeError) as error:  # no temporary folder, no further thread
        return {"error": _described(from_exception(error)), "left": session.left}


def _leave(send: Send, error: FunctionError) -> None:
    """End this process in the middle of a request; the next worker deletes its unfinished objects."""
    with suppress(OSError):
        send({"error": _described(error), "gone": True})
    os._exit(0)


def _release_memory() -> None:
    """Return the last request's memory to the system.

    A caught exception may hold all of it, decoders and their threads as well, and the allocator keeps freed memory.
    """
    gc.collect()
    _LIBC.malloc_trim(0)


@contextmanager
def _beating(send: Send, session: Session) -> Iterator[None]:
    """Send the progress twice a second, as a sign of life. Ends the process if the supervisor is gone."""
    done = threading.Event()

    def beat() -> None:
        while not done.wait(BEAT_SECONDS):
            try:
                send({"beat": session.progress()})
            except OSError:
                os._exit(0)

    thread = threading.Thread(target=beat, name="hwang-beat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _session(message: dict[str, Any], send: Send) -> Session:
    deadline = Deadline(message.get("deadline", math.inf))
    session = Session(s3.late_client(), deadline, lambda entry: send({"journal": entry}), run=message.get("run", ""))
    session.tell = lambda: send({"beat": session.progress()})
    return session


def _described(error: FunctionError) -> dict[str, Any]:
    described: dict[str, Any] = error.facts()
    if isinstance(error, Internal):
        # Only the stack: the text of an unknown exception may hold secrets.
        cause = error.__cause__ or error
        described["trace"] = stack(type(cause), cause.__traceback__)
    elif error.trace:
        described["trace"] = list(error.trace)
    return described
