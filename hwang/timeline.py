"""Times of rows: the row on display at a time, and how long each is on display."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hwang.errors import ClockError, FrameIndexError

TOLERANCE_SECONDS = 1e-6
"""Times are written with a few decimals: 0.041667 means the frame at 1/24 s."""


_UNKNOWN_FPS = 25
"""Frames per second of a lone frame that states no duration, where it has to have one."""


class Timeline(Protocol):
    """The part of a VideoIndex that the times of rows need."""

    @property
    def row_pts(self) -> NDArray[np.int64]:
        """[N] ticks at which each row is displayed, ascending."""

    @property
    def time_base(self) -> tuple[int, int]:
        """Seconds per tick."""

    @property
    def clockless(self) -> bool:
        """True if the ticks only order the rows."""

    def fps(self) -> float:
        """Mean frames per second, 0 if unknown."""

    def __len__(self) -> int: ...


def times_of(seconds: ArrayLike) -> NDArray[np.float64]:
    """Return a number or several as float64 [n]. Raises TypeError for other shapes."""
    times = np.atleast_1d(np.asarray(seconds, np.float64))
    if times.ndim != 1:
        raise TypeError(f"seconds must be a number or a sequence of numbers, not {times.ndim}-D")
    return times


def rows_on_display(seconds: NDArray[np.float64], index: Timeline) -> NDArray[np.int64]:
    """The row on display at each of `seconds` ([n], as the video's timestamps count): the last that began by then.

    A row begins a microsecond early, and the last one is on display for one frame interval. Raises FrameIndexError
    for the first time outside, with its `position` in `detail`, and ClockError if the rows have no times.
    """
    first, end = display_seconds(index)
    outside = ~((seconds >= first - TOLERANCE_SECONDS) & (seconds <= end + TOLERANCE_SECONDS)) | (len(index) == 0)
    if outside.any():
        position = int(outside.argmax())
        raise FrameIndexError(
            f"{seconds[position]:.6g} s is outside the video, which is on display from {first:.6g} s to {end:.6g} s",
            position=position,
            seconds=float(seconds[position]),
            first_seconds=first,
            end_seconds=end,
        )
    return begun_by(seconds - first, index)


def begun_by(seconds: NDArray[np.float64], index: Timeline) -> NDArray[np.int64]:
    """The last row that appears by each of `seconds` after the first row, so that a late start costs no precision.

    Raises ClockError if the rows have no times.
    """
    _check_clock(index)
    numerator, denominator = index.time_base
    began = (index.row_pts - index.row_pts[:1]).astype(np.float64) * (numerator / denominator)
    return np.searchsorted(began, seconds + TOLERANCE_SECONDS, "right") - 1


def display_seconds(index: Timeline) -> tuple[float, float]:
    """Return the times at which the first row appears and the last one ends, as timestamps() counts; else zeros.

    Raises ClockError if the rows have no times.
    """
    _check_clock(index)
    if len(index) == 0:
        return 0.0, 0.0
    numerator, denominator = index.time_base
    last_interval = (int(index.row_pts[-1]) - int(index.row_pts[-2:][0])) * numerator / denominator
    interval = max(1 / index.fps() if index.fps() > 0 else 0.0, last_interval)
    first, last = (int(index.row_pts[place]) * numerator / denominator for place in (0, -1))
    return first, last + interval


def row_times(rows: NDArray[np.int64], index: Timeline) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the seconds at which rows appear and for which they stay, float64 [n] each; NaN if they have no times.

    A row stays until the next one appears, the last one for the mean interval.
    """
    if index.clockless:
        return np.full(len(rows), np.nan), np.full(len(rows), np.nan)
    pts, last = index.row_pts, len(index) - 1
    second = index.time_base[0] / index.time_base[1]
    ticks = (pts[np.minimum(rows + 1, last)] - pts[rows]).astype(np.float64)
    return pts[rows].astype(np.float64) * second, np.where(rows == last, mean_interval(index), ticks * second)


def played_ticks(rows: NDArray[np.int64], index: Timeline, max_ticks: int) -> tuple[NDArray[np.int64], int]:
    """The ticks for which each of `rows` ([n]) is shown so that they keep their times, int64 [n], and ticks per second.

    A row is shown until the one asked for next appears, the last row, and one that is followed by an earlier one, as
    long as in the video; rows that repeat share that time. Ticks are those of the video, or finer where rows repeat,
    and coarser if they were finer than a microsecond, or if a row were shown for more than `max_ticks`. A row lasts a
    tick at least. Raises ClockError if the rows have no times.
    """
    _check_clock(index)
    numerator, denominator = index.time_base
    starts = np.flatnonzero(np.append(True, rows[1:] != rows[:-1]))  # of rows that repeat
    repeats = np.diff(np.append(starts, len(rows)))
    shown = rows[starts]
    begins = index.row_pts[shown]
    own = row_times(shown, index)[1] * (denominator / numerator)
    until_next = np.append(np.diff(begins), 0)
    own = np.nan_to_num(own, nan=denominator / numerator / _UNKNOWN_FPS)
    ticks = np.maximum(np.where(until_next > 0, until_next, own), 1)
    per_second = denominator * int(repeats.max())
    longest = float((ticks / repeats).max()) * numerator / denominator  # seconds
    scale = max(1, min(per_second, max(1_000_000, denominator), int(max_ticks / longest)))
    place = np.arange(len(rows)) - np.repeat(starts, repeats)
    before = np.repeat(np.cumsum(ticks) - ticks, repeats)
    edges = np.append(before + np.repeat(ticks / repeats, repeats) * place, ticks.sum())
    durations = np.diff(np.rint(edges * (numerator * scale / denominator)))
    return np.clip(durations, 1, max_ticks).astype(np.int64), scale


def mean_interval(index: Timeline) -> float:
    """Seconds from one row to the next on average; those of fps() for a lone row, NaN if it is unknown."""
    if index.clockless or (len(index) < 2 and not index.fps()):
        return float("nan")
    if len(index) < 2:
        return 1 / index.fps()
    ticks = int(index.row_pts[-1]) - int(index.row_pts[0])
    return ticks / (len(index) - 1) * index.time_base[0] / index.time_base[1]


def credible_duration(stated: int, row_pts: NDArray[np.int64], last_stay: int = 0) -> int:
    """Return how long the rows last in ticks: as a header states it if that is about right, else by their times.

    About: to a tenth, and to two of the longest intervals. row_pts: [N], ascending.
    last_stay: ticks for which the last row is on display, by default the mean interval.
    """
    if len(row_pts) < (1 if last_stay else 2):
        return stated
    span = int(row_pts[-1]) - int(row_pts[0])
    lasting = span + (last_stay or round(span / (len(row_pts) - 1)))
    longest = max(last_stay, np.diff(row_pts.astype(np.float64)).max(initial=0))
    return stated if abs(stated - lasting) <= min(2 * longest, lasting / 10) else lasting


def _check_clock(index: Timeline) -> None:
    if index.clockless:
        raise ClockError(
            "this raw stream states no times: open it with fps=, such as Decoder(video, fps=25), or ask for rows"
        )
