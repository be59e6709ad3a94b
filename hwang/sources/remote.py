"""A remote object as the source of a Decoder: opened by the first read, its ranges fetched in parallel and ahead."""

from __future__ import annotations

import os
import weakref
from collections.abc import Sequence
from typing import Final

from hwang.ranges import ByteRange
from hwang.sources.faults import Fault, MakeError
from hwang.sources.origin import Origin
from hwang.sources.prefetch import Blocks, Expectation
from hwang.sources.ranged_object import Deadline, Never, RemoteObject

_NEVER: Final = Never()


class RemoteSource:
    """A remote object that `hwang.Decoder` reads; `remote` counts its requests and bytes. Thread-safe.

    It is opened by one request, for what is expected first, or else for its first bytes. In a forked child it has
    connections and threads of its own. Raises errors of `make_error` and of the deadline.
    """

    def __init__(self, origin: Origin, make_error: MakeError, deadline: Deadline = _NEVER) -> None:
        self.uri = origin.shown
        self.remote = RemoteObject(origin, make_error, deadline)
        self._make_error = make_error
        self._blocks = Blocks(self.remote.read)
        _sources.add(self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.uri}>"

    @property
    def size(self) -> int:
        """Size of the object in bytes."""
        self.remote.open()
        return self.remote.size

    @property
    def etag(self) -> str:
        """The server's ETag with its quotes; empty if there is none."""
        self.remote.open()
        return self.remote.etag

    def expect(self, ranges: Sequence[ByteRange]) -> Expectation:
        """Begin to fetch these ranges, ascending and disjoint, in this order, ahead of their use.

        The result is a context manager: at its end they are needed no more.
        """
        if ranges:
            self.remote.open(*ranges[0])
        size = self.remote.size
        inside = [(offset, min(length, size - offset)) for offset, length in ranges if offset < size]
        return self._blocks.expect([rest for part in inside if (rest := self._unknown(*part))[1]])

    def read_ranges(self, ranges: Sequence[ByteRange]) -> list[bytes]:
        """Return the bytes of each (offset, length), in order, fetched in parallel."""
        for offset, length in ranges:
            if offset < 0 or length < 0 or offset + length > self.size:
                raise self._make_error(
                    Fault.BROKEN,
                    f"{self.uri} refers to bytes {offset} to {offset + length}, but has {self.size}; "
                    "it is truncated or damaged",
                    self.uri,
                )
        rests = [self._unknown(*range_) for range_ in ranges]
        fetched = iter(self._blocks.read([rest for rest in rests if rest[1]]))
        return [
            self._known(offset, length - left) + (next(fetched) if left else b"")
            for (offset, length), (_, left) in zip(ranges, rests, strict=True)
        ]

    def close(self) -> None:
        """Cancel all fetches and release the connections."""
        self.remote.close()
        self._blocks.close()

    def after_fork(self) -> None:
        """Leave connections, threads and locks to the parent process."""
        self.remote.after_fork()
        self._blocks.after_fork()

    def _known(self, offset: int, length: int) -> bytes:
        start = offset - self.remote.head_offset
        return self.remote.head[start : start + length] if length else b""

    def _unknown(self, offset: int, length: int) -> ByteRange:
        """Return the part of a range that did not come with the opening request: none of it, or its end, or all."""
        start, end = self.remote.head_offset, self.remote.head_offset + len(self.remote.head)
        begin = min(max(offset, end), offset + length) if start <= offset < end else offset
        return begin, offset + length - begin


_sources: Final[weakref.WeakSet[RemoteSource]] = weakref.WeakSet()


def _after_fork() -> None:
    for source in list(_sources):
        source.after_fork()


os.register_at_fork(after_in_child=_after_fork)
