"""Bytes of a video for the core: its own file, ranges, all in a temporary file, or all through a window of memory."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from threading import Thread

from hwang import _core
from hwang.errors import HwangError, StorageFullError
from hwang.fork import Lock
from hwang.ranges import FETCH_MEMORY_BYTES, ByteRange
from hwang.sources.local import CountingSource, FileSource

_BLOCK_BYTES = 8 << 20
_BLOCKS_AT_ONCE = 4  # a source may fetch them over several connections

_WINDOW_BLOCK_BYTES, _WINDOW_PART_BYTES, _WINDOW_BLOCKS = 4 << 20, 1 << 20, 4
"""Blocks of a video that is read from end to end and not kept; each is fetched in parts, at once if the source can."""

_HEAD_BYTES = 1 << 10
_SYNC_BYTE = 0x47


class Spool:
    """Passes a source's bytes to the core: a file by its descriptor, other sources by the needed ranges.

    Containers that have to be read from end to end more than once are fetched into a temporary file.
    """

    def __init__(self, source: CountingSource) -> None:
        self._source = source
        self._whole: _core.Bytes | None = None
        self._fetching = Lock()

    def expect(self, ranges: Sequence[ByteRange]) -> AbstractContextManager[object]:
        """Let a source that can do so fetch these ranges ahead of their use, until the end of the context."""
        expect = getattr(self._source.source, "expect", None)
        return (expect and self._whole is None and expect(ranges)) or nullcontext()

    def ranges(self, ranges: Sequence[ByteRange]) -> _core.Bytes:
        """Return these ranges, cut at the end of the file: in memory, or in a sparse temporary file."""
        if self._whole is not None:
            return self._whole
        with self.expect(ranges):
            return self._fetched(ranges)

    def _fetched(self, ranges: Sequence[ByteRange]) -> _core.Bytes:
        size = self._source.size
        there = [(offset, min(length, size - offset)) for offset, length in ranges if offset < size]
        if isinstance(self._source.source, FileSource) or sum(length for _, length in there) > FETCH_MEMORY_BYTES:
            return self._file(there)
        pieces = self._source.read_ranges(there)
        return _core.memory_bytes([(offset, piece) for (offset, _), piece in zip(there, pieces, strict=True)], size)

    def whole(self) -> _core.Bytes:
        """Return all bytes; they are fetched once."""
        with self._fetching:
            if self._whole is None:
                self._whole = self._file([(0, self._source.size)])
            return self._whole

    def to_scan(self, stop: _core.StopFlag) -> AbstractContextManager[_core.Bytes]:
        """Return all bytes for an index to be made: not kept if samples can be read by ranges afterwards."""
        if self._whole is None and not isinstance(self._source.source, FileSource):
            head = self._source.read_ranges([(0, min(_HEAD_BYTES, self._source.size))])[0]
            if _has_ranged_samples(head):
                return self.stream(stop)
        return nullcontext(self.whole())

    @contextmanager
    def stream(self, stop: _core.StopFlag) -> Iterator[_core.Bytes]:
        """Yield all bytes for one pass from beginning to end, through a window of memory unless they are there.

        Raises the errors of the source.
        """
        if self._whole is not None or isinstance(self._source.source, FileSource):
            yield self.whole()
            return
        served = _core.ServedBytes(self._source.size, _WINDOW_BLOCK_BYTES, _WINDOW_BLOCKS, stop)
        failures: list[BaseException] = []
        with self.expect([(0, self._source.size)]):
            Thread(target=self._serve, args=(served, failures), name="hwang-serve", daemon=True).start()
            try:
                yield served
            except HwangError:
                if not failures:
                    raise
            finally:
                served.close()
        if failures:
            raise failures[0]

    def _serve(self, served: _core.ServedBytes, failures: list[BaseException]) -> None:
        _core.may_be_left_behind()  # it waits in the core
        try:
            while (offset := served.wanted()) is not None:
                end = min(offset + _WINDOW_BLOCK_BYTES, self._source.size)
                parts = [(at, min(_WINDOW_PART_BYTES, end - at)) for at in range(offset, end, _WINDOW_PART_BYTES)]
                served.give(offset, b"".join(self._source.read_ranges(parts)))
        except BaseException as error:
            failures.append(error)
            served.close()

    def _file(self, ranges: list[ByteRange]) -> _core.Bytes:
        """Return the source's own file, or a sparse temporary one with these ranges, fetched a few blocks at a time.

        The space is reserved before anything is fetched, and free again when the core releases it. Raises
        StorageFullError.
        """
        if isinstance(self._source.source, FileSource):
            self._source.count(len(ranges), sum(length for _, length in ranges))
            return _core.file_bytes(self._source.source.fileno(), self._source.size)
        import tempfile  # slow to import, rarely needed

        blocks = [
            (start, min(_BLOCK_BYTES, offset + length - start))
            for offset, length in ranges
            for start in range(offset, offset + length, _BLOCK_BYTES)
        ]
        try:
            with tempfile.TemporaryFile() as file:
                _reserve(file.fileno(), ranges)
                for first in range(0, len(blocks), _BLOCKS_AT_ONCE):
                    group = blocks[first : first + _BLOCKS_AT_ONCE]
                    for (offset, _), data in zip(group, self._source.read_ranges(group), strict=True):
                        file.seek(offset)
                        file.write(data)
                file.flush()
                return _core.file_bytes(file.fileno(), self._source.size)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            raise _full(sum(length for _, length in ranges)) from error

    def close(self) -> None:
        """Release the bytes of whole()."""
        self._whole = None


def _has_ranged_samples(head: bytes) -> bool:
    """Return True for the first bytes of Matroska, and of MPEG-TS with packets of any size."""
    if head.startswith(b"\x1aE\xdf\xa3"):
        return True
    starts = ((0, 188), (4, 192), (0, 204))
    return any(
        len(head) > start + 2 * stride and set(head[start : start + 2 * stride + 1 : stride]) == {_SYNC_BYTE}
        for start, stride in starts
    )


def _reserve(descriptor: int, ranges: Sequence[ByteRange]) -> None:
    """Reserve space for ranges of a file: others write beside it."""
    try:
        for offset, length in ranges:
            os.posix_fallocate(descriptor, offset, length)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):  # a file system that reserves nothing
            raise


def _full(wanted: int) -> StorageFullError:
    import shutil
    import tempfile

    free = shutil.disk_usage(tempfile.gettempdir()).free
    return StorageFullError(
        f"{wanted} bytes of temporary storage are needed, and {free} are free: make it larger (on Lambda: ephemeral "
        "storage), or use an index that was made elsewhere, as then only what is decoded is fetched",
        wanted=wanted,
        free=free,
    )
