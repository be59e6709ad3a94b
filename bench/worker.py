"""One contender in a process of its own. Requests and answers are lines of JSON on standard input and output.

    python -m bench.worker NAME

{"do": "open", "path": P, "size": [W, H] or null, "options": {…}, "layout": [BITS, ACROSS, DOWN]}    closes other paths
{"do": "run", …the same…, "rows": […]}     of a video that is open; the numbers are read after the clock has stopped
"""

from __future__ import annotations

import http.client  # noqa: F401 - this and the next are imported here so that no contender pays for them
import importlib.metadata
import json
import os
import re
import resource
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from bench.contenders import Movie
from bench.video import Layout

PROCESS = Path("/proc/self")
Message = dict[str, Any]
T = TypeVar("T")


class Worker:
    """The opened videos of one contender: one path, with any sizes and options."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._module: Any = None
        self._path = ""
        self._movies: dict[str, Movie] = {}

    def load(self) -> Message:
        """Imports the decoder. numpy, which all need, is here already."""
        start = time.perf_counter()
        self._module = importlib.import_module(f"bench.contenders.{self._name}")
        return {"import_seconds": time.perf_counter() - start, "version": self._module.VERSION}

    def answer(self, request: Message) -> Message:
        """Answers a request with what it took, and the number of frames or the numbers that they show."""
        key = json.dumps([request["size"], request["options"]])
        if request["do"] == "open":
            return self._open(request, key)
        movie, rows = self._movies[key], request["rows"]
        if hasattr(movie, "prepare"):
            movie.prepare(rows)
        frames, cost = measured(lambda: movie.frames(rows))
        layout = Layout(*request["layout"])
        numbers = [layout.read(np.asarray(frame)) for frame in frames]
        return {**cost, "output_bytes": sum(frame.nbytes for frame in frames), "numbers": numbers}

    def _open(self, request: Message, key: str) -> Message:
        if request["path"] != self._path:
            for movie in self._movies.values():
                movie.close()
            self._movies.clear()
            self._path = request["path"]
        size = tuple(request["size"]) if request["size"] else None
        movie, cost = measured(lambda: self._module.Movie(self._path, size, request["options"]))
        self._movies[key] = movie
        return {**cost, "frames": len(movie)}


def measured(call: Callable[[], T]) -> tuple[T, Message]:
    """The call's result, and what it cost over all threads: seconds of `wall` and `cpu`, `peak_bytes`, `read_bytes`.

    `peak_bytes` is the most that was resident at once, not what the call added; `read_bytes` is what the process's read
    calls returned, from the disk or the page cache.
    """
    (PROCESS / "clear_refs").write_text("5")
    read, used, start = _field("io", "rchar"), _cpu_seconds(), time.perf_counter()
    result = call()
    wall, cpu = time.perf_counter() - start, _cpu_seconds() - used
    peak = _field("status", "VmHWM") * 1024
    return result, {"wall": wall, "cpu": cpu, "peak_bytes": peak, "read_bytes": _field("io", "rchar") - read}


def _cpu_seconds() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _field(file: str, name: str) -> int:
    found = re.search(rf"^{name}:\s*(\d+)", (PROCESS / file).read_text(), re.MULTILINE)
    if not found:
        raise OSError(f"{PROCESS / file} has no {name}")
    return int(found[1])


def _guarded(call: Callable[[], Message]) -> Message:
    try:
        return call()
    except Exception as error:  # whatever a contender raises is a result
        first_line = (str(error).splitlines() or [""])[0]
        return {"error": f"{type(error).__name__}: {first_line[:300]}"}


def main(name: str) -> None:
    """Answers requests until standard input ends, or not at all if the decoder cannot be imported."""
    answers = os.fdopen(os.dup(1), "w")  # what a library prints goes to standard error
    os.dup2(2, 1)
    worker = Worker(name)
    greeting = _guarded(worker.load)
    print(json.dumps(greeting), file=answers, flush=True)
    for line in () if "error" in greeting else sys.stdin:
        print(json.dumps(_guarded(partial(worker.answer, json.loads(line)))), file=answers, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
