"""Own code on frames that does everything that own code may do wrong. Mounted into containers of the function."""

from __future__ import annotations

import ctypes
import os
import time
from typing import Any

import numpy as np


def brightness(frames: Any, rows: Any, seconds: Any) -> Any:
    return frames.mean(axis=(1, 2, 3))


def raises(frames: Any, rows: Any, seconds: Any) -> Any:
    raise ValueError("a secret of the caller")


def crashes(frames: Any, rows: Any, seconds: Any) -> Any:
    ctypes.string_at(0)


def leaves(frames: Any, rows: Any, seconds: Any) -> Any:
    os._exit(7)


def loops(frames: Any, rows: Any, seconds: Any) -> Any:
    while True:
        pass


def holds(frames: Any, rows: Any, seconds: Any) -> Any:
    """Keep the interpreter, so that no other thread runs."""
    ctypes.PyDLL(None).sleep(3600)


def slow(frames: Any, rows: Any, seconds: Any) -> Any:
    """Keep it for longer than a worker may be silent elsewhere."""
    ctypes.PyDLL(None).sleep(7)
    return rows


def hungry(frames: Any, rows: Any, seconds: Any) -> Any:
    held: list[Any] = []
    while True:
        held.append(np.ones(8 << 20))


def short(frames: Any, rows: Any, seconds: Any) -> Any:
    return rows[:-1]


def speaks(frames: Any, rows: Any, seconds: Any) -> Any:
    print("own code speaks", flush=True)
    return [{"row": int(row), "seconds": float(at)} for row, at in zip(rows, seconds, strict=True)]


class Model:
    def __init__(self) -> None:
        time.sleep(1)
        self.made = os.getpid()

    def __call__(self, frames: Any, rows: Any, seconds: Any) -> Any:
        return np.full(len(rows), self.made)
