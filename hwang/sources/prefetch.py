"""Fetches the bytes that plans need ahead of the decoder, over several connections, in bounded memory."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future
from typing import Final, Self

from hwang.ranges import ByteRange

CONNECTIONS: Final = 8  # of one video
BLOCK_BYTES: Final = 2 << 20
WINDOW_BYTES: Final = 32 << 20  # of a plan: fetched or being fetched, and not yet read

Data = bytes | bytearray | memoryview
Fetch = Callable[[int, int], bytes | bytearray]


class Blocks:
    """Reads ranges; expected ones are fetched ahead. Thread-safe.

    `fetch(offset, length)` returns exactly these bytes.
    """

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self.after_fork()

    def after_fork(self) -> None:
        """Leave locks, threads and expectations to the parent process."""
        self.lock = threading.RLock()
        self._expectations: list[Expectation] = []
        self._waiting: deque[tuple[Future[bytes | bytearray], ByteRange]] = deque()
        self._threads = 0

    def expect(self, ranges: Sequence[ByteRange]) -> Expectation:
        """Begin to fetch these ranges, ascending and disjoint, in this order, but for what is expected already."""
        with self.lock:
            blocks = [block for range_ in ranges for block in _blocks(range_)]
            new = [block for block in blocks if not any(known.find(block[0]) for known in self._expectations)]
            expectation = Expectation(self, new)
            self._expectations.append(expectation)
            expectation.fill()
        return expectation

    def forget(self, expectation: Expectation) -> None:
        """Cancel the fetches of an expectation that have not begun, and release its blocks."""
        with self.lock:
            if expectation in self._expectations:
                self._expectations.remove(expectation)
                expectation.cancel()

    def read(self, ranges: Sequence[ByteRange]) -> list[bytes]:
        """Return the bytes of each range, in order."""
        with self.lock:
            found = [list(self._pieces(offset, length)) for offset, length in ranges]
        return [b"".join(part() for part in parts) for parts in found]

    def close(self) -> None:
        """Forget all expectations."""
        for expectation in list(self._expectations):
            self.forget(expectation)

    def submit(self, offset: int, length: int) -> Future[bytes | bytearray]:
        """Fetch in one of up to CONNECTIONS threads, which end when there is nothing to fetch."""
        future: Future[bytes | bytearray] = Future()
        with self.lock:
            if self._threads < CONNECTIONS:
                threading.Thread(target=self._work, name="hwang-fetch", daemon=True).start()
                self._threads += 1
            self._waiting.append((future, (offset, length)))
        return future

    def _work(self) -> None:
        while True:
            with self.lock:
                if not self._waiting:
                    self._threads -= 1
                    return
                future, wanted = self._waiting.popleft()
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(self._fetch(*wanted))
                except BaseException as error:
                    future.set_exception(error)
            del future  # and with it the bytes

    def _pieces(self, offset: int, length: int) -> Iterator[Callable[[], Data]]:
        """Yield a callable for each piece of a range; it returns bytes of an expected block, or fetches them."""
        end = offset + length
        while offset < end:
            found = next((hit for known in self._expectations if (hit := known.find(offset))), None)
            if found:
                expectation, at = found
                yield expectation.piece(at, offset, end)
                offset = min(end, sum(expectation.blocks[at]))
            else:
                stop = min([end, *(known.next_start(offset, end) for known in self._expectations)])
                yield self.submit(offset, stop - offset).result
                offset = stop


class Expectation:
    """The blocks of one plan: a context manager that forgets them at its end. Called with the lock of its Blocks."""

    def __init__(self, owner: Blocks, blocks: list[ByteRange]) -> None:
        self.blocks = blocks  # ascending, disjoint
        self._owner = owner
        self._starts = [offset for offset, _ in blocks]
        self._next = 0  # the first block that was not asked for ahead
        self._futures: OrderedDict[int, Future[bytes | bytearray]] = OrderedDict()  # by position in blocks
        self._unread_bytes = 0
        self._read: set[int] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._owner.forget(self)

    def find(self, offset: int) -> tuple[Expectation, int] | None:
        """Return this and the position of the block that holds the byte at `offset`, if there is one."""
        at = bisect_right(self._starts, offset) - 1
        return (self, at) if at >= 0 and offset < sum(self.blocks[at]) else None

    def next_start(self, offset: int, end: int) -> int:
        """Return the start of the first block behind `offset`, at most `end`."""
        at = bisect_right(self._starts, offset)
        return min(end, self._starts[at]) if at < len(self._starts) else end

    def piece(self, at: int, offset: int, end: int) -> Callable[[], Data]:
        """Return a callable that returns the bytes of a block from `offset` on, up to `end`."""
        start, size = self.blocks[at]
        stop = min(end, start + size)
        future = self._asked_for(at)
        if stop == start + size:
            self._mark_read(at)

        def piece() -> Data:
            try:
                data = future.result()
            except CancelledError:  # whoever expected it needs it no more
                return self._owner.submit(offset, stop - offset).result()
            return memoryview(data)[offset - start : stop - start]

        return piece

    def fill(self) -> None:
        """Fetch ahead as much as there is room for."""
        while self._next < len(self.blocks):
            size = self.blocks[self._next][1]
            if self._unread_bytes and self._unread_bytes + size > WINDOW_BYTES:
                return
            if self._next not in self._read:
                self._asked_for(self._next)
            self._next += 1

    def cancel(self) -> None:
        """Cancel the fetches that have not begun."""
        for future in self._futures.values():
            future.cancel()
        self._futures.clear()

    def _asked_for(self, at: int) -> Future[bytes | bytearray]:
        if at not in self._futures:
            self._read.discard(at)
            self._unread_bytes += self.blocks[at][1]
            self._futures[at] = self._owner.submit(*self.blocks[at])
        return self._futures[at]

    def _mark_read(self, at: int) -> None:
        """Make room for the next block; keep the last blocks read as long as there is room."""
        if at in self._read:
            return
        self._read.add(at)
        self._unread_bytes -= self.blocks[at][1]
        self.fill()
        held = sum(self.blocks[block][1] for block in self._read if block in self._futures)
        for block in [block for block in self._futures if block in self._read]:
            if held + self._unread_bytes <= WINDOW_BYTES or block == at:
                break
            held -= self.blocks[block][1]
            del self._futures[block]


def _blocks(range_: ByteRange) -> Iterator[ByteRange]:
    offset, length = range_
    for start in range(offset, offset + length, BLOCK_BYTES):
        yield start, min(BLOCK_BYTES, offset + length - start)
