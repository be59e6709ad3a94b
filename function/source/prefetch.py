"""Fetches the bytes that a plan needs ahead of the decoder, over several connections, in bounded memory."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from function.s3 import CONNECTIONS

BLOCK_BYTES: Final = 2 << 20
WINDOW_BYTES: Final = 32 << 20  # fetched or being fetched, and not yet read

Range = tuple[int, int]  # (offset, length)
Fetch = Callable[[int, int], bytes | bytearray]


class Blocks:
    """Reads ranges; expected ones are fetched ahead. Thread-safe.

    `fetch(offset, length)` returns exactly these bytes.
    """

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(CONNECTIONS, "hwang-fetch")
        self._expected: list[Range] = []  # ascending, disjoint
        self._starts: list[int] = []
        self._next = 0  # the first block that was not asked for ahead
        self._futures: OrderedDict[int, Future[bytes | bytearray]] = OrderedDict()  # by position in _expected
        self._unread_bytes = 0
        self._read: set[int] = set()

    def expect(self, ranges: Sequence[Range]) -> None:
        """Begin to fetch these ranges, ascending and disjoint, in this order; replaces earlier expectations."""
        with self._lock:
            self._expected = [block for range_ in ranges for block in _blocks(range_)]
            self._starts = [offset for offset, _ in self._expected]
            self._next, self._unread_bytes = 0, 0
            self._futures.clear()
            self._read.clear()
            self._fill()

    def read(self, ranges: Sequence[Range]) -> list[bytes]:
        """Return the bytes of each range, in order."""
        with self._lock:
            found = [list(self._pieces(offset, length)) for offset, length in ranges]
        return [b"".join(part() for part in parts) for parts in found]

    def close(self) -> None:
        """Cancel pending fetches and wait for running ones."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _pieces(self, offset: int, length: int) -> Iterator[Callable[[], bytes | bytearray | memoryview]]:
        """Yield a callable for each piece of a range; it returns bytes of an expected block, or fetches them."""
        end = offset + length
        while offset < end:
            at = bisect_right(self._starts, offset) - 1
            if at >= 0 and offset < sum(self._expected[at]):
                start, size = self._expected[at]
                stop = min(end, start + size)
                future, skip, count = self._asked_for(at), offset - start, stop - offset
                if stop == start + size:
                    self._mark_read(at)
                yield lambda future=future, skip=skip, count=count: memoryview(future.result())[skip : skip + count]  # type: ignore[misc]
            else:
                following = self._starts[at + 1] if at + 1 < len(self._starts) else end
                stop = min(end, following)
                direct = self._pool.submit(self._fetch, offset, stop - offset)
                yield direct.result
            offset = stop

    def _asked_for(self, at: int) -> Future[bytes | bytearray]:
        if at not in self._futures:
            self._read.discard(at)
            self._unread_bytes += self._expected[at][1]
            self._futures[at] = self._pool.submit(self._fetch, *self._expected[at])
        return self._futures[at]

    def _mark_read(self, at: int) -> None:
        """Make room for the next block; keep the last blocks read as long as there is room."""
        if at in self._read:
            return
        self._read.add(at)
        self._unread_bytes -= self._expected[at][1]
        self._fill()
        held = sum(self._expected[block][1] for block in self._read if block in self._futures)
        for block in [block for block in self._futures if block in self._read]:
            if held + self._unread_bytes <= WINDOW_BYTES or block == at:
                break
            held -= self._expected[block][1]
            del self._futures[block]

    def _fill(self) -> None:
        while self._next < len(self._expected):
            size = self._expected[self._next][1]
            if self._unread_bytes and self._unread_bytes + size > WINDOW_BYTES:
                return
            if self._next not in self._futures and self._next not in self._read:
                self._unread_bytes += size
                self._futures[self._next] = self._pool.submit(self._fetch, *self._expected[self._next])
            self._next += 1


def _blocks(range_: Range) -> Iterator[Range]:
    offset, length = range_
    for start in range(offset, offset + length, BLOCK_BYTES):
        yield start, min(BLOCK_BYTES, offset + length - start)
