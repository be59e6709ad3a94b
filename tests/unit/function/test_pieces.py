"""Cutting work: every row once, pieces and parts of equal cost."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from function.actions.cost import Rates
from function.errors import LimitExceeded
from function.frames.rows import resolve_frames
from function.jobs.pieces import VideoCost, bundles, evenly, make_piece, pieces_of
from function.models.event import Decode, parse_event
from function.models.job import Job
from function.models.job_files import PlannedPiece, SurveyedPiece
from hwang.index import VideoIndex
from hwang.plan import make_plan
from tests.unit.deploy.streams import Stream, streams

OPEN_SECONDS = 0.2
RATES = Rates(sample=0.01, byte=1e-6, frame=0.002, request=OPEN_SECONDS)
thorough = settings(max_examples=200, deadline=None)
costs = st.lists(st.floats(0.001, 10), min_size=1, max_size=60)


def rows_of(*pieces: SurveyedPiece) -> list[int]:
    """The rows that the pieces name."""
    found: list[int] = []
    for piece in pieces:
        frames = piece.frames
        rows = list(range(*map(int, frames.split(":")))) if isinstance(frames, str) else frames
        assert (piece.first, piece.last, piece.count) == (rows[0], rows[-1], len(rows))
        found += rows
    return found


def some_rows(data: st.DataObject, stream: Stream) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    rows = data.draw(st.lists(st.sampled_from(range(len(stream.rows))), min_size=1, max_size=30))
    return np.array(rows, np.int64)


@thorough
@given(streams(), st.data(), st.floats(0.005, 1))
def test_every_row_is_in_one_piece_as_often_as_it_was_asked_for(
    stream: Stream, data: st.DataObject, max_seconds: float
) -> None:
    if not stream.rows:
        return
    rows = some_rows(data, stream)
    pieces = VideoCost.of(stream.index(), rows, RATES).pieces(max_seconds, OPEN_SECONDS)
    assert sorted(rows_of(*pieces)) == sorted(rows.tolist())


@thorough
@given(streams(), st.data(), st.floats(0.005, 1))
def test_the_time_that_was_asked_for_stays_with_its_row(
    stream: Stream, data: st.DataObject, max_seconds: float
) -> None:
    if not stream.rows:
        return
    rows = some_rows(data, stream)
    asked = np.arange(len(rows)) / 4
    pieces = VideoCost.of(stream.index(), rows, RATES, asked).pieces(max_seconds, OPEN_SECONDS)
    found = [pair for one in pieces for pair in zip(rows_of(one), one.asked or (), strict=True)]
    assert sorted(found) == sorted(zip(rows.tolist(), asked.tolist(), strict=True))


@thorough
@given(streams(), st.data(), st.floats(0.005, 1))
def test_pieces_decode_no_sample_twice(stream: Stream, data: st.DataObject, max_seconds: float) -> None:
    if not stream.rows:
        return
    index, rows = stream.index(), some_rows(data, stream)
    pieces = VideoCost.of(index, rows, RATES).pieces(max_seconds, OPEN_SECONDS)
    apart = sum(make_plan(index, np.array(rows_of(piece))).samples_decoded for piece in pieces)
    assert apart == make_plan(index, rows).samples_decoded


@thorough
@given(streams(), st.data(), st.floats(0.005, 1))
def test_a_piece_costs_what_its_share_is_give_or_take_a_run(
    stream: Stream, data: st.DataObject, max_seconds: float
) -> None:
    if not stream.rows:
        return
    cost = VideoCost.of(stream.index(), some_rows(data, stream), RATES)
    longest = float(cost.seconds_of_run.max())
    pieces = cost.pieces(max_seconds, OPEN_SECONDS)
    assert all(piece.seconds - OPEN_SECONDS <= max_seconds + longest + 1e-4 for piece in pieces)
    assert abs(sum(piece.seconds - OPEN_SECONDS for piece in pieces) - cost.seconds) <= 1e-4 * len(pieces)


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=50))
def test_a_piece_names_its_rows_as_an_event_does(rows: list[int]) -> None:
    piece = make_piece(np.sort(np.array(rows, np.int64)), 1.0)
    event = parse_event({"video": "s3://bucket/key", "frames": piece.frames, "output": "s3://bucket/out/"})
    assert isinstance(event, Decode)

    class Long:
        def __len__(self) -> int:
            return 10**6 + 1

    assert resolve_frames(event.frames, Long()).rows.tolist() == sorted(rows)  # type: ignore[arg-type]


def test_a_long_range_stays_short() -> None:
    assert make_piece(np.arange(0, 10**6, 7, dtype=np.int64), 1.0).frames == "0:1000000:7"


@given(costs, st.integers(1, 20))
def test_shares_ascend_and_differ_by_no_more_than_a_cost(items: list[float], shares: int) -> None:
    array = np.array(items)
    share = evenly(array, shares)
    assert (np.diff(share) >= 0).all()
    assert share.min() >= 0
    assert share.max() < shares
    sums = np.bincount(share, array, minlength=shares)
    assert (sums <= array.sum() / shares + array.max() + 1e-9).all()


@pytest.mark.parametrize(
    ("items", "shares", "expected"),
    [
        ([1, 1, 1, 1], 2, [0, 0, 1, 1]),
        ([1, 1, 1, 1], 4, [0, 1, 2, 3]),
        ([3, 1], 2, [0, 1]),  # by its end the first would belong to both
        ([1, 3], 2, [0, 1]),  # by its beginning the last one would
        ([1, 2, 1], 2, [0, 1, 1]),
        ([1, 4, 1], 3, [0, 1, 2]),
        ([10, 1, 1], 3, [1, 2, 2]),
        ([2], 3, [1]),
        ([0, 0], 3, [0, 0]),
        ([1, 0], 1, [0, 0]),
    ],
)
def test_the_share_of_a_cost_is_the_one_that_holds_its_middle(
    items: list[float], shares: int, expected: list[int]
) -> None:
    share = evenly(np.array(items, np.float64), shares)
    assert share.tolist() == expected
    assert share.dtype == np.int64


def planned(seconds: float, number: int = 0) -> PlannedPiece:
    """A piece of which only its cost matters here."""
    return PlannedPiece(request={}, etag="e1", first=number, last=number, seconds=seconds)


@given(costs, st.integers(1, 20))
def test_bundles_hold_every_piece_once_and_in_order(items: list[float], parts: int) -> None:
    pieces = [planned(seconds, number) for number, seconds in enumerate(items)]
    made = list(bundles(iter(pieces), sum(items), parts))
    assert [piece for bundle in made for piece in bundle] == pieces
    assert all(made)
    assert len(made) <= parts


@given(st.lists(st.floats(0.5, 1), min_size=80, max_size=400), st.integers(2, 10))
def test_bundles_of_small_pieces_cost_the_same(items: list[float], parts: int) -> None:
    made = bundles(map(planned, items), sum(items), parts)
    sums = [sum(piece.seconds for piece in bundle) for bundle in made]
    assert len(sums) == parts
    assert all(abs(one - other) <= 2 for one, other in pairwise(sums))


@pytest.mark.parametrize(
    ("items", "parts", "expected"),
    [
        ([1, 1, 1, 1], 2, [[1, 1], [1, 1]]),
        ([1, 3], 2, [[1], [3]]),
        ([3, 1], 2, [[3], [1]]),
        ([1, 2, 1], 2, [[1], [2, 1]]),
        ([1, 4, 1], 3, [[1], [4], [1]]),
        ([6, 1, 1], 4, [[6], [1, 1]]),
        ([0, 0], 2, [[0, 0]]),
        ([0, 0], 0, [[0, 0]]),
        ([], 0, []),
    ],
)
def test_a_piece_is_in_the_part_that_holds_its_middle(
    items: list[float], parts: int, expected: list[list[float]]
) -> None:
    made = bundles([planned(seconds) for seconds in items], sum(items), parts)
    assert [[piece.seconds for piece in bundle] for bundle in made] == expected


def test_no_part_is_beyond_the_last_though_pieces_take_longer_than_predicted() -> None:
    made = list(bundles([planned(1), planned(3), planned(5), planned(5)], 4.0, 2))
    assert [len(bundle) for bundle in made] == [1, 3]


def index_of(frames: int, gop: int = 50, **more: Any) -> VideoIndex:
    """720p at 25 frames a second, 10 kB a sample, a sync sample every `gop` frames."""
    rows: Any = np.arange(frames)
    return VideoIndex(
        sample_offset=rows * 10_000,
        sample_size=np.full(frames, 10_000),
        pts=rows,
        dts=rows,
        sync=rows % gop == 0,
        disposable=np.zeros(frames, np.bool_),
        order=rows,
        row_pts=rows,
        **{"width": 1280, "height": 720, "codec": "h264", **more},
        time_base=(1, 25),
        duration_ticks=frames,
        container="mp4",
    )


def job(**fields: Any) -> Job:
    return Job.model_validate({"videos": "s3://films/", "output": "s3://results/run/", **fields})


MEMORY = 1769 * 2**20  # a function of one core


def test_a_cost_belongs_to_the_run_of_each_row() -> None:
    cost = VideoCost.of(index_of(150), np.array([149, 0, 60, 60], np.int64), RATES)
    assert cost.rows.tolist() == [0, 60, 60, 149]
    assert cost.run_of_row.tolist() == [0, 1, 1, 2]
    # samples from the sync sample on, at 10 ms and 10 kB each, and the frame that is wanted
    assert cost.seconds_of_run.tolist() == pytest.approx([0.022, 11 * 0.02 + 0.002, 50 * 0.02 + 0.002])
    assert cost.seconds == pytest.approx(1.246)


def test_a_video_that_takes_little_is_one_piece() -> None:
    (piece,) = pieces_of(index_of(500), 10**9, job(frames="all", part_seconds=600), MEMORY)
    assert piece.count == 500


def test_a_piece_is_an_eighth_of_a_part_at_most_and_never_less_than_a_run() -> None:
    index = index_of(4000)
    asked = job(frames="all", part_seconds=10)
    pieces = pieces_of(index, 10**9, asked, MEMORY)
    request = 0.18  # to open the video and to write
    work = [piece.seconds - request for piece in pieces]
    assert len(pieces) == math.ceil(sum(work) / (10 / 8))
    assert max(work) - min(work) <= 2 * sum(work) / (4000 / 50)
    assert [piece.first % 50 for piece in pieces] == [0] * len(pieces)
    assert rows_of(*pieces) == list(range(4000))
    one = pieces_of(index_of(4000, gop=4000), 10**9, asked, MEMORY)
    assert [(piece.first, piece.last) for piece in one] == [(0, 3999)]


@pytest.mark.parametrize("form", [{"format": "sheet", "frames": {"count": 16}}, {"format": "mp4", "frames": "all"}])
def test_one_object_of_all_frames_is_one_piece(form: dict[str, Any]) -> None:
    (piece,) = pieces_of(index_of(4000), 10**9, job(part_seconds=1, **form), MEMORY)
    parted = pieces_of(index_of(4000), 10**9, job(part_seconds=1, frames=form["frames"], format="npy"), MEMORY)
    assert len(parted) > 1
    assert rows_of(piece) == rows_of(*parted)
    assert piece.seconds > parted[0].seconds


def test_what_the_job_asks_for_is_in_the_prediction() -> None:
    def seconds(**fields: Any) -> float:
        index = index_of(100, rotation=fields.pop("rotation", 0))
        memory = fields.pop("memory", MEMORY)
        return sum(piece.seconds for piece in pieces_of(index, 10**9, job(frames="all", **fields), memory))

    jpeg = seconds()
    assert seconds(format="png") > jpeg
    assert seconds(size={"max_side": 64}) < jpeg
    assert seconds(reduce="sum") < jpeg
    assert seconds(memory=2 * MEMORY) < jpeg
    # turned, a frame of the same width has other pixels
    assert seconds(rotation=90, size={"width": 320}) > seconds(rotation=90, rotate=False, size={"width": 320})


def test_several_results_cost_their_work_and_one_decode() -> None:
    def seconds(*outputs: dict[str, Any], **fields: Any) -> float:
        more = {"outputs": list(outputs)} if outputs else {}
        (piece,) = pieces_of(index_of(500), 10**9, job(frames="all", part_seconds=600, **more, **fields), MEMORY)
        return piece.seconds

    wide, small = {"size": {"max_side": 640}}, {"size": {"max_side": 160}, "format": "webp"}
    places = [{"output": f"s3://results/{name}/"} for name in "ab"]
    decode = 0.18 + 500 * (0.0013 * 0.9216 + 0.05 * 0.01)  # opening, samples and their bytes
    together = seconds({**places[0], **wide}, {**places[1], **small})
    assert together == pytest.approx(seconds(**wide) + seconds(**small) - decode, abs=2e-4)
    assert seconds({**places[0], **wide}) == pytest.approx(seconds(**wide))


def test_the_memory_of_all_results_counts() -> None:
    arrays = [{"output": f"s3://results/{number}/", "format": "tar"} for number in range(4)]
    assert pieces_of(index_of(10), 10**9, job(frames="all", outputs=arrays[:1]), 640 * 2**20)
    with pytest.raises(LimitExceeded, match="memory"):
        pieces_of(index_of(10), 10**9, job(frames="all", outputs=arrays), 640 * 2**20)


def test_a_video_whose_frames_do_not_fit_into_the_function_is_refused() -> None:
    index = index_of(10, width=7680, height=4320)
    with pytest.raises(LimitExceeded, match="7680x4320"):
        pieces_of(index, 10**9, job(frames="all"), 512 * 2**20)
    assert pieces_of(index, 10**9, job(frames="all"), None)


def test_a_piece_is_described_by_its_rows_and_its_cost() -> None:
    assert make_piece(np.array([2, 4, 6], np.int64), 1.23456).document() == {
        "frames": "2:7:2",
        "first": 2,
        "last": 6,
        "count": 3,
        "seconds": 1.2346,
    }
    assert make_piece(np.array([5], np.int64), 1.0).frames == [5]
    assert make_piece(np.array([5, 5], np.int64), 1.0).frames == [5, 5]
    assert make_piece(np.array([0, 1, 3], np.int64), 1.0).frames == [0, 1, 3]
