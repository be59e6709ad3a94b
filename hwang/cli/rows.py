"""Which frames a user means: `0,100,5000`, `0:1000:10`, `all`, `keyframes`, `1.5s`."""

from __future__ import annotations

import math
import re
from argparse import Namespace
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hwang.cli.exits import UsageError
from hwang.index import MAX_SAMPLES, VideoIndex
from hwang.plan import check_rows

__all__ = ["ROWS_HELP", "Every", "Keyframes", "Moment", "Selection", "Span", "parse_rows", "requested_rows"]

ROWS_HELP = """\
ROWS is a list of any of these, with commas between them; order and duplicates are kept:
  7            a row: rows are frames in the order in which they are shown, from 0
  0:1000:10    rows 0, 10, ... 990: START:STOP[:STEP], STOP is not among them; each may be left out
  1.5s         the frame on display at that time
  keyframes    rows that decoding can start at
  all          every row
"""


@dataclass(frozen=True, slots=True)
class Span:
    """Rows start, start + step, ... below stop; None is the end of the video."""

    start: int
    stop: int | None
    step: int


@dataclass(frozen=True, slots=True)
class Moment:
    """The frame on display at a time."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Every:
    """The frames on display at the first row's time and each `seconds` from then on."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Keyframes:
    """Rows that show a sync sample."""


Selection = int | Span | Moment | Every | Keyframes

_NUMBER = re.compile(r"\d+", re.ASCII)
_SPAN = re.compile(r"(\d*):(\d*)(?::(\d*))?", re.ASCII)
_MOMENT = re.compile(r"(-?(?:\d+\.?\d*|\.\d+))s", re.ASCII)


def parse_rows(text: str) -> tuple[Selection, ...]:
    """Raises ValueError, saying what was not understood."""
    return tuple(_parse_item(item.strip()) for item in text.split(","))


def _parse_item(item: str) -> Selection:
    if item == "all":
        return Span(0, None, 1)
    if item == "keyframes":
        return Keyframes()
    if _NUMBER.fullmatch(item):
        return int(item)
    if match := _MOMENT.fullmatch(item):
        return Moment(float(match[1]))
    if match := _SPAN.fullmatch(item):
        start, stop, step = match.groups()
        span = Span(int(start or 0), int(stop) if stop else None, int(step or 1))
        if span.step == 0 or (span.stop is not None and span.stop <= span.start):
            raise ValueError(f"'{item}' selects no rows")
        return span
    hint = "rows do not count from the end" if item.startswith("-") else "rows are like 7, 0:1000:10, 1.5s, keyframes"
    raise ValueError(f"'{item}' is no row; {hint}")


def requested_rows(arguments: Namespace, index: VideoIndex) -> NDArray[np.int64]:
    """int64 [n], n > 0, of ROWS or --every. Raises UsageError, FrameIndexError outside the video."""
    if (arguments.rows is None) == (arguments.every is None):
        raise UsageError("which rows? Give either ROWS, such as 0,100,5000 or all, or --every SECONDS")
    selections: tuple[Selection, ...] = arguments.rows or (arguments.every,)
    rows = np.concatenate([_resolve(selection, index) for selection in selections])
    if not len(rows):
        raise UsageError(f"there are no such rows in the video, which has {len(index)} frames")
    return rows


def _resolve(selection: Selection, index: VideoIndex) -> NDArray[np.int64]:
    match selection:
        case int():
            return check_rows([selection], len(index))
        case Span():
            stop = len(index) if selection.stop is None else selection.stop
            return check_rows(range(selection.start, max(stop, selection.start), selection.step), len(index))
        case Moment():
            return index.rows_at(selection.seconds)
        case Every():
            return index.rows_at(_times(selection.seconds, index))
        case Keyframes():
            return np.flatnonzero(index.sync[index.order])


def _times(interval: float, index: VideoIndex) -> NDArray[np.float64]:
    began = index.timestamps()
    if not len(began):
        return np.empty(0)
    steps = (float(began[-1]) - float(began[0])) / interval
    if steps >= MAX_SAMPLES:
        raise UsageError(f"a frame each {interval:g} s makes more than {MAX_SAMPLES:,} frames; take a longer interval")
    return float(began[0]) + interval * np.arange(math.floor(steps) + 1, dtype=np.float64)
