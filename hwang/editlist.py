"""Edit lists: which samples are shown, and when. The rules are those of FFmpeg's demuxer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hwang.boxes import Box, Fields
from hwang.errors import LimitExceededError
from hwang.index import check_sample_count
from hwang.sampletable import Samples

__all__ = ["Edit", "Rows", "apply_edits", "read_edit_list", "time_offset"]

EMPTY = -1
"""Media time of an edit that shows nothing."""

_LONGEST = 1 << 56  # ticks
_MOST_WORK = 1 << 28  # edits x samples


@dataclass(frozen=True, slots=True)
class Edit:
    """Show [media_time, media_time + duration), both in ticks of the media."""

    media_time: int
    duration: int


@dataclass(frozen=True, slots=True)
class Rows:
    """What is displayed: sample and ticks of each row [N], and the ticks that all edits last."""

    order: NDArray[np.uint32]
    pts: NDArray[np.int64]
    duration: int


def read_edit_list(elst: Box, movie_timescale: int, media_timescale: int) -> list[Edit]:
    """The edits of an elst box; none if the movie has no timescale. Playback rates are ignored, as FFmpeg does."""
    fields = Fields(elst)
    version, _ = fields.version_and_flags()
    fields.take(4)  # the count; the bytes there decide
    if not movie_timescale:
        return []
    wide = version == 1
    dtype = np.dtype([("duration", ">i8" if wide else ">u4"), ("time", ">i8" if wide else ">i4"), ("rate", ">u4")])
    entries = np.frombuffer(fields.take(fields.left // dtype.itemsize * dtype.itemsize), dtype)
    edits = zip(entries["time"].tolist(), entries["duration"].tolist(), strict=True)
    return [Edit(_clip(time), _clip(_rescale(length, media_timescale, movie_timescale))) for time, length in edits]


def _clip(ticks: int) -> int:
    """Keeps sums of times within 64 bits."""
    return max(-_LONGEST, min(ticks, _LONGEST))


def _rescale(value: int, to: int, of: int) -> int:
    """value * to / of, rounded to nearest, halves away from zero."""
    magnitude = (abs(value) * to + of // 2) // of
    return magnitude if value >= 0 else -magnitude


def time_offset(edits: list[Edit]) -> int:
    """Ticks to take from media times for display, where all samples are shown (fragmented files)."""
    empty = edits[0].duration if edits and edits[0].media_time == EMPTY else 0
    first = 1 if edits and edits[0].media_time == EMPTY else 0
    start = edits[first].media_time if len(edits) > first and edits[first].media_time >= 0 else 0
    return start - empty


def apply_edits(samples: Samples, edits: list[Edit]) -> Rows:
    """Order and times of the rows under `edits`.

    A leading empty edit delays. Every other edit shows the samples whose pts lie in it, by pts, up to its end or to
    the sync sample at which FFmpeg stops looking. The first row is at 0, or at the end of the leading empty edits.
    """
    if len(edits) * len(samples) > _MOST_WORK:
        raise LimitExceededError(f"an edit list of {len(edits)} entries over {len(samples)} samples; remux the video")
    orders: list[NDArray[np.int64]] = []
    times: list[NDArray[np.int64]] = []
    shift = int(max(0, -samples.dts[0])) if len(samples) else 0
    clock, delay, rows, seen = -shift, 0, 0, False
    for edit in edits:
        begin, clock = clock, _clip(clock + edit.duration)
        if not seen and edit.media_time == EMPTY:
            delay += edit.duration
            continue
        seen = True
        shown = _shown(samples, edit, shift)
        rows = check_sample_count(rows + len(shown))
        if len(shown):
            moved = samples.pts[shown] + (begin - int(samples.dts[shown[0]]))
            by_time = np.argsort(samples.pts[shown], kind="stable")
            orders.append(shown[by_time])
            times.append(moved[by_time])
    order = np.concatenate(orders) if orders else np.empty(0, np.int64)
    pts = np.concatenate(times) if times else np.empty(0, np.int64)
    early = int(pts.min()) - delay if len(pts) else 0
    return Rows(order.astype(np.uint32), pts - max(0, early), clock + shift)


def _shown(samples: Samples, edit: Edit, shift: int) -> NDArray[np.int64]:
    """Numbers of the samples that `edit` shows, in decode order."""
    first = _search(samples, edit.media_time, shift)
    pts, end = samples.pts[first:], edit.media_time + edit.duration
    step = np.append(np.diff(samples.dts[first:]), edit.duration)
    passed = np.flatnonzero((pts + step >= end) & samples.sync[first:])
    enough = 2 if samples.reordered else 1  # leading pictures may follow the first sync sample behind the end
    stop = int(passed[enough - 1]) + 1 if len(passed) >= enough else len(pts)
    inside = (pts[:stop] >= edit.media_time) & (pts[:stop] < end)
    return np.flatnonzero(inside) + first


def _search(samples: Samples, time: int, shift: int) -> int:
    """The sample from which FFmpeg looks for those that an edit shows: a sync sample not after `time`, or 0."""
    early = np.flatnonzero(samples.sync & (samples.dts <= time - shift))
    if samples.reordered:
        early = early[samples.pts[early] - shift <= time - shift]
    if not len(early):
        return 0
    found = int(early[-1])
    if not samples.reordered:
        while found and samples.dts[found - 1] == samples.dts[found] and samples.sync[found - 1]:
            found -= 1
    return found
