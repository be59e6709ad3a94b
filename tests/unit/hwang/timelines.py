"""Indexes that need no video: rows, their times, their key frames."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import numpy as np
from hypothesis import strategies as st

from hwang.index import VideoIndex

TIME_BASES = [(1, 25), (1, 1000), (1, 12_800), (1, 24_000), (1001, 30_000), (1, 90_000), (1, 1_000_000)]


def timeline(
    row_pts: Sequence[int],
    time_base: tuple[int, int] = (1, 25),
    keyframes: Sequence[int] = (0,),
    duration_ticks: int | None = None,
) -> VideoIndex:
    """Rows that appear at `row_pts`, stored in reverse, so that no row has the number of its sample.

    `duration_ticks` is by default that of as many rows at the mean rate.
    """
    count = len(row_pts)
    samples = np.arange(count)
    if duration_ticks is None:
        duration_ticks = (row_pts[-1] - row_pts[0]) * count // (count - 1) if count > 1 else 1
    return VideoIndex(
        sample_offset=samples.astype(np.uint64),
        sample_size=np.ones(count, np.uint32),
        pts=np.array(row_pts, np.int64)[::-1],
        dts=samples,
        sync=np.isin(samples, keyframes)[::-1],
        disposable=np.zeros(count, np.bool_),
        order=samples[::-1].astype(np.uint32),
        row_pts=np.array(row_pts, np.int64),
        width=64,
        height=48,
        time_base=time_base,
        duration_ticks=duration_ticks,
        container="mov",
        codec="h264",
    )


def constant_rate(count: int, time_base: tuple[int, int] = (1, 24), first: int = 0) -> VideoIndex:
    """A row a tick from tick `first` on, a key frame each 12 rows."""
    return timeline(range(first, first + count), time_base, range(0, count, 12), count)


@st.composite
def timelines(draw: st.DrawFn) -> VideoIndex:
    """Constant and variable rates, from any time on, also before 0; rows may share a time; durations may be wrong."""
    time_base = draw(st.sampled_from(TIME_BASES))
    count = draw(st.integers(1, 30))
    a_frame = max(1, time_base[1] // time_base[0] // 30)
    if draw(st.booleans()):
        gaps = [draw(st.integers(1, 2 * a_frame))] * (count - 1)
    else:
        gaps = draw(st.lists(st.integers(0, 3 * a_frame), min_size=count - 1, max_size=count - 1))
    first = draw(st.sampled_from([0, 0, 1, -3, 1001, 90_000, 1 << 33]) | st.integers(-(10**6), 10**12))
    keyframes = draw(st.lists(st.integers(0, count - 1), min_size=1))
    duration = draw(st.none() | st.just(0) | st.integers(1, 100 * a_frame))
    return timeline(list(accumulate(gaps, initial=first)), time_base, keyframes, duration)
