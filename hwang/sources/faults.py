"""Kinds of failed reads, and how S3's and other servers' answers are told apart."""

from __future__ import annotations

from enum import Enum
from typing import Final, Protocol

from hwang.errors import CorruptMediaError, HwangError, SourceError, SourceForbiddenError, SourceNotFoundError


class Fault(Enum):
    """Kinds of failed reads; the value completes "s3://bucket/key …" in a message."""

    NOT_FOUND = "does not exist"
    FORBIDDEN = "is missing or access to it is denied"
    LOCKED = "may not be used"
    EXPIRED = "may no longer be used with these credentials or this address"
    CHANGED = "was replaced while it was in use"
    UNAVAILABLE = "could not be reached"
    REFUSED = "is refused by its server"
    BROKEN = "is empty or too short"
    BLOCKED = "is not allowed"


class MakeError(Protocol):
    """Makes the error to raise. `shown` names the object without secrets, `cause` is the server's or the network's."""

    def __call__(self, fault: Fault, message: str, shown: str, cause: str | None = None) -> Exception:
        """Return the error."""


_ERRORS: Final[dict[Fault, type[HwangError]]] = {
    Fault.NOT_FOUND: SourceNotFoundError,
    Fault.FORBIDDEN: SourceForbiddenError,
    Fault.LOCKED: SourceForbiddenError,
    Fault.EXPIRED: SourceForbiddenError,
    Fault.BROKEN: CorruptMediaError,
}


def source_error(fault: Fault, message: str, shown: str, cause: str | None = None) -> HwangError:
    """Make an error of this package: SourceError unless there is a closer one."""
    return _ERRORS.get(fault, SourceError)(message, address=shown, cause=cause)


_CODES: Final = {  # of S3, by the fault that they mean whatever the message
    Fault.NOT_FOUND: "NoSuchKey NoSuchBucket NoSuchVersion NoSuchUpload NoSuchAccessPoint NoSuchOutpost",
    Fault.EXPIRED: "ExpiredToken ExpiredTokenException InvalidToken RequestExpired RequestTimeTooSkewed "
    "TokenRefreshRequired",
    Fault.UNAVAILABLE: "BadDigest IncompleteBody XAmzContentSHA256Mismatch "  # the bytes were damaged on their way
    "ConditionalRequestConflict InternalError OperationAborted RequestTimeout ServiceUnavailable SlowDown "
    "TooManyRequests",
    Fault.CHANGED: "PreconditionFailed InvalidRange",
}
_OF_CODE: Final = {code: fault for fault, codes in _CODES.items() for code in codes.split()}
_FORBIDDEN_CODES: Final = frozenset(["AccessDenied", "Forbidden"])  # S3 answers so for a missing key, too
_CAUSES: Final = {
    "AccountProblem": "there is a problem with the account",
    "AllAccessDisabled": "all access to it is disabled",
    "InvalidAccessKeyId": "the access key is unknown there",
    "InvalidBucketState": "the bucket's state does not allow it",
    "InvalidObjectState": "it is archived; restore it first",
    "InvalidPayer": "all access to it is disabled",
    "InvalidSecurity": "the credentials are not valid",
    "NotSignedUp": "the account is not signed up for S3",
    "ObjectNotInActiveTierError": "it is archived; restore it first",
    "RestoreAlreadyInProgress": "it is archived, and being restored",
    "SignatureDoesNotMatch": "the secret key is wrong, or something on the way changes requests",
}
_ELSEWHERE: Final = frozenset([301, 307, 308])  # S3 alone: redirects of other servers are followed
_SIGNING_CODES: Final = frozenset(
    ["AuthorizationHeaderMalformed", "AuthorizationQueryParametersError", "IllegalLocationConstraintException"]
)
_OF_STATUS: Final[dict[int, Fault]] = {
    **dict.fromkeys([401, 403, 451], Fault.FORBIDDEN),
    **dict.fromkeys([404, 410], Fault.NOT_FOUND),
    **dict.fromkeys([408, 409, 425, 429, 500, 502, 503, 504], Fault.UNAVAILABLE),
}
_MAX_STATED_CHARS: Final = 160


def classify(code: str, message: str, status: int, *, deleted: bool = False) -> tuple[Fault, str]:
    """Return the fault that an answer means, and its cause.

    code and message are S3's, and empty in answers of other servers; `deleted` is x-amz-delete-marker. A code that has
    no meaning here is REFUSED, with the server's own words as cause; an answer without code is judged by its status.
    """
    cause = f"{code}, status {status}" if code and code != str(status) else f"status {status}"
    words = message.lower()
    if deleted:
        return Fault.NOT_FOUND, f"{cause}: it was deleted"
    if code in _OF_CODE:
        return _OF_CODE[code], cause
    if code == "InvalidArgument" and "version id" in words:
        return Fault.NOT_FOUND, cause
    if code == "AccessDenied" and "expired" in words:
        return Fault.EXPIRED, cause
    if status in _ELSEWHERE or (code in _SIGNING_CODES and "region" in words):
        return Fault.LOCKED, f"{cause}: the bucket is in another region"
    if code in _CAUSES:
        return Fault.LOCKED, f"{cause}: {_CAUSES[code]}"
    if code.startswith("KMS") or (code == "AccessDenied" and "kms" in words):
        return Fault.LOCKED, f"{cause}: its KMS key may not be used"
    if code == "InvalidRequest" and "server side encryption" in words:
        return Fault.LOCKED, f"{cause}: it is encrypted with a key of its writer's (SSE-C)"
    if code in _FORBIDDEN_CODES:
        return Fault.FORBIDDEN, cause
    fault = _OF_STATUS.get(status, Fault.REFUSED if status else Fault.UNAVAILABLE)
    stated = " ".join(message.split())[:_MAX_STATED_CHARS]
    return fault, f"{cause}: {stated}" if stated else cause
