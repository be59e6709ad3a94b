"""The errors of a request: one class per public error code, named like the code."""

# The class names are the public codes, so they do not end in Error.
# ruff: noqa: N818

from __future__ import annotations

import errno
import json
import re
from collections.abc import Sequence
from typing import Any, Final

import hwang.errors

MAX_MESSAGE_CHARS: Final = 300
_MAX_SEEN_CHARS: Final = 2000

_QUERY = re.compile(r"(://[^\s?\"']*)\?[^\s\"']*")
_CREDENTIALS = re.compile(r"://[^/\s@]*@")


def public_text(text: str) -> str:
    """Return the text fit for messages: one line, no query strings or credentials, at most 300 characters."""
    text = text[:_MAX_SEEN_CHARS]  # the expressions take long over more
    text = _QUERY.sub(r"\1?…", _CREDENTIALS.sub("://…@", text))
    text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    return text if len(text) <= MAX_MESSAGE_CHARS else text[: MAX_MESSAGE_CHARS - 1] + "…"


class FunctionError(Exception):
    """Base of all errors that a caller gets. `code` is Lambda's errorType, `report` its errorMessage.

    `detail` holds the facts of the message as JSON values, for programs.
    """

    retryable = False
    trace: Sequence[str] = ()  # stack trace of a defect, for the log

    def __init__(self, message: str, **detail: object) -> None:
        self.message = public_text(message)
        self.detail = {name: public_text(value) if isinstance(value, str) else value for name, value in detail.items()}
        super().__init__(self.message)

    @property
    def code(self) -> str:
        """The public error code: the name of the class."""
        return type(self).__name__

    def facts(self) -> dict[str, object]:
        """Return {code, message, retryable, detail} as JSON values."""
        return {name: getattr(self, name) for name in ("code", "message", "retryable", "detail")}

    def report(self, request_id: str) -> str:
        """Return Lambda's errorMessage: a JSON object {message, retryable, detail, request_id}."""
        facts = {name: value for name, value in self.facts().items() if name != "code"}
        return json.dumps({**facts, "request_id": request_id})


Outcome = dict[str, Any] | FunctionError
"""The end of a request: its result or its error."""


class BadRequest(FunctionError):
    """The event is wrong; `detail.problems` lists each field that is."""


class FrameOutOfRange(FunctionError):
    """A requested frame is outside the video."""


class SourceNotFound(FunctionError):
    """The video's object, version or bucket does not exist."""


class SourceForbidden(FunctionError):
    """The video may not be read, or S3 hides that it is missing."""


class SourceExpired(FunctionError):
    """Access to the video has expired: a presigned address, a token, or a wrong clock."""


class SourceBlocked(FunctionError):
    """The policy does not allow this address."""


class SourceChanged(FunctionError):
    """The video was replaced while it was being read."""


class SourceUnavailable(FunctionError):
    """The video could not be fetched this time."""

    retryable = True


class SourceRefused(FunctionError):
    """The server does not do what is asked of it: it refuses the request, compresses, or sends no byte ranges."""


class SourceTooLarge(FunctionError):
    """The video is larger than this function takes."""


class UnsupportedMedia(FunctionError):
    """The object is not a video this build can decode."""


class CorruptMedia(FunctionError):
    """The object is a video whose structure is broken."""


class FrameCorrupt(FunctionError):
    """Requested frames cannot be decoded; `detail.rows` names them."""


class Encrypted(FunctionError):
    """The video's samples are encrypted."""


class LimitExceeded(FunctionError):
    """The request needs more than this function has; raised before the work if possible."""


class StorageFull(FunctionError):
    """The function's temporary storage has no room for the result."""


class OutputNotFound(FunctionError):
    """The output bucket does not exist."""


class OutputForbidden(FunctionError):
    """The output may not be written."""


class OutputConflict(FunctionError):
    """Another object exists there, and the request says to keep it."""


class OutputUnavailable(FunctionError):
    """The output could not be written this time."""

    retryable = True


class ApplyFailed(FunctionError):
    """Own code could not be loaded, raised an exception, or returned something else than a result for each frame."""


class DeadlineExceeded(FunctionError):
    """The function ran out of time; `detail` says how much was done."""

    retryable = True


class WorkerCrashed(FunctionError):
    """The worker process died or stopped answering; the next request gets a new one."""


class JobIncomplete(FunctionError):
    """Parts of a job are missing, or more of its videos failed than it tolerates; its report says which."""


class Internal(FunctionError):
    """A defect of the function; the log has the trace under the request id."""


def of_code(code: str, message: str, detail: dict[str, object], retryable: bool) -> FunctionError:
    """Rebuild an error that another process has serialised."""
    kind = next((kind for kind in FunctionError.__subclasses__() if kind.__name__ == code), Internal)
    error = kind(message, **detail)
    error.retryable = retryable
    return error


# The first match counts, so a subclass stands before its base.
_BY_HWANG_ERROR: Final[tuple[tuple[type[hwang.errors.HwangError], type[FunctionError]], ...]] = (
    (hwang.errors.FrameIndexError, FrameOutOfRange),
    (hwang.errors.ClockError, UnsupportedMedia),
    (hwang.errors.EncryptedMediaError, Encrypted),
    (hwang.errors.UnsupportedMediaError, UnsupportedMedia),
    (hwang.errors.CorruptFrameError, FrameCorrupt),
    (hwang.errors.CorruptMediaError, CorruptMedia),
    (hwang.errors.LimitExceededError, LimitExceeded),
    (hwang.errors.StorageFullError, StorageFull),
    (hwang.errors.SourceNotFoundError, SourceNotFound),
    (hwang.errors.SourceForbiddenError, SourceForbidden),
    (hwang.errors.SourceError, SourceUnavailable),
    (hwang.errors.DecodeTimeoutError, DeadlineExceeded),
)
_MAX_ROWS_LISTED: Final = 100
_NO_THREAD: Final = "can't start new thread"  # Python has no class for it


def from_exception(error: Exception, source: str = "") -> FunctionError:
    """Return the typed error for any exception. `source` names the video in errors of the decoder."""
    if isinstance(error, FunctionError):
        return error
    code = next((code for kind, code in _BY_HWANG_ERROR if isinstance(error, kind)), None)
    if code:
        detail: dict[str, object] = {"video": source} if source else {}
        if isinstance(error, hwang.errors.CorruptFrameError):
            detail["rows"] = [int(row) for row in error.rows[:_MAX_ROWS_LISTED]]
        elif isinstance(error, hwang.errors.StorageFullError):
            detail |= error.detail
        return code(f"{source}: {error}" if source else str(error), **detail)
    if isinstance(error, MemoryError):
        return LimitExceeded("the request needs more memory than the function has", limit="memory")
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return StorageFull("the temporary storage is full; give the function more (ephemeral storage)")
    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
        return LimitExceeded("the function may not have more files and connections open", limit="files")
    if isinstance(error, BlockingIOError) or (isinstance(error, RuntimeError) and _NO_THREAD in str(error)):
        return LimitExceeded("the function may not have more processes and threads", limit="processes")
    return Internal("the function failed in an unexpected way")
