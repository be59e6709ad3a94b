"""Selections: the types of all ways to select rows of a video."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable
from dataclasses import dataclass
from typing import SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Between",
    "Every",
    "Keyframes",
    "Last",
    "NearestKeyframes",
    "Refined",
    "RowList",
    "RowRange",
    "Selection",
    "Spread",
    "Times",
    "at",
    "between",
    "count",
    "every",
    "keyframes",
    "last",
    "nearest_keyframe",
    "refined",
]


@dataclass(frozen=True, slots=True)
class Last:
    """The last row."""


@dataclass(frozen=True, slots=True)
class RowList:
    """These rows, in this order, duplicates kept. In a list or a tuple `Last()` may stand for a row."""

    rows: Iterable[SupportsIndex | Last] | NDArray[np.integer]


@dataclass(frozen=True, slots=True)
class RowRange:
    """Rows start, start + step, ... below stop, with 0 <= start < stop and step >= 1. None: the end of the video."""

    start: int = 0
    stop: int | None = None
    step: int = 1


@dataclass(frozen=True, slots=True)
class Times:
    """The rows on display at these times, in seconds: a number or several."""

    seconds: ArrayLike


@dataclass(frozen=True, slots=True)
class Between:
    """The rows on display from `start_seconds` until before `stop_seconds`; None: the end of the video.

    fps: instead of every row, those on display at start, start + 1 / fps, ... before stop: some left out or repeated.
    Raises ValueError for times that do not ascend, or an fps that is not above 0.
    """

    start_seconds: float
    stop_seconds: float | None = None
    fps: float | None = None

    def __post_init__(self) -> None:
        if self.stop_seconds is not None and not self.start_seconds <= self.stop_seconds:
            raise ValueError(f"from {self.start_seconds} s to {self.stop_seconds} s: stop must not be before start")
        if self.fps is not None:
            _check_positive("fps", self.fps)


@dataclass(frozen=True, slots=True)
class Every:
    """The rows on display when the first row appears and each `seconds` (more than 0) after that."""

    seconds: float

    def __post_init__(self) -> None:
        _check_positive("seconds", self.seconds)


@dataclass(frozen=True, slots=True)
class Keyframes:
    """The rows that decode without any other."""


@dataclass(frozen=True, slots=True)
class NearestKeyframes:
    """For each of these times, in seconds, the key frame that appears nearest to it; of two as near the earlier."""

    seconds: ArrayLike


@dataclass(frozen=True, slots=True)
class Spread:
    """`count` (at least 1) rows, spread evenly: the middles of as many equal parts."""

    count: int

    def __post_init__(self) -> None:
        if operator.index(self.count) < 1:
            raise ValueError(f"count is {in_short(self.count)}; the least is 1")


Plain = RowList | RowRange | Last | Times | Between | Every | Keyframes | NearestKeyframes | Spread


@dataclass(frozen=True, slots=True)
class Refined:
    """`selection` within some seconds of the video, thinned out, moved to key frames, or filled with what is there.

    start_seconds, stop_seconds: only what is on display from start until before stop; negative: from the end of the
        video. Intervals begin at start, a count is spread over that part, and other times outside it are left out.
    most: at most so many rows (at least 1), evenly spread over the others: the middles of as many equal parts.
    snap: instead of each row the last key frame that appears no later, which decodes without any other; the first key
        frame if there is none.
    strict: a time or a count that the video does not have is an error. Otherwise times before the first row mean that,
        times behind the last one the last; a count is at most all rows, each once; a range ends with the video; and
        a part of the video that holds no row is the one on display at its start. Rows by number have to be there.
    Raises ValueError if both seconds count from the same end and do not ascend, or for a `most` below 1.
    """

    selection: Plain
    start_seconds: float | None = None
    stop_seconds: float | None = None
    most: int | None = None
    snap: bool = False
    strict: bool = True

    def __post_init__(self) -> None:
        start, stop = self.start_seconds, self.stop_seconds
        if not all(math.isfinite(seconds or 0) for seconds in (start, stop)):
            raise ValueError(f"from {start} s to {stop} s: both must be finite")
        if start is not None and stop is not None and (start < 0) == (stop < 0) and stop <= start:
            raise ValueError(f"from {start} s to {stop} s: stop must be behind start")
        if self.most is not None and operator.index(self.most) < 1:
            raise ValueError(f"most is {in_short(self.most)}; it must be 1 or more")


Selection = Plain | Refined

# short names, for hwang.every(2.0)
at, between, every, keyframes, nearest_keyframe, count = Times, Between, Every, Keyframes, NearestKeyframes, Spread
last, refined = Last, Refined


def _check_positive(name: str, number: float) -> None:
    if not 0 < number < math.inf:
        raise ValueError(f"{name} is {number!r}; it must be a number above 0")


def in_short(number: int) -> int | str:
    """`number` in a few characters, however large it is."""
    if abs(number) < 10**18:
        return number
    return f"{float(number):.3g}" if abs(number) < 10**300 else "(a number of over 300 digits)"
