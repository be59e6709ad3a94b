"""Plans decode what is needed, no less, and read each needed byte once."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwang.errors import FrameIndexError
from hwang.index import VideoIndex, presentation_order
from hwang.plan import earlier_start, make_plan, slice_into_video_intervals


def make_index(
    pts: list[int],
    sync: list[int],
    disposable: list[int] | None = None,
    hidden: list[int] | None = None,
    sizes: list[int] | None = None,
) -> VideoIndex:
    count = len(pts)
    times = np.array(pts, np.int64)
    size = np.array(sizes if sizes is not None else [100] * count, np.int64)
    shown = ~np.isin(np.arange(count), hidden or [])
    order = presentation_order(times, shown)
    return VideoIndex(
        sample_offset=(np.cumsum(size) - size + 48).astype(np.uint64),
        sample_size=size.astype(np.uint32),
        pts=times,
        dts=np.arange(count),
        sync=np.isin(np.arange(count), sync),
        disposable=np.isin(np.arange(count), disposable or []),
        order=order,
        row_pts=times[order],
        width=64,
        height=48,
        time_base=(1, 25),
        duration_ticks=count,
        container="mov",
        codec="h264",
    )


@st.composite
def indexes(draw: st.DrawFn) -> VideoIndex:
    count = draw(st.integers(1, 40))
    near = st.lists(st.integers(-3, 3), min_size=count, max_size=count)
    wild = st.lists(st.integers(-50, 50), min_size=count, max_size=count)
    pts = [n + d for n, d in enumerate(draw(near))] if draw(st.booleans()) else draw(wild)
    numbers = st.lists(st.integers(0, count - 1), max_size=count)
    sizes = draw(st.lists(st.integers(0, 500), min_size=count, max_size=count))
    return make_index(pts, draw(numbers), draw(numbers), draw(numbers), sizes)


@given(indexes(), st.data(), st.sampled_from([0, 1, 50, 1 << 20]))
def test_plan_keeps_its_promises(index: VideoIndex, data: st.DataObject, gap: int) -> None:
    rows = data.draw(st.lists(st.integers(0, len(index) - 1), max_size=30)) if len(index) else []
    plan = make_plan(index, rows, request_cost_bytes=gap)
    syncs = np.flatnonzero(index.sync).tolist()

    assert plan.rows.tolist() == rows
    assert plan.sample_of_position.tolist() == [int(index.order[row]) for row in rows]
    wanted = [int(sample) for run in plan.runs for sample in run.wanted]
    assert wanted == sorted(set(plan.sample_of_position.tolist())), "each wanted sample is in one run, once"

    for run in plan.runs:
        samples, first, last = run.samples.tolist(), int(run.samples[0]), int(run.wanted[-1])
        assert set(run.wanted.tolist()) <= set(samples)
        assert samples[-1] == last, "nothing behind the last wanted sample"
        assert first in syncs or first == 0
        left_out = set(range(first, last + 1)) - set(samples)
        assert all(index.disposable[sample] for sample in left_out)
        assert not any(index.disposable[s] for s in set(samples) - set(run.wanted.tolist()) - {first})
        for sample in run.wanted.tolist():
            good = [k for k in syncs if k <= sample and index.pts[k] <= index.pts[sample]]
            assert first <= (good[-1] if good else min([*syncs[:1], sample])), "decoding starts early enough"
    ends = [(int(run.samples[0]), int(run.wanted[-1])) for run in plan.runs]
    assert all(a[1] < b[0] for a, b in itertools.pairwise(ends)), "runs are disjoint, in decode order"

    for ranges in (plan.ranges, *(run.ranges for run in plan.runs)):
        gaps = [b[0] - a[0] - a[1] for a, b in itertools.pairwise(ranges)]
        assert all(distance > gap for distance in gaps)
    for run in plan.runs:
        for sample in run.samples.tolist():
            offset, size = int(index.sample_offset[sample]), int(index.sample_size[sample])
            assert not size or any(a <= offset and offset + size <= a + n for a, n in run.ranges)
    decoded = sum(len(run.samples) for run in plan.runs)
    assert plan.samples_decoded == decoded
    assert plan.samples_skipped == sum(b - a + 1 for a, b in ends) - decoded
    assert plan.bytes_to_read == sum(length for _, length in plan.ranges)


@given(indexes(), st.data())
def test_earlier_start_goes_back_one_sync_sample_until_the_first_sample(index: VideoIndex, data: st.DataObject) -> None:
    if not len(index):
        return
    run = make_plan(index, [data.draw(st.integers(0, len(index) - 1))]).runs[0]
    while (earlier := earlier_start(index, run)) is not None:
        assert earlier.samples[0] < run.samples[0]
        assert earlier.wanted.tolist() == run.wanted.tolist()
        assert not index.sync[int(earlier.samples[0]) + 1 : int(run.samples[0])].any()
        run = earlier
    assert run.samples[0] == 0


@given(indexes(), st.data())
def test_video_intervals_cover_every_row_once(index: VideoIndex, data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.integers(0, len(index) - 1))) if len(index) else []
    intervals = slice_into_video_intervals(index, rows)
    assert sorted(row for _, members in intervals for row in members) == sorted(set(rows))
    for (start, end), members in intervals:
        assert all(start <= index.order[row] < end for row in members)


def test_leading_pictures_of_an_open_gop_start_one_sync_sample_earlier() -> None:
    index = make_index([0, 3, 1, 2, 6, 4, 5, 7], sync=[0, 4])  # rows 4 and 5 lead the sync sample 4
    assert make_plan(index, [4]).runs[0].samples.tolist() == [0, 1, 2, 3, 4, 5]
    assert make_plan(index, [6]).runs[0].samples.tolist() == [4]
    assert len(make_plan(index, [4, 7]).runs) == 1, "the run of row 7 starts inside the run of row 4"
    assert len(make_plan(index, [0, 7]).runs) == 2


def test_disposable_samples_are_left_out_unless_wanted() -> None:
    index = make_index([0, 4, 2, 1, 3, 8, 6, 5, 7], sync=[0], disposable=[3, 4, 7, 8])
    plan = make_plan(index, [1, 6])
    assert plan.runs[0].samples.tolist() == [0, 1, 2, 3, 5, 6]
    assert (plan.samples_decoded, plan.samples_skipped) == (6, 1)


def test_duplicates_and_any_order_are_kept_but_decoded_once() -> None:
    plan = make_plan(make_index([0, 1, 2, 3], sync=[0, 2]), np.array([3, 0, 3], np.uint8))
    assert plan.rows.tolist() == [3, 0, 3]
    assert [run.wanted.tolist() for run in plan.runs] == [[0], [3]]


def test_ranges_join_over_gaps_cheaper_than_a_request() -> None:
    index = make_index([0, 1, 2], sync=[0, 1, 2], sizes=[10, 1000, 10])
    assert make_plan(index, [0, 2], request_cost_bytes=1000).ranges == ((48, 1020),)
    assert make_plan(index, [0, 2], request_cost_bytes=999).ranges == ((48, 10), (1058, 10))


def test_a_plan_in_words() -> None:
    index = make_index([0, 4, 2, 1, 3, 8, 6, 5, 7], sync=[0], disposable=[3, 4, 7, 8])
    assert str(make_plan(index, [1, 6, 6])) == (
        "3 rows in 1 run: 6 samples to decode, 1 left out, 700 bytes to read in 1 range"
    )
    assert str(make_plan(index, [])) == (
        "0 rows in 0 runs: 0 samples to decode, 0 left out, 0 bytes to read in 0 ranges"
    )


def test_a_request_cannot_cost_less_than_nothing() -> None:
    with pytest.raises(ValueError, match="request_cost_bytes is -1"):
        make_plan(make_index([0], sync=[0]), [0], request_cost_bytes=-1)


@pytest.mark.parametrize(
    "rows", [[-1], [4], range(5), range(-1, 2), [1 << 70], np.array([4]), range(1 << 70, 1 << 71, 1 << 70)]
)
def test_row_outside_the_video_names_row_and_count(rows: list[int]) -> None:
    with pytest.raises(
        FrameIndexError, match=r"row (-?\d+|1\.18e\+21) is outside the video, which has 4 frames"
    ) as caught:
        make_plan(make_index([0, 1, 2, 3], sync=[0]), rows)
    assert isinstance(caught.value, IndexError)


@pytest.mark.parametrize(
    "rows", [[True], [1.0], ["1"], "123", 3, None, np.array([1.0]), np.array([True]), np.array([[1]]), [0, np.True_]]
)
def test_rows_that_are_not_integers_are_a_type_error(rows: object) -> None:
    with pytest.raises(TypeError, match="row"):
        make_plan(make_index([0, 1, 2, 3], sync=[0]), rows)  # type: ignore[arg-type]


@pytest.mark.parametrize("rows", [[], range(0), np.array([]), (), iter(())])
def test_no_rows_are_no_work(rows: object) -> None:
    plan = make_plan(make_index([0], sync=[0]), rows)  # type: ignore[arg-type]
    assert (plan.runs, plan.ranges, plan.bytes_to_read) == ((), (), 0)


def test_hostile_timestamps_are_planned_in_linear_time() -> None:
    count = 100_000
    index = make_index(list(range(count, 0, -1)), sync=list(range(0, count, 2)))
    start = time.perf_counter()
    make_plan(index, range(0, count, 2))
    assert time.perf_counter() - start < 10
