"""Kinds of failed reads, and how S3's and other servers' answers are told apart."""

from __future__ import annotations

from enum import Enum
from typing import Final, Protocol

from hwang.errors import CorruptMediaError, HwangError, SourceError, SourceForbiddenError, SourceNotFoundError

__all__ = ["Fault", "MakeError", "classify", "source_error"]


class Fault(Enum):
    """Kinds of failed reads; the value completes "s3://bucket/key …" in a message."""

    NOT_FOUND = "does not exist"
    FORBIDDEN = "is missing or access to it is denied"
    EXPIRED = "may no longer be used with these credentials or this address"
    CHANGED = "was replaced while it was in use"
    UNAVAILABLE = "could not be reached"
    BROKEN = "is empty or too short"
    BLOCKED = "is not allowed"


class MakeError(Protocol):
    """Makes the error to raise. `shown` names the object without secrets, `cause` is the server's or the network's."""

    def __call__(self, fault: Fault, message: str, shown: str, cause: str | None = None) -> Exception:
        """Return the error."""


_ERRORS: Final[dict[Fault, type[HwangError]]] = {
    Fault.NOT_FOUND: SourceNotFoundError,
    Fault.FORBIDDEN: SourceForbiddenError,
    Fault.EXPIRED: SourceForbiddenError,
    Fault.BROKEN: CorruptMediaError,
}


def source_error(fault: Fault, message: str, shown: str, cause: str | None = None) -> HwangError:
    """Make an error of this package: SourceError unless there is a closer one."""
    return _ERRORS.get(fault, SourceError)(message, address=shown, cause=cause)


_EXPIRED_CODES: Final = {
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidToken",
    "RequestExpired",
    "RequestTimeTooSkewed",
    "TokenRefreshRequired",
}
_BUSY_CODES: Final = {"SlowDown", "RequestTimeout", "BadDigest", "InternalError", "ServiceUnavailable"}


def classify(code: str, message: str, status: int) -> tuple[Fault, str]:
    """Return the fault that an answer means, and its cause.

    code and message are S3's, and empty in answers of other servers.
    """
    cause = f"{code}, status {status}" if code and code != str(status) else f"status {status}"
    if code in _EXPIRED_CODES or (code == "AccessDenied" and "expired" in message.lower()):
        return Fault.EXPIRED, cause
    if code in _BUSY_CODES:
        return Fault.UNAVAILABLE, cause
    if code == "InvalidObjectState":
        return Fault.FORBIDDEN, f"{cause}: it is archived; restore it first"
    if code == "AuthorizationHeaderMalformed":
        return Fault.FORBIDDEN, f"{cause}: the bucket is in another region"
    if code.startswith("KMS") or (code == "AccessDenied" and "kms" in message.lower()):
        return Fault.FORBIDDEN, f"{cause}: its KMS key may not be used"
    match status:
        case 301 | 302 | 307 | 308:
            return Fault.FORBIDDEN, f"{cause}: the bucket is in another region"
        case 401 | 403:
            return Fault.FORBIDDEN, cause
        case 400 | 404 | 405 | 410:  # 400: a malformed version id or name; 405: the version is a delete marker
            return Fault.NOT_FOUND, cause
        case 409 | 412 | 416:
            return Fault.CHANGED, cause
    return Fault.UNAVAILABLE, cause
