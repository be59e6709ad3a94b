"""Every error that hwang raises on purpose.

Each class also derives from the builtin that Python programmers would catch for the same mistake.
A message states what is wrong, the likely cause and the remedy.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable

__all__ = [
    "ClockError",
    "CorruptFrameError",
    "CorruptMediaError",
    "DecodeTimeoutError",
    "EncryptedMediaError",
    "FrameIndexError",
    "HwangError",
    "LimitExceededError",
    "SourceError",
    "SourceForbiddenError",
    "SourceNotFoundError",
    "StoppedError",
    "StorageFullError",
    "UnsupportedMediaError",
]


class HwangError(Exception):
    """Base class of all errors of this package. `detail` has the numbers of the message, for programs, or is empty."""

    def __init__(self, *args: object, **detail: object) -> None:
        super().__init__(*args)
        self.detail = detail


class FrameIndexError(HwangError, IndexError):
    """A row outside [0, len(video)), or a time at which no row is on display. Rows do not count from the end."""


class ClockError(HwangError, ValueError):
    """A time was asked for in a raw stream, which states none: give fps= when opening it, or ask for rows.

    Or fps= was given for a video that states its times.
    """


class UnsupportedMediaError(HwangError, ValueError):
    """The bytes are valid, but this build cannot decode their format; or it cannot encode the requested format."""


class EncryptedMediaError(UnsupportedMediaError):
    """The video track is encrypted (CENC, CBCS, FairPlay); keys are not supported."""


class CorruptMediaError(HwangError, ValueError):
    """The bytes contradict themselves, or end too early."""


class CorruptFrameError(CorruptMediaError):
    """Some requested frames cannot be decoded exactly; the others can.

    ``rows`` holds the rows concerned, in ascending order, each once.
    """

    rows: tuple[int, ...]

    def __init__(self, message: str, rows: Iterable[int] = ()) -> None:
        super().__init__(message)
        self.rows = tuple(sorted(set(rows)))

    def __reduce__(self) -> tuple[type[CorruptFrameError], tuple[str, tuple[int, ...]]]:
        return type(self), (str(self), self.rows)


class LimitExceededError(HwangError, ValueError):
    """Decoding would need more memory, pixels or samples than allowed. Raised before anything is allocated."""


class SourceError(HwangError, OSError):
    """Reading the video's bytes failed, or returned fewer than requested."""


class SourceNotFoundError(SourceError, FileNotFoundError):
    """There is no object at this address, or no such version."""

    errno = errno.ENOENT


class SourceForbiddenError(SourceError, PermissionError):
    """Access is denied or has expired, a certificate is not valid, or S3 hides that the object is missing."""

    errno = errno.EACCES


class StorageFullError(HwangError, OSError):
    """Temporary storage has no room for what must be stored; `detail` has the bytes `wanted` and `free`.

    Raised before anything is fetched, unless the storage fills up meanwhile.
    """

    errno = errno.ENOSPC


class StoppedError(HwangError):
    """stop() ended the call. A Decoder can be used again, an Mp4Writer cannot."""


class DecodeTimeoutError(HwangError, TimeoutError):
    """The limit that timeout= set has passed. The Decoder can be used again.

    Work that does not stop at the limit continues in the background, with decoders and memory of its own.
    """
