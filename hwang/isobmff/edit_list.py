"""Edit lists: the samples that are shown, and their times. The rules are those of FFmpeg's demuxer."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwang.errors import LimitExceededError
from hwang.index import MAX_REORDER, check_sample_count
from hwang.isobmff.boxes import Box, FullBox
from hwang.isobmff.sample_table import Samples

EMPTY = -1
"""Media time of an edit that shows nothing."""

_MAX_TICKS = 1 << 56  # ticks
_MAX_WORK = 1 << 28  # edits x samples


class Edit(NamedTuple):
    """Show [media_time, media_time + duration), both in ticks of the media."""

    media_time: int
    duration: int


class Presentation(NamedTuple):
    """Samples and times in ticks of the rows [N], and the duration of all edits in ticks.

    `reorder` is the number of pictures that a decoder must hold back for it.
    """

    order: NDArray[np.uint32]
    pts: NDArray[np.int64]
    duration: int
    reorder: int


def read_edit_list(elst: Box, movie_timescale: int, media_timescale: int) -> list[Edit]:
    """Return the edits of an elst box; [] if the movie has no timescale. Ignores playback rates, like FFmpeg."""
    fields = FullBox(elst)
    fields.take(4)  # the count; the bytes there decide
    if not movie_timescale:
        return []
    wide = fields.version == 1
    dtype = np.dtype([("duration", ">i8" if wide else ">u4"), ("time", ">i8" if wide else ">i4"), ("rate", ">u4")])
    entries = np.frombuffer(fields.take(fields.left // dtype.itemsize * dtype.itemsize), dtype)
    edits = zip(entries["time"].tolist(), entries["duration"].tolist(), strict=True)
    return [Edit(_clip(time), _clip(_rescale(length, media_timescale, movie_timescale))) for time, length in edits]


def _clip(ticks: int) -> int:
    """Keeps sums of times within 64 bits."""
    return max(-_MAX_TICKS, min(ticks, _MAX_TICKS))


def _rescale(value: int, to: int, of: int) -> int:
    """value * to / of, rounded to nearest, halves away from zero."""
    magnitude = (abs(value) * to + of // 2) // of
    return magnitude if value >= 0 else -magnitude


def time_offset(edits: list[Edit]) -> int:
    """Return ticks to subtract from media times for display, if all samples are shown (fragmented files)."""
    empty = edits[0].duration if edits and edits[0].media_time == EMPTY else 0
    first = 1 if edits and edits[0].media_time == EMPTY else 0
    start = edits[first].media_time if len(edits) > first and edits[first].media_time >= 0 else 0
    return start - empty


def held_back(samples: Samples, order: NDArray[np.integer]) -> int:
    """Return FFmpeg's estimate of a decoder's delay: the most samples decoded before one that is shown before them.

    `order` has the decoded samples by presentation time. FFmpeg makes no estimate without composition offsets, or if
    chunks outnumber samples.
    """
    if not samples.reordered or samples.spare_chunks or not len(order):
        return 0
    # The sample that jumps back farthest is itself not jumped over.
    return min(int((order - np.arange(len(order))).max()), MAX_REORDER)


def apply_edits(samples: Samples, edits: list[Edit]) -> Presentation:
    """Return order and times of the rows under `edits`.

    A leading empty edit delays. Every other edit shows the samples whose pts lie in it, by pts, up to its end or to
    the sync sample at which FFmpeg stops looking. The first row is at 0, or at the end of the leading empty edits.
    """
    if len(edits) * len(samples) > _MAX_WORK:
        raise LimitExceededError(f"an edit list of {len(edits)} entries over {len(samples)} samples; remux the video")
    orders: list[NDArray[np.int64]] = []
    times: list[NDArray[np.int64]] = []
    decoded: list[NDArray[np.int64]] = []  # times of all samples that FFmpeg decodes, shown or not
    shift = int(max(0, -samples.dts[0])) if len(samples) else 0
    clock, delay, work, seen = -shift, 0, 0, False
    for edit in edits:
        begin, clock = clock, _clip(clock + edit.duration)
        if not seen and edit.media_time == EMPTY:
            delay += edit.duration
            continue
        seen = True
        first, stop, inside = _decoded(samples, edit, shift)
        work = check_sample_count(work + stop - first)
        start = samples.dts[first + int(inside.argmax())] if inside.any() else samples.dts[first:stop]
        moved = samples.pts[first:stop] + begin - start
        decoded.append(moved)
        by_time = np.argsort(moved, kind="stable")
        rows = by_time[inside[by_time]]
        orders.append(rows + first)
        times.append(moved[rows])
    order = np.concatenate(orders) if orders else np.empty(0, np.int64)
    pts = np.concatenate(times) if times else np.empty(0, np.int64)
    early = int(pts.min()) - delay if len(pts) else 0
    if len(decoded) > 1:
        by_time = np.argsort(np.concatenate(decoded), kind="stable")
    reorder = held_back(samples, by_time) if decoded else 0
    return Presentation(order.astype(np.uint32), pts - max(0, early), clock + shift, reorder)


def _decoded(samples: Samples, edit: Edit, shift: int) -> tuple[int, int, NDArray[np.bool_]]:
    """The samples [first, stop) that FFmpeg decodes for `edit`, and which of them it shows."""
    first = _search(samples, edit.media_time, shift)
    pts, end = samples.pts[first:], edit.media_time + edit.duration
    step = np.append(np.diff(samples.dts[first:]), edit.duration)
    passed = np.flatnonzero((pts + step >= end) & samples.sync[first:])
    enough = 2 if samples.reordered else 1  # leading pictures may follow the first sync sample behind the end
    stop = int(passed[enough - 1]) + 1 if len(passed) >= enough else len(pts)
    return first, first + stop, (pts[:stop] >= edit.media_time) & (pts[:stop] < end)


def _search(samples: Samples, time: int, shift: int) -> int:
    """The sample from which FFmpeg looks for those that an edit shows: a sync sample not after `time`, or 0."""
    early = np.flatnonzero(samples.sync & (samples.dts <= time - shift))
    if samples.reordered:
        early = early[samples.pts[early] - shift <= time - shift]
    if not len(early):
        return 0
    found = int(early[-1])
    if not samples.reordered:  # FFmpeg goes on to the earliest of the same time
        others = np.flatnonzero(samples.dts[:found] != samples.dts[found])
        same = int(others[-1]) + 1 if len(others) else 0
        found = same + int(samples.sync[same : found + 1].argmax())
    return found
