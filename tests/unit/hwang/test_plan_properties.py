"""A plan decodes what was asked for, whatever the video: by a model of a decoder (streams.py), not by the plan."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import HealthCheck, find, given, settings
from hypothesis import strategies as st

from hwang.index import VideoIndex
from hwang.plan import Plan, earlier_start, make_plan, slice_into_video_intervals
from hwang.ranges import ByteRange
from tests.unit.deploy.streams import Stream, streams

ANY_STREAM = st.one_of(streams(), streams(radl=True), streams(jumps=True))
COSTS = st.sampled_from([0, 1, 39, 40, 500, 1 << 20])

thorough = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def some_rows(data: st.DataObject, stream: Stream) -> list[int]:
    """Any order, with duplicates."""
    return data.draw(st.lists(st.sampled_from(range(len(stream.rows))), max_size=8)) if stream.rows else []


def spans(plan: Plan) -> list[tuple[int, int]]:
    """First and last sample of each run."""
    return [(int(run.samples[0]), int(run.samples[-1])) for run in plan.runs]


@thorough
@given(ANY_STREAM)
def test_the_model_shows_only_pictures_that_a_linear_decode_gets_right(stream: Stream) -> None:
    assert set(stream.rows) <= stream.decode(range(len(stream.pictures)))


@thorough
@given(ANY_STREAM, st.data())
def test_every_wanted_sample_comes_out_right_and_once(stream: Stream, data: st.DataObject) -> None:
    rows = some_rows(data, stream)
    plan = make_plan(stream.index(), rows)
    wanted = [int(sample) for run in plan.runs for sample in run.wanted]
    assert wanted == sorted({stream.rows[row] for row in rows})
    for run in plan.runs:
        assert set(run.wanted.tolist()) <= stream.decode(run.samples.tolist())


@thorough
@given(ANY_STREAM, st.data())
def test_runs_are_disjoint_ascend_and_end_with_a_wanted_sample(stream: Stream, data: st.DataObject) -> None:
    plan = make_plan(stream.index(), some_rows(data, stream))
    for run in plan.runs:
        assert (np.diff(run.samples.astype(np.int64)) > 0).all()
        assert run.samples[-1] == run.wanted[-1]
    assert all(a[1] < b[0] for a, b in itertools.pairwise(spans(plan)))


@thorough
@given(streams(), st.data())
def test_no_run_could_start_later_or_be_two(stream: Stream, data: st.DataObject) -> None:
    """A decoder that starts at any later sync sample of the run misses a wanted sample behind it."""
    for run in make_plan(stream.index(), some_rows(data, stream)).runs:
        for start in range(int(run.samples[0]) + 1, int(run.samples[-1]) + 1):
            if stream.sync_table[start]:
                behind = [sample for sample in run.wanted.tolist() if sample >= start]
                assert not stream.is_right(start, behind), f"the run could have started at {start}"


@thorough
@given(ANY_STREAM, st.data())
def test_left_out_are_all_the_disposable_samples_that_nobody_wants(stream: Stream, data: st.DataObject) -> None:
    plan = make_plan(stream.index(), some_rows(data, stream))
    span = sum(last - first + 1 for first, last in spans(plan))
    assert plan.samples_decoded == sum(len(run.samples) for run in plan.runs)
    assert plan.samples_decoded + plan.samples_skipped == span
    for run in plan.runs:
        for number in range(int(run.samples[0]) + 1, int(run.samples[-1]) + 1):
            unwanted = stream.pictures[number].disposable and number not in run.wanted
            assert (number in run.samples) != unwanted


def covers(ranges: tuple[ByteRange, ...], offset: int, size: int) -> bool:
    return not size or any(first <= offset and offset + size <= first + length for first, length in ranges)


@thorough
@given(ANY_STREAM, st.data(), COSTS)
def test_every_byte_that_is_fed_is_read_once(stream: Stream, data: st.DataObject, cost: int) -> None:
    plan = make_plan(stream.index(), some_rows(data, stream), request_cost_bytes=cost)
    for run in plan.runs:
        for number in run.samples.tolist():
            piece = stream.offsets[number], stream.pictures[number].size
            assert covers(plan.ranges, *piece)
            assert covers(run.ranges, *piece)
    for ranges in (plan.ranges, *(run.ranges for run in plan.runs)):
        assert all(length > 0 for _, length in ranges)
        assert all(b[0] - (a[0] + a[1]) > cost for a, b in itertools.pairwise(ranges))
    assert plan.bytes_to_read == sum(length for _, length in plan.ranges)


@thorough
@given(ANY_STREAM, st.data())
def test_nothing_is_read_for_naught_when_requests_cost_nothing(stream: Stream, data: st.DataObject) -> None:
    plan = make_plan(stream.index(), some_rows(data, stream), request_cost_bytes=0)
    fed = sorted({number for run in plan.runs for number in run.samples.tolist()})
    assert plan.bytes_to_read == sum(stream.pictures[number].size for number in fed)


@thorough
@given(ANY_STREAM, st.data(), COSTS, COSTS)
def test_dearer_requests_are_fewer_and_read_more(stream: Stream, data: st.DataObject, one: int, other: int) -> None:
    rows = some_rows(data, stream)
    cheap, dear = (make_plan(stream.index(), rows, request_cost_bytes=cost) for cost in sorted([one, other]))
    assert len(dear.ranges) <= len(cheap.ranges)
    assert dear.bytes_to_read >= cheap.bytes_to_read
    assert dear.bytes_to_read - cheap.bytes_to_read <= max(one, other) * (len(cheap.ranges) - len(dear.ranges))


@thorough
@given(ANY_STREAM, st.data())
def test_order_and_duplicates_change_nothing_but_positions(stream: Stream, data: st.DataObject) -> None:
    rows = some_rows(data, stream)
    asked, sorted_once = make_plan(stream.index(), rows), make_plan(stream.index(), sorted(set(rows)))
    assert asked.rows.tolist() == rows
    assert asked.sample_of_position.tolist() == [stream.rows[row] for row in rows]
    assert (asked.ranges, asked.samples_decoded) == (sorted_once.ranges, sorted_once.samples_decoded)
    for one, other in zip(asked.runs, sorted_once.runs, strict=True):
        assert (one.samples.tolist(), one.wanted.tolist()) == (other.samples.tolist(), other.wanted.tolist())


@thorough
@given(ANY_STREAM, st.data())
def test_an_earlier_start_is_one_sync_sample_back(stream: Stream, data: st.DataObject) -> None:
    index = stream.index()
    for run in make_plan(index, some_rows(data, stream)).runs:
        syncs = [number for number in range(int(run.samples[0])) if stream.sync_table[number]]
        earlier = earlier_start(index, run)
        if run.samples[0] == 0:
            assert earlier is None
            continue
        assert earlier is not None
        assert earlier.samples[0] == (syncs[-1] if syncs else 0)
        assert earlier.wanted.tolist() == run.wanted.tolist()
        assert set(run.wanted.tolist()) <= stream.decode(earlier.samples.tolist())


@thorough
@given(streams(lying_sync_table=True), st.data())
def test_a_sync_table_that_lies_is_overcome_by_earlier_starts(stream: Stream, data: st.DataObject) -> None:
    index = stream.index()
    for run in make_plan(index, some_rows(data, stream)).runs:
        while not set(run.wanted.tolist()) <= stream.decode(run.samples.tolist()):
            earlier = earlier_start(index, run)
            assert earlier is not None, "from sample 0 on, all is right"
            run = earlier


def groups_of_pictures(index: VideoIndex) -> list[range]:
    bounds = [*index.keyframe_indices(), index.samples]
    return [range(a, b) for a, b in itertools.pairwise(bounds)]


@thorough
@given(ANY_STREAM, st.data())
def test_video_intervals_are_disjoint_groups_of_pictures_that_show_each_row_once(
    stream: Stream, data: st.DataObject
) -> None:
    rows, index = some_rows(data, stream), stream.index()
    intervals = slice_into_video_intervals(index, rows)
    assert sorted(row for _, members in intervals for row in members) == sorted(set(rows))
    assert all(a[0][1] < b[0][0] for a, b in itertools.pairwise(intervals)), "neighbours are one"
    for (start, end), members in intervals:
        assert members == sorted(members)
        assert members
        assert start == 0 or stream.sync_table[start]
        assert end == len(stream.pictures) or stream.sync_table[end]
        shown = [stream.rows[row] for row in members]
        assert all(start <= sample < end for sample in shown)
        assert set(shown) <= stream.decode(range(start, end))


@thorough
@given(streams(), st.data())
def test_without_reordering_video_intervals_are_the_groups_that_hold_the_rows(
    stream: Stream, data: st.DataObject
) -> None:
    """What scanner-research/hwang means by them: it takes row and sample for the same."""
    index = stream.index()
    pts = [picture.pts for picture in stream.pictures]
    if pts != sorted(pts) or not stream.sync_table[0]:
        return
    rows = some_rows(data, stream)
    samples = {stream.rows[row] for row in rows}
    covered = {number for group in groups_of_pictures(index) if samples & set(group) for number in group}
    intervals = [interval for interval, _ in slice_into_video_intervals(index, rows)]
    assert {number for a, b in intervals for number in range(a, b)} == covered


@pytest.mark.parametrize(
    "kind", ["leading", "jump", "hidden", "disposable", "empty", "repeated", "lost", "pyramid", "tableless"]
)
def test_the_model_makes_every_kind_of_stream(kind: str) -> None:
    """Properties over streams that never occur would hold for nothing."""

    def has(stream: Stream) -> bool:
        pictures, rows = stream.pictures, stream.rows
        times = [picture.pts for picture in pictures]
        syncs = [number for number, picture in enumerate(pictures) if picture.sync]
        return {
            "leading": any(s > k and times[s] < times[k] and s in rows for k in syncs for s in range(len(pictures))),
            "jump": any(times[b] < times[a] for a, b in itertools.pairwise(syncs)),
            "hidden": any(not picture.shown and picture.size for picture in pictures),
            "disposable": any(picture.disposable for picture in pictures),
            "empty": any(picture.size == 0 for picture in pictures),
            "repeated": len(set(rows)) < len(rows),
            "lost": any(-1 in picture.references for picture in pictures),
            "pyramid": len(rows) > 6 and any(len(picture.references) > 2 for picture in pictures),
            "tableless": len(syncs) > 1 and not any(stream.sync_table),
        }[kind]

    assert has(find(streams(jumps=kind == "jump"), has, settings=settings(max_examples=1000, deadline=None)))
