"""Plans of small videos, number by number."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
from hypothesis import given

from hwang.errors import FrameIndexError
from hwang.index import VideoIndex
from hwang.plan import Plan, earlier_start, make_plan, slice_into_video_intervals, start_samples
from hwang.ranges import coalesce
from tests.unit.hwang.test_plan import indexes, make_index

OPEN_GOP = [0, 3, 1, 2, 6, 4, 5, 7]  # pts; with sync samples 0 and 4, the samples 5 and 6 lead the sync sample 4


def fed(plan: Plan) -> list[list[int]]:
    return [run.samples.tolist() for run in plan.runs]


def all_starts(index: VideoIndex) -> list[int]:
    starts: list[int] = start_samples(index, np.arange(index.samples, dtype=np.uint32)).tolist()
    return starts


@pytest.mark.parametrize(
    ("pts", "sync", "expected"),
    [
        ([0, 1, 2, 3, 4], [0, 2], [0, 0, 2, 2, 2]),
        (OPEN_GOP, [0, 4], [0, 0, 0, 0, 4, 0, 0, 4]),
        ([0, 4, 4], [0, 1], [0, 1, 1]),  # a picture of the same time does not lead
        ([0, 1, 2], [], [0, 0, 0]),
        ([0, 1, 2, 3], [2], [0, 0, 2, 2]),  # before the first sync sample: from the beginning
        ([9, 5, 1], [1], [0, 1, 1]),
        ([9, 5, 6, 1], [1, 2], [0, 1, 2, 1]),  # earlier than every sync sample: from the first one
        ([10, 20, 30, 40, 25], [0, 1, 2, 3], [0, 1, 2, 3, 1]),
        ([10, 20, 30, 40, 50, 25], [0, 1, 2, 3, 4], [0, 1, 2, 3, 4, 0]),  # no sound video: from the first one
        ([20, 10, 30, 40, 50, 15], [0, 1, 2, 3, 4], [0, 1, 2, 3, 4, 0]),
    ],
)
def test_decoding_starts_at_the_last_sync_sample_that_is_not_displayed_later(
    pts: list[int], sync: list[int], expected: list[int]
) -> None:
    assert all_starts(make_index(pts, sync)) == expected


@given(indexes())
def test_start_samples_follow_their_definition(index: VideoIndex) -> None:
    syncs = np.flatnonzero(index.sync).tolist()
    for sample, start in enumerate(all_starts(index)):
        early = [key for key in syncs if key <= sample]
        good = [key for key in early[-3:] if index.pts[key] <= index.pts[sample]]
        assert start == (good[-1] if good else early[0] if early else 0)


def test_start_samples_are_int64_also_without_sync_samples() -> None:
    for sync in ([], [0]):
        assert start_samples(make_index([0, 1], sync), np.array([1], np.uint32)).dtype == np.int64


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([0], [[0]]),
        ([2], [[0, 1, 2]]),
        ([2, 3], [[0, 1, 2], [3]]),  # a run ends before the next sync sample
        ([3, 4], [[3, 4]]),  # which itself begins one run
        ([8, 1, 8], [[0, 1], [6, 7, 8]]),
        ([0, 3, 6], [[0], [3], [6]]),
        ([], []),
    ],
)
def test_runs_are_split_at_sync_samples(rows: list[int], expected: list[list[int]]) -> None:
    plan = make_plan(make_index(list(range(9)), sync=[0, 3, 6]), rows, request_cost_bytes=0)
    assert fed(plan) == expected
    assert plan.samples_decoded == sum(map(len, expected))
    assert plan.samples_skipped == 0
    assert plan.bytes_to_read == 100 * plan.samples_decoded


def test_a_run_that_reaches_back_swallows_the_runs_before() -> None:
    index = make_index(OPEN_GOP, sync=[0, 4])
    assert fed(make_plan(index, [0, 1, 4])) == [[0, 1, 2, 3, 4, 5]]
    assert fed(make_plan(index, [0, 6])) == [[0], [4]]
    assert fed(make_plan(index, [3, 5, 7])) == [[0, 1, 2, 3, 4, 5, 6, 7]]


def test_a_disposable_sample_is_fed_if_it_is_wanted_or_the_first() -> None:
    index = make_index([0, 1, 2, 3, 4, 5], sync=[0, 3], disposable=[0, 1, 3, 4])
    assert fed(make_plan(index, [2])) == [[0, 2]]
    assert fed(make_plan(index, [1])) == [[0, 1]]
    assert fed(make_plan(index, [5])) == [[3, 5]]
    plan = make_plan(index, [2, 5])
    assert (plan.samples_decoded, plan.samples_skipped) == (4, 2)


def test_separate_fields_are_fed_in_pairs_and_none_is_skipped() -> None:
    index = make_index(list(range(6)), sync=[0], disposable=[1, 2, 3], hidden=[1, 3, 5])
    index = replace(index, separate_fields=True)
    assert fed(make_plan(index, [0])) == [[0, 1]]
    assert fed(make_plan(index, [1])) == [[0, 1, 2, 3]]
    assert fed(make_plan(index, [2])) == [[0, 1, 2, 3, 4, 5]]
    cut = replace(make_index([0, 1, 2], sync=[0], hidden=[1]), separate_fields=True)
    assert fed(make_plan(cut, [1])) == [[0, 1, 2]], "the last field may be missing"


def test_plans_and_runs_are_immutable_and_compare_by_identity() -> None:
    index = make_index([0, 1, 2], sync=[0])
    one, other = make_plan(index, [2, 1]), make_plan(index, [2, 1])
    for mine, theirs, name in ((one, other, "rows"), (one.runs[0], other.runs[0], "wanted")):
        assert mine != theirs
        assert len({mine, theirs}) == 2
        with pytest.raises(FrozenInstanceError):
            setattr(mine, name, ())


def test_arrays_of_a_plan_have_the_dtypes_of_the_core() -> None:
    plan = make_plan(make_index(list(range(9)), sync=[0, 3, 6]), [8, 1])
    assert plan.rows.dtype == np.int64
    assert plan.sample_of_position.dtype == np.uint32
    assert {array.dtype for run in plan.runs for array in (run.samples, run.wanted)} == {np.dtype(np.uint32)}


@pytest.mark.parametrize(("gap", "joined"), [(256 * 1024, True), (256 * 1024 + 1, False)])
def test_a_request_costs_256_kib_by_default(gap: int, joined: bool) -> None:
    index = make_index([0, 1, 2], sync=[0, 1, 2], sizes=[10, gap, 20])
    assert make_plan(index, [0, 2]).ranges == (((48, gap + 30),) if joined else ((48, 10), (58 + gap, 20)))
    skipping = make_index([0, 1, 2, 3], sync=[0, 1], disposable=[2], sizes=[10, 10, gap, 20])
    run = earlier_start(skipping, make_plan(skipping, [3]).runs[0])
    assert run is not None
    assert run.ranges == (((48, gap + 40),) if joined else ((48, 20), (68 + gap, 20)))


def test_ranges_of_a_run_and_of_the_plan_take_the_same_cost() -> None:
    index = make_index([0, 1, 2, 3], sync=[0, 3], disposable=[1], sizes=[10, 20, 30, 40])
    plan = make_plan(index, [2, 3], request_cost_bytes=19)
    assert [run.ranges for run in plan.runs] == [((48, 10), (78, 30)), ((108, 40),)]
    assert plan.ranges == ((48, 10), (78, 70))
    assert plan.bytes_to_read == 80
    assert make_plan(index, [2, 3], request_cost_bytes=20).ranges == ((48, 100),)


@pytest.mark.parametrize(
    ("pieces", "gap", "expected"),
    [
        ([], 0, ()),
        ([(5, 0)], 0, ()),
        ([(5, 0), (9, 0)], 0, ()),
        ([(5, 3)], 0, ((5, 3),)),
        ([(5, 3), (8, 2)], 0, ((5, 5),)),
        ([(5, 3), (9, 2)], 0, ((5, 3), (9, 2))),
        ([(0, 1), (1, 1), (2, 1)], 0, ((0, 3),)),
        ([(5, 3), (9, 2)], 1, ((5, 6),)),
        ([(9, 2), (5, 3), (100, 1)], 1, ((5, 6), (100, 1))),
        ([(0, 50), (10, 5), (60, 1)], 9, ((0, 50), (60, 1))),  # a piece inside another one ends nothing
        ([(0, 50), (10, 5), (60, 1)], 10, ((0, 61),)),
        ([(0, 1), (7, 0), (2, 1)], 1, ((0, 3),)),
    ],
)
def test_pieces_at_most_a_gap_apart_share_a_range(
    pieces: list[tuple[int, int]], gap: int, expected: tuple[tuple[int, int], ...]
) -> None:
    offsets = np.array([offset for offset, _ in pieces], np.uint64)
    assert coalesce(offsets, np.array([size for _, size in pieces], np.uint32), gap) == expected


@pytest.mark.parametrize(
    ("samples_back", "start"), [(1, 5), (2, 5), (3, 5), (4, 2), (6, 2), (7, 0), (8, 0), (9, 0), (512, 0)]
)
@pytest.mark.parametrize("first_is_sync", [True, False])
def test_an_earlier_start_is_at_least_so_many_samples_back(samples_back: int, start: int, first_is_sync: bool) -> None:
    index = make_index(list(range(10)), sync=[0, 2, 5, 8] if first_is_sync else [2, 5, 8])
    run = make_plan(index, [9]).runs[0]
    assert run.samples.tolist() == [8, 9]
    earlier = earlier_start(index, run, samples_back=samples_back)
    assert earlier is not None
    assert earlier.samples.tolist() == list(range(start, 10))
    assert earlier.wanted.tolist() == [9]
    default = earlier_start(index, run)
    assert default is not None
    assert default.samples[0] == 5


def test_a_run_from_the_first_sample_has_no_earlier_start() -> None:
    index = make_index([0, 1, 2], sync=[0, 1])
    assert earlier_start(index, make_plan(index, [0]).runs[0]) is None
    last = earlier_start(index, make_plan(index, [1]).runs[0])
    assert last is not None
    assert last.samples.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("sync", "rows", "expected"),
    [
        ([0, 3, 6, 9], [7, 1, 8, 7], [((0, 3), [1]), ((6, 9), [7, 8])]),
        ([0, 3, 6, 9], [2, 3], [((0, 6), [2, 3])]),  # neighbours are one
        ([0, 3, 6, 9], [11], [((9, 12), [11])]),
        ([0, 3, 6, 9], [3], [((3, 6), [3])]),
        ([0, 3, 6, 9], [0, 5, 10], [((0, 6), [0, 5]), ((9, 12), [10])]),
        ([0, 3, 6, 9], [], []),
        ([4], [1, 5], [((0, 12), [1, 5])]),
        ([4], [1], [((0, 4), [1])]),
        (list(range(12)), [0, 2, 5, 6], [((0, 1), [0]), ((2, 3), [2]), ((5, 7), [5, 6])]),
        ([], [3], [((0, 12), [3])]),
    ],
)
def test_video_intervals_go_from_sync_sample_to_sync_sample(
    sync: list[int], rows: list[int], expected: list[tuple[tuple[int, int], list[int]]]
) -> None:
    assert slice_into_video_intervals(make_index(list(range(12)), sync), rows) == expected


def test_video_intervals_of_an_open_gop_hold_what_leads_it() -> None:
    index = make_index(OPEN_GOP, sync=[0, 4])
    assert slice_into_video_intervals(index, [4]) == [((0, 8), [4])]
    assert slice_into_video_intervals(index, [7, 6]) == [((4, 8), [6, 7])]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([2, 0, 2], [2, 0, 2]),
        ((3,), [3]),
        (iter([3, 1]), [3, 1]),
        (range(4), [0, 1, 2, 3]),
        (range(3, -1, -1), [3, 2, 1, 0]),
        (range(0, 4, 3), [0, 3]),
        (range(2, 1 << 70, 1 << 70), [2]),
        (range(0), []),
        (range(9, 9), []),
        (np.array([3, 0], np.uint8), [3, 0]),
        (np.array([1], np.int32), [1]),
        (np.array([]), []),
        ([np.int16(2)], [2]),
        ([], []),
    ],
)
def test_rows_of_every_kind_become_int64(rows: Iterable[int], expected: list[int]) -> None:
    found = make_plan(make_index([0, 1, 2, 3], sync=[0]), rows).rows
    assert found.dtype == np.int64
    assert found.tolist() == expected


def test_a_plan_owns_its_rows() -> None:
    mine = np.array([1, 2])
    plan = make_plan(make_index([0, 1, 2], sync=[0]), mine)
    mine[0] = 0
    assert plan.rows.tolist() == [1, 2]


OUTSIDE = "row {} is outside the video, which has 4 frames"
FROM_THE_END = "; rows do not count from the end"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([4], OUTSIDE.format(4)),
        ([0, 7, 5], OUTSIDE.format(7)),
        ([-1], OUTSIDE.format(-1) + FROM_THE_END),
        ([5, -2, -3], OUTSIDE.format(-3) + FROM_THE_END),
        (range(2, 6), OUTSIDE.format(5)),
        (range(5, 1, -1), OUTSIDE.format(5)),
        (range(1, -2, -1), OUTSIDE.format(-1) + FROM_THE_END),
        (np.array([3, 9, 1]), OUTSIDE.format(9)),
        (np.array([3, -9, 1]), OUTSIDE.format(-9) + FROM_THE_END),
    ],
)
def test_a_row_outside_the_video_is_named_and_the_hint_given_if_it_is_negative(
    rows: Iterable[int], message: str
) -> None:
    with pytest.raises(FrameIndexError) as caught:
        make_plan(make_index([0, 1, 2, 3], sync=[0]), rows)
    assert str(caught.value) == message


def test_row_0_of_a_video_without_frames_gets_no_hint() -> None:
    with pytest.raises(FrameIndexError) as caught:
        make_plan(make_index([], sync=[]), [0])
    assert str(caught.value) == "row 0 is outside the video, which has 0 frames"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.array([1.0]), "rows must be a 1-D array of integers, not 1-D float64"),
        (np.array([[1]], np.int8), "rows must be a 1-D array of integers, not 2-D int8"),
        (np.zeros((2, 0), np.int64), "rows must be a 1-D array of integers, not 2-D int64"),
        (np.array([True]), "rows must be a 1-D array of integers, not 1-D bool"),
        ([True], "a row is a bool; for a mask, pass numpy.flatnonzero(mask)"),
        ([np.False_], "a row is a bool; for a mask, pass numpy.flatnonzero(mask)"),
        ([1.5], "a row is 1.5 (float); rows are integers"),
        (b"12", "rows must be a sequence of integers, not bytes"),
        ("12", "rows must be a sequence of integers, not str"),
        (3, "rows must be a sequence of integers, not int"),
    ],
)
def test_a_type_error_names_what_it_got(rows: object, message: str) -> None:
    with pytest.raises(TypeError) as caught:
        make_plan(make_index([0, 1, 2, 3], sync=[0]), rows)  # type: ignore[arg-type]
    assert str(caught.value) == message


def test_a_negative_cost_names_the_least() -> None:
    index = make_index([0], sync=[0])
    with pytest.raises(ValueError, match=r"^request_cost_bytes is -1; the least is 0: read only needed bytes$"):
        make_plan(index, [0], request_cost_bytes=-1)
    assert make_plan(index, [0], request_cost_bytes=0).ranges == ((48, 100),)


def test_a_plan_in_words_groups_digits_and_counts_one() -> None:
    index = make_index([0, 1], sync=[0, 1], sizes=[1234, 0])
    assert str(make_plan(index, [0])) == (
        "1 row in 1 run: 1 sample to decode, 0 left out, 1,234 bytes to read in 1 range"
    )
    assert str(make_plan(index, [0, 1])) == (
        "2 rows in 2 runs: 2 samples to decode, 0 left out, 1,234 bytes to read in 1 range"
    )
