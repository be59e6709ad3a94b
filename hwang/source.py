"""Sources of a video's bytes: a path, bytes, a file object, or an object that reads ranges."""

from __future__ import annotations

import io
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Protocol, Self, cast, runtime_checkable

from hwang.errors import CorruptMediaError, SourceError

__all__ = [
    "BinaryFile",
    "CountingSource",
    "FileObjectSource",
    "FileSource",
    "MemorySource",
    "RangeSource",
    "VideoInput",
    "open_source",
]


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


VideoInput = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryFile | RangeSource


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
        for offset, length in ranges:
            if offset < 0 or length < 0 or offset + length > self._size:
                raise SourceError(
                    f"{self.name}: bytes {offset}..{offset + length} requested, but it has {self._size}; "
                    "the file is truncated or the index belongs to another file"
                )
        return [self._exactly(offset, length) for offset, length in ranges]

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

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

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
    """A binary file object of the caller: read under a lock, never closed."""

    def __init__(self, file: BinaryFile) -> None:
        self._file, self._lock = file, threading.Lock()
        super().__init__(str(getattr(file, "name", "file object")), file.seek(0, io.SEEK_END))

    def _read(self, offset: int, length: int) -> bytes:
        with self._lock:
            self._file.seek(offset, io.SEEK_SET)
            return self._file.read(length)


class CountingSource:
    """Counts the reads of a source. `bytes_read` and `requests` (ranges) only grow."""

    def __init__(self, source: RangeSource) -> None:
        self.source = source
        self.bytes_read = 0
        self.requests = 0
        self._lock = threading.Lock()

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


def open_source(video: VideoInput) -> RangeSource:
    """Return `video` as a range source.

    Paths (str, PathLike) are opened and owned by the result, bytes-like objects and file objects stay the
    caller's, and an object with `size` and `read_ranges` is returned itself.
    Raises CorruptMediaError for 0 bytes, OSError if a path cannot be opened, TypeError otherwise.
    """
    if isinstance(video, str | os.PathLike):
        return FileSource(video)
    if isinstance(video, bytes | bytearray | memoryview):
        return MemorySource(video)
    if hasattr(video, "size") and hasattr(video, "read_ranges"):
        return cast("RangeSource", video)
    if hasattr(video, "read") and hasattr(video, "seek"):
        if isinstance(video, io.TextIOBase):
            raise TypeError("video is a text file object; open it with mode 'rb'")
        return FileObjectSource(video)
    raise TypeError(
        "video must be a path, bytes, a binary file object, or have `size` and `read_ranges`, "
        f"not {type(video).__name__}"
    )
