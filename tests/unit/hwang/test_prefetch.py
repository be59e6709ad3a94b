"""Reading ahead: right bytes whatever is expected and asked, bounded, in order."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwang.sources import prefetch
from hwang.sources.prefetch import Blocks

CONTENT = bytes(range(256)) * 40
RANGES = st.lists(
    st.tuples(st.integers(0, len(CONTENT) - 1), st.integers(0, 2000)).map(
        lambda pair: (pair[0], min(pair[1], len(CONTENT) - pair[0]))
    ),
    max_size=8,
)


class Fetches:
    """A fetch function that counts."""

    def __init__(self) -> None:
        self.made: list[tuple[int, int]] = []
        self._lock = threading.Lock()

    def __call__(self, offset: int, length: int) -> bytes:
        with self._lock:
            self.made.append((offset, length))
        return CONTENT[offset : offset + length]


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefetch, "BLOCK_BYTES", 512)
    monkeypatch.setattr(prefetch, "WINDOW_BYTES", 2048)


def disjoint(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    kept: list[tuple[int, int]] = []
    for offset, length in sorted(ranges):
        if length and (not kept or sum(kept[-1]) <= offset):
            kept.append((offset, length))
    return kept


@settings(max_examples=150, deadline=None)
@given(expected=RANGES.map(disjoint), reads=st.lists(RANGES, max_size=4))
def test_every_read_gives_its_bytes(expected: list[tuple[int, int]], reads: list[list[tuple[int, int]]]) -> None:
    ahead = Blocks(Fetches())
    try:
        ahead.expect(expected)
        for ranges in reads:
            assert ahead.read(ranges) == [CONTENT[offset : offset + length] for offset, length in ranges]
    finally:
        ahead.close()


def test_what_is_expected_is_fetched_once_however_it_is_cut() -> None:
    fetch = Fetches()
    ahead = Blocks(fetch)
    ahead.expect([(100, 1000), (5000, 3000)])
    for start in range(5000, 8000, 100):
        ahead.read([(start, 100)])
    ahead.read([(100, 1000)])
    ahead.close()
    assert sum(length for _, length in fetch.made) == 4000


def test_no_more_is_fetched_ahead_than_the_window_holds() -> None:
    fetch = Fetches()
    ahead = Blocks(fetch)
    ahead.expect([(0, 10_000)])
    ahead.close()
    assert sum(length for _, length in fetch.made) <= 2048


def test_reading_on_makes_room_for_the_next() -> None:
    fetch = Fetches()
    ahead = Blocks(fetch)
    ahead.expect([(0, 10_000)])
    for start in range(0, 10_000, 250):
        assert ahead.read([(start, 250)]) == [CONTENT[start : start + 250]]
    ahead.close()
    assert sorted(fetch.made) == [(start, min(512, 10_000 - start)) for start in range(0, 10_000, 512)]


def test_a_failure_to_fetch_is_the_readers() -> None:
    def fails(offset: int, length: int) -> bytes:
        raise OSError(f"{offset}, {length}")

    ahead = Blocks(fails)
    ahead.expect([(0, 10)])
    with pytest.raises(OSError, match="0, 10"):
        ahead.read([(0, 10)])
    ahead.close()
