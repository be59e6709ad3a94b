"""A video's bytes as the core takes them."""

from __future__ import annotations

import tempfile
from typing import IO

from hwang import _core
from hwang.ranges import ByteRange
from hwang.source import CountingSource, FileSource

__all__ = ["Spool"]

_BLOCK = 8 << 20  # bytes a request when a whole object is fetched


class Spool:
    """Hands a source's bytes to the core: a file by its descriptor, anything else by the ranges that are needed.

    Containers that have to be read from end to end are fetched once, into a temporary file.
    """

    def __init__(self, source: CountingSource) -> None:
        self._source = source
        self._file: IO[bytes] | None = None

    def ranges(self, ranges: tuple[ByteRange, ...]) -> _core.Bytes:
        """These ranges; as far as the file has them."""
        size = self._source.size
        there = [(offset, min(length, size - offset)) for offset, length in ranges if offset < size]
        if isinstance(self._source.source, FileSource):
            self._source.count(len(there), sum(length for _, length in there))
            return _core.file_bytes(self._source.source.fileno(), size)
        pieces = self._source.read_ranges(there)
        return _core.memory_bytes([(offset, piece) for (offset, _), piece in zip(there, pieces, strict=True)], size)

    def whole(self) -> _core.Bytes:
        """All bytes, however often asked for they are fetched once."""
        size = self._source.size
        if isinstance(self._source.source, FileSource):
            self._source.count(1, size)
            return _core.file_bytes(self._source.source.fileno(), size)
        if self._file is None:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
            for offset in range(0, size, _BLOCK):
                self._file.write(self._source.read_ranges([(offset, min(_BLOCK, size - offset))])[0])
            self._file.flush()
        return _core.file_bytes(self._file.fileno(), size)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
