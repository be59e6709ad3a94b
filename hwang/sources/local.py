"""Sources on this machine: a file, bytes, a file object, a file system of fsspec; and the base that they share."""

from __future__ import annotations

import io
import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from hwang.errors import CorruptMediaError, SourceError
from hwang.fork import Lock


@runtime_checkable
class RangeSource(Protocol):
    """Random access to one immutable object. Thread-safe."""

    @property
    def size(self) -> int:
        """Length in bytes."""

    def read_ranges(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Read (offset, length) ranges, in the order given.

        Each result has exactly the requested length. Raises SourceError otherwise.
        """


class BinaryFile(Protocol):
    """A binary file object that can seek."""

    def read(self, size: int = ..., /) -> bytes:
        """Read up to `size` bytes."""

    def seek(self, offset: int, whence: int = ..., /) -> int:
        """Move to a position and return it."""


VideoInput = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryFile | RangeSource | tuple[Any, str]


class _Source(ABC):
    """Base of the sources of this module: a name for messages, bounds checks, complete reads."""

    def __init__(self, name: str, size: int) -> None:
        if size == 0:
            raise CorruptMediaError(f"{name} is empty (0 bytes); check the upload or download that produced it")
        self.name = name
        self._size = size

    @property
    def size(self) -> int:
        """Length in bytes."""
        return self._size

    def read_ranges(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Read (offset, length) ranges. Raises SourceError for one that is outside, or that cannot be read."""
        self._check(ranges)
        return [self._exactly(offset, length) for offset, length in ranges]

    def _check(self, ranges: Sequence[tuple[int, int]]) -> None:
        for offset, length in ranges:
            if offset < 0 or length < 0 or offset + length > self._size:
                raise SourceError(
                    f"{self.name}: bytes {offset}..{offset + length} requested, but it has {self._size}; "
                    "the file is truncated or the index belongs to another file"
                )

    def _exactly(self, offset: int, length: int) -> bytes:
        parts, missing = [], length
        while missing:
            try:
                part = self._read(offset + length - missing, missing)
            except (OSError, ValueError) as error:
                raise SourceError(f"{self.name}: reading {length} bytes at {offset} failed: {error}") from error
            if not part:
                raise SourceError(
                    f"{self.name}: got {length - missing} of {length} bytes at offset {offset}; "
                    "it became shorter while being read; open it again"
                )
            parts.append(part)
            missing -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def close(self) -> None:  # noqa: B027 - most sources own nothing
        """Release what this source owns. Closing again does nothing."""

    @abstractmethod
    def _read(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes, at least one unless the source ends at `offset`."""


class FileSource(_Source):
    """A file, read with pread. Owns its descriptor."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._fd = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        try:
            super().__init__(os.fspath(path), os.fstat(self._fd).st_size)
        except BaseException:
            self.close()
            raise

    def fileno(self) -> int:
        """Return the descriptor, valid until close()."""
        if self._fd < 0:
            raise SourceError(f"{self.name} is closed")
        return self._fd

    def _read(self, offset: int, length: int) -> bytes:
        return os.pread(self.fileno(), length, offset)

    def close(self) -> None:
        """Close the descriptor. Closing again does nothing."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __del__(self) -> None:
        if hasattr(self, "_fd"):
            self.close()


class MemorySource(_Source):
    """Bytes already in memory; not copied, so the caller must not change them."""

    def __init__(self, data: bytes | bytearray | memoryview, name: str = "video bytes") -> None:
        self._data = memoryview(data).cast("B")
        super().__init__(name, self._data.nbytes)

    def _read(self, offset: int, length: int) -> bytes:
        return bytes(self._data[offset : offset + length])


class FileObjectSource(_Source):
    """A binary file object of the caller: read under a lock, never closed.

    A file of the system is read without moving its position, which a forked child would share.
    """

    def __init__(self, file: BinaryFile) -> None:
        self._file, self._lock = file, Lock()
        super().__init__(str(getattr(file, "name", "file object")), file.seek(0, io.SEEK_END))

    def _read(self, offset: int, length: int) -> bytes:
        if type(getattr(self._file, "raw", self._file)) is io.FileIO and not isinstance(self._file, io.BufferedRandom):
            return os.pread(self._file.fileno(), length, offset)  # type: ignore[attr-defined]
        with self._lock:
            self._file.seek(offset, io.SEEK_SET)
            return self._file.read(length)


class FsspecSource(_Source):
    """A path of an fsspec file system, whose `cat_ranges` fetches ranges at once if it can."""

    def __init__(self, fs: Any, path: str) -> None:
        self._fs, self._path = fs, path
        size = fs.size(path)
        if size is None:
            raise SourceError(f"{path}: its file system does not state its size; copy the file, or pass its bytes")
        super().__init__(path, size)

    def read_ranges(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Read ranges in one call of the file system. Raises SourceError."""
        self._check(ranges)
        wanted = [(offset, offset + length) for offset, length in ranges if length]
        starts, ends = [start for start, _ in wanted], [end for _, end in wanted]
        try:
            found = iter(self._fs.cat_ranges([self._path] * len(wanted), starts, ends, on_error="raise"))
        except Exception as error:  # each file system has errors of its own
            raise SourceError(f"{self.name}: reading {len(wanted)} ranges failed: {error}") from error
        return [next(found) if length else b"" for _, length in ranges]

    def _read(self, offset: int, length: int) -> bytes:
        return self.read_ranges([(offset, length)])[0]


class CountingSource:
    """Counts the reads of a source. `bytes_read` and `requests` (ranges) only grow."""

    def __init__(self, source: RangeSource) -> None:
        self.source = source
        self.bytes_read = 0
        self.requests = 0
        self._lock = Lock()

    @property
    def size(self) -> int:
        """Length in bytes."""
        return self.source.size

    def read_ranges(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Read ranges of the source. Raises SourceError for a result of another length."""
        parts = self.source.read_ranges(ranges)
        for (offset, length), part in zip(ranges, parts, strict=True):
            if len(part) != length:
                raise SourceError(f"the video's source returned {len(part)} of {length} bytes at offset {offset}")
        self.count(len(ranges), sum(map(len, parts)))
        return parts

    def count(self, requests: int, bytes_read: int) -> None:
        """Add reads made without this object: the core reads a file descriptor itself."""
        with self._lock:
            self.requests += requests
            self.bytes_read += bytes_read
