"""Byte ranges of a file."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

ByteRange = tuple[int, int]
"""(offset, length) in bytes."""

FETCH_MEMORY_BYTES = 64 << 20
"""Limit of compressed bytes in memory: larger fetches go to a temporary file."""


def coalesce(
    offsets: NDArray[np.uint64], sizes: NDArray[np.uint32] | NDArray[np.uint64], gap: int
) -> tuple[ByteRange, ...]:
    """Return few ranges that cover the pieces [offset, offset + size), ascending and disjoint.

    Pieces at most `gap` bytes apart share a range; empty pieces are ignored.
    """
    if len(offsets) == 1:
        return ((int(offsets[0]), int(sizes[0])),) if sizes[0] else ()
    used = sizes > 0
    begin = offsets[used].astype(np.int64)
    if not len(begin):
        return ()
    by_offset = np.argsort(begin, kind="stable")
    begin = begin[by_offset]
    end = np.maximum.accumulate(begin + sizes[used][by_offset].astype(np.int64))
    cuts = np.flatnonzero(begin[1:] - end[:-1] > gap)
    first = begin[np.concatenate([[0], cuts + 1])]
    last = end[np.concatenate([cuts, [len(end) - 1]])]
    return tuple(zip(first.tolist(), (last - first).tolist(), strict=True))
