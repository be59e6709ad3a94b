"""Where decoding must start so that a given sample comes out right."""

from __future__ import annotations

from bisect import bisect_right

import numpy as np
from numpy.typing import NDArray

from hwang.index import VideoIndex

__all__ = ["start_samples"]


def start_samples(index: VideoIndex, wanted: NDArray[np.uint32]) -> NDArray[np.int64]:
    """int64 [n]: for each of `wanted` (ascending sample numbers) the sample to start decoding at.

    That is the last sync sample k, in decode order, with k <= s and pts[k] <= pts[s]. Where there is none it is the
    first sync sample, and sample 0 if that comes later too.
    """
    syncs = np.flatnonzero(index.sync)
    result = np.zeros(len(wanted), np.int64)
    if not len(syncs):
        return result
    position = np.searchsorted(syncs, wanted, "right") - 1
    result[position >= 0] = syncs[0]
    open_ = np.flatnonzero(position >= 0)  # not settled yet
    for _ in range(3):  # nearly every sample starts at its own or the previous sync sample
        candidate = syncs[position[open_]]
        good = index.pts[candidate] <= index.pts[wanted[open_]]
        result[open_[good]] = candidate[good]
        open_ = open_[~good]
        position[open_] -= 1
        open_ = open_[position[open_] >= 0]
    if len(open_):
        _sweep(index, syncs, wanted, open_, result)
    return result


def _sweep(
    index: VideoIndex,
    syncs: NDArray[np.intp],
    wanted: NDArray[np.uint32],
    open_: NDArray[np.intp],
    result: NDArray[np.int64],
) -> None:
    """Settle the rest in one pass, so that hostile timestamps cost O(n log n), not O(n^2).

    Of two sync samples the later with the smaller pts always wins, so a stack with ascending pts holds all candidates.
    """
    numbers: list[int] = []
    times: list[int] = []
    keys, key_times = syncs.tolist(), index.pts[syncs].tolist()
    at = 0
    for position in open_.tolist():
        sample = int(wanted[position])
        while at < len(keys) and keys[at] <= sample:
            while times and times[-1] >= key_times[at]:
                times.pop()
                numbers.pop()
            numbers.append(keys[at])
            times.append(key_times[at])
            at += 1
        found = bisect_right(times, int(index.pts[sample])) - 1
        if found >= 0:
            result[position] = numbers[found]
