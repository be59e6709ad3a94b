"""Plan which samples to decode, and which bytes to read, for some rows. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from hwang.index import MAX_SAMPLES, VideoIndex
from hwang.ranges import ByteRange
from hwang.rows import Rows, rows_of
from hwang.selections import Selection

REQUEST_COST_BYTES = 256 * 1024
"""Unneeded bytes that are read rather than making another request.

The best value is latency in seconds x bytes per second: 20 ms x 80 MB/s = 1.6 MB for object storage from nearby,
0.1 ms x 2 GB/s = 200 KB for a local disk. With 0 no unneeded byte is read, which is best if only bytes cost money.
"""

_SYNCS_BACK = 3
"""Nearly every sample starts at its own or the previous sync sample."""

_Integer = TypeVar("_Integer", bound=np.integer)


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """Samples for one decoder, from a sync sample to the last one needed. Runs do not depend on each other."""

    samples: NDArray[np.uint32]  # [n] to feed, in decode order, without disposable ones that are not wanted
    wanted: NDArray[np.uint32]  # [m] subset of `samples` to keep, in decode order
    ranges: tuple[ByteRange, ...]  # (offset, length) that cover all `samples`, ascending


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Work for one request. `samples_decoded` is an upper bound: the core may skip more."""

    rows: NDArray[np.int64]  # [n] as asked for
    sample_of_position: NDArray[np.uint32]  # [n] the sample that shows rows[i]
    runs: tuple[Run, ...]  # in decode order, disjoint
    ranges: tuple[ByteRange, ...]  # all runs' bytes, coalesced
    samples_decoded: int
    samples_skipped: int  # inside the runs, known to be disposable and not wanted
    bytes_to_read: int  # sum of `ranges`

    def __str__(self) -> str:
        return (
            f"{counted(len(self.rows), 'row')} in {counted(len(self.runs), 'run')}: "
            f"{counted(self.samples_decoded, 'sample')} to decode, {self.samples_skipped:,} left out, "
            f"{counted(self.bytes_to_read, 'byte')} to read in {counted(len(self.ranges), 'range')}"
        )


def counted(number: int, noun: str) -> str:
    """Format a number with its noun: 1 row, 2,000 rows."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def make_plan(index: VideoIndex, rows: Rows | Selection, *, request_cost_bytes: int = REQUEST_COST_BYTES) -> Plan:
    """Plan the decoding of `rows`.

    Every wanted sample is decoded once, however often requested. A run starts at the last sync sample, in decode
    order, that is not displayed after the wanted sample, so that the leading pictures of an open GOP start one sync
    sample earlier. Runs that would overlap are one. Byte ranges join over gaps of up to `request_cost_bytes`, which
    is best chosen as latency x bandwidth (see REQUEST_COST_BYTES).
    Raises FrameIndexError for a row outside [0, len(index)), TypeError for one that is not an integer, ValueError for
    a negative cost.
    """
    if request_cost_bytes < 0:
        raise ValueError(f"request_cost_bytes is {request_cost_bytes}; the least is 0: read only needed bytes")
    positions = rows_of(rows, index, MAX_SAMPLES)
    sample_of_position = index.order[positions]
    wanted = _distinct(sample_of_position)
    groups = _groups(start_samples(index, wanted), wanted)
    runs = tuple(_run(index, start, members, request_cost_bytes) for start, members in groups)
    decoded = sum(len(run.samples) for run in runs)
    spanned = sum(int(run.samples[-1]) - int(run.samples[0]) + 1 for run in runs)
    samples = np.concatenate([run.samples for run in runs]) if runs else np.empty(0, np.uint32)
    ranges = index.byte_ranges(samples, request_cost_bytes)
    return Plan(
        rows=positions,
        sample_of_position=sample_of_position,
        runs=runs,
        ranges=ranges,
        samples_decoded=decoded,
        samples_skipped=spanned - decoded,
        bytes_to_read=sum(length for _, length in ranges),
    )


def slice_into_video_intervals(index: VideoIndex, rows: Rows | Selection) -> list[tuple[tuple[int, int], list[int]]]:
    """Return upstream's view of a plan: [((first_sample, end_sample), rows), ...], ascending, half-open, disjoint.

    An interval goes from a sync sample to the next one behind its last row; `rows` are those that it shows,
    ascending, each once. Neighbouring intervals are one. Raises like make_plan.
    """
    wanted_rows = _distinct(rows_of(rows, index, MAX_SAMPLES))
    wanted = _distinct(index.order[wanted_rows])
    bounds = np.append(np.flatnonzero(index.sync), index.samples)
    intervals: list[tuple[int, int]] = []
    for start, members in _groups(start_samples(index, wanted), wanted):
        end = int(bounds[np.searchsorted(bounds, members[-1], "right")])
        if intervals and start <= intervals[-1][1]:
            start = intervals.pop()[0]
        intervals.append((start, end))
    shown_from = index.order[wanted_rows]
    return [((a, b), wanted_rows[(shown_from >= a) & (shown_from < b)].tolist()) for a, b in intervals]


def earlier_start(index: VideoIndex, run: Run, *, samples_back: int = 1) -> Run | None:
    """Return a run for the same samples from a sync sample at least `samples_back` samples earlier, or from sample 0.

    Used if decoding failed, as the sync sample is not one. None if `run` starts at sample 0.
    """
    first = int(run.samples[0])
    if first == 0:
        return None
    earlier = np.flatnonzero(index.sync[: max(0, first - samples_back + 1)])
    return _run(index, int(earlier[-1]) if len(earlier) else 0, run.wanted, REQUEST_COST_BYTES)


def own_runs(index: VideoIndex, wanted: NDArray[np.uint32]) -> tuple[Run, ...]:
    """Return a run for the samples (ascending) of each start, so that none is decoded behind what it does not need."""
    starts = start_samples(index, wanted)
    return tuple(_run(index, int(start), wanted[starts == start], REQUEST_COST_BYTES) for start in _distinct(starts))


def start_samples(index: VideoIndex, wanted: NDArray[np.uint32]) -> NDArray[np.int64]:
    """Return the sample to start decoding at for each of `wanted` (ascending sample numbers), int64 [n].

    For a sample s that is the last sync sample k, in decode order, with k <= s and pts[k] <= pts[s], if it is one of
    the last three: no sound video leads further. Otherwise the first sync sample, or sample 0 if that comes later.
    """
    syncs = np.flatnonzero(index.sync)
    result = np.zeros(len(wanted), np.int64)
    if not len(syncs):
        return result
    position = np.searchsorted(syncs, wanted, "right") - 1
    result[position >= 0] = syncs[0]
    open_ = np.flatnonzero(position >= 0)  # not settled yet
    for _ in range(_SYNCS_BACK):
        candidate = syncs[position[open_]]
        good = index.pts[candidate] <= index.pts[wanted[open_]]
        result[open_[good]] = candidate[good]
        open_ = open_[~good]
        position[open_] -= 1
        open_ = open_[position[open_] >= 0]
    return result


def _distinct(numbers: NDArray[_Integer]) -> NDArray[_Integer]:
    """Sort, and drop duplicates. The first numpy.unique of a process takes 15 ms: it imports numpy.ma."""
    ascending = np.sort(numbers)
    first = np.ones(len(ascending), np.bool_)
    np.not_equal(ascending[1:], ascending[:-1], out=first[1:])
    return ascending[first]


def _groups(starts: NDArray[np.int64], wanted: NDArray[np.uint32]) -> list[tuple[int, NDArray[np.uint32]]]:
    """Split `wanted` (ascending) into runs that do not overlap: (first sample to decode, wanted samples) of each."""
    if not len(wanted):
        return []
    needed_from = np.minimum.accumulate(starts[::-1])[::-1]  # the earliest start from here on
    cuts = np.flatnonzero(needed_from[1:] > wanted[:-1]) + 1
    firsts = needed_from[np.concatenate([[0], cuts])].tolist()
    return list(zip(firsts, np.split(wanted, cuts), strict=True))


def _run(index: VideoIndex, start: int, wanted: NDArray[np.uint32], gap: int) -> Run:
    second_field = 1 if index.separate_fields else 0  # completes the last frame
    stop = min(int(wanted[-1]) + 1 + second_field, index.samples)
    keep = ~index.disposable[start:stop] | index.separate_fields
    keep[0] = True
    keep[wanted - np.uint32(start)] = True
    samples = (np.flatnonzero(keep) + start).astype(np.uint32)
    return Run(samples, wanted, index.byte_ranges(samples, gap))
