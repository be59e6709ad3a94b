"""Cutting work: every row once, pieces and parts of equal cost."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from function.actions.cost import Rates
from function.frames.rows import resolve_rows
from function.jobs.pieces import Piece, Work, bundles, evenly
from function.models.event import Decode, parse_event
from hwang.plan import make_plan
from tests.unit.deploy.streams import Stream, streams

OPEN_SECONDS = 0.2
RATES = Rates(sample=0.01, byte=1e-6, frame=0.002, request=OPEN_SECONDS)
thorough = settings(max_examples=200, deadline=None)
costs = st.lists(st.floats(0.001, 10), min_size=1, max_size=60)


def some_rows(data: st.DataObject, stream: Stream) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    rows = data.draw(st.lists(st.sampled_from(range(len(stream.rows))), min_size=1, max_size=30))
    return np.array(rows, np.int64)


@thorough
@given(streams(), st.data(), st.floats(0.005, 1))
def test_every_row_is_in_one_piece_as_often_as_it_was_asked_for(
    stream: Stream, data: st.DataObject, most_seconds: float
) -> None:
    if not stream.rows:
        return
    rows = some_rows(data, stream)
    pieces = Work.of(stream.index(), rows, RATES).pieces(most_seconds, OPEN_SECONDS)
    assert sorted(np.concatenate([piece.rows for piece in pieces]).tolist()) == sorted(rows.tolist())


@thorough
@given(streams(), st.data(), st.floats(0.005, 1))
def test_pieces_decode_no_sample_twice(stream: Stream, data: st.DataObject, most_seconds: float) -> None:
    if not stream.rows:
        return
    index, rows = stream.index(), some_rows(data, stream)
    pieces = Work.of(index, rows, RATES).pieces(most_seconds, OPEN_SECONDS)
    apart = sum(make_plan(index, piece.rows).samples_decoded for piece in pieces)
    assert apart == make_plan(index, rows).samples_decoded


@thorough
@given(streams(), st.data(), st.floats(0.005, 1))
def test_a_piece_costs_what_its_share_is_give_or_take_a_run(
    stream: Stream, data: st.DataObject, most_seconds: float
) -> None:
    if not stream.rows:
        return
    work = Work.of(stream.index(), some_rows(data, stream), RATES)
    longest = float(work.seconds_of_run.max())
    pieces = work.pieces(most_seconds, OPEN_SECONDS)
    assert all(piece.seconds - OPEN_SECONDS <= most_seconds + longest + 1e-9 for piece in pieces)
    assert np.isclose(sum(piece.seconds - OPEN_SECONDS for piece in pieces), work.seconds)


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=50))
def test_a_piece_names_its_rows_as_an_event_does(rows: list[int]) -> None:
    piece = Piece(np.sort(np.array(rows, np.int64)), 1.0)
    event = parse_event({"video": "s3://bucket/key", "frames": piece.frames, "output": "s3://bucket/out/"})
    assert isinstance(event, Decode)

    class Long:
        def __len__(self) -> int:
            return 10**6 + 1

    assert resolve_rows(event.frames, Long()).tolist() == sorted(rows)  # type: ignore[arg-type]


def test_a_long_range_stays_short() -> None:
    assert Piece(np.arange(0, 10**6, 7, dtype=np.int64), 1.0).frames == "0:1000000:7"


@given(costs, st.integers(1, 20))
def test_shares_ascend_and_differ_by_no_more_than_a_cost(items: list[float], shares: int) -> None:
    array = np.array(items)
    share = evenly(array, shares)
    assert (np.diff(share) >= 0).all()
    assert share.min() >= 0
    assert share.max() < shares
    sums = np.bincount(share, array, minlength=shares)
    assert (sums <= array.sum() / shares + array.max() + 1e-9).all()


@given(costs, st.integers(1, 20))
def test_bundles_hold_every_piece_once_and_in_order(items: list[float], parts: int) -> None:
    pieces = [{"seconds": seconds, "number": number} for number, seconds in enumerate(items)]
    made = list(bundles(iter(pieces), sum(items), parts))
    assert [piece for bundle in made for piece in bundle] == pieces
    assert all(made)
    assert len(made) <= parts


@given(st.lists(st.floats(0.5, 1), min_size=80, max_size=400), st.integers(2, 10))
def test_bundles_of_small_pieces_cost_the_same(items: list[float], parts: int) -> None:
    pieces = [{"seconds": seconds} for seconds in items]
    sums = [sum(piece["seconds"] for piece in bundle) for bundle in bundles(iter(pieces), sum(items), parts)]
    assert len(sums) == parts
    assert all(abs(one - other) <= 2 for one, other in pairwise(sums))
