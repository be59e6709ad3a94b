"""One contender in a process of its own. Requests and answers are lines of JSON on standard input and output.

    python -m bench.worker NAME

{"do": "open", "path": P, "size": [W, H] or null, "options": {…}, "layout": [BITS, ACROSS, DOWN]}
{"do": "run", …the same…, "rows": […]}     of a video that is open; the numbers are read after the clock has stopped
{"do": "release"}                          close everything
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.metadata  # so that no contender pays for it
import json
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from bench.barcode import Layout
from bench.contenders.base import Movie
from bench.meter import measure

Request = dict[str, Any]


class Worker:
    """The opened videos of one contender."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._module: Any = None
        self._movies: dict[str, Movie] = {}

    def load(self) -> dict[str, Any]:
        """Import the decoder. numpy, which all need, is here already."""
        start = time.perf_counter()
        self._module = importlib.import_module(f"bench.contenders.{self._name}")
        return {"import_seconds": time.perf_counter() - start, "version": self._module.VERSION}

    def answer(self, request: Request) -> dict[str, Any]:
        actions: dict[str, Callable[[Request], dict[str, Any]]] = {
            "open": self.open,
            "run": self.run,
            "release": self.release,
        }
        return actions[request["do"]](request)

    def open(self, request: Request) -> dict[str, Any]:
        size = tuple(request["size"]) if request["size"] else None
        movie, cost = measure(lambda: self._module.Movie(request["path"], size, request["options"]))
        self._movies[_key(request)] = movie
        return {**dataclasses.asdict(cost), "frames": len(movie)}

    def run(self, request: Request) -> dict[str, Any]:
        movie = self._movies[_key(request)]
        frames, cost = measure(lambda: movie.frames(request["rows"]))
        layout = Layout(*request["layout"])
        numbers = [layout.read(np.asarray(frame)) for frame in frames]
        return {**dataclasses.asdict(cost), "output_bytes": sum(frame.nbytes for frame in frames), "numbers": numbers}

    def release(self, _: Request) -> dict[str, Any]:
        for movie in self._movies.values():
            movie.close()
        self._movies.clear()
        return {}


def _key(request: Request) -> str:
    return json.dumps([request["path"], request["size"], request["options"]])


def _guarded(call: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return call()
    except Exception as error:  # whatever a contender raises is a result
        first_line = (str(error).splitlines() or [""])[0]
        return {"error": f"{type(error).__name__}: {first_line[:300]}"}


def main(name: str) -> None:
    answers = os.fdopen(os.dup(1), "w")  # what a library prints goes to standard error
    os.dup2(2, 1)
    worker = Worker(name)
    greeting = _guarded(worker.load)
    print(json.dumps(greeting), file=answers, flush=True)
    for line in () if "error" in greeting else sys.stdin:
        print(json.dumps(_guarded(partial(worker.answer, json.loads(line)))), file=answers, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
