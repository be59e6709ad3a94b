"""The process's S3 client, its retries, and the classification of its errors."""

from __future__ import annotations

import functools
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from function.errors import (
    CorruptMedia,
    FunctionError,
    Internal,
    OutputUnavailable,
    SourceBlocked,
    SourceChanged,
    SourceExpired,
    SourceForbidden,
    SourceNotFound,
    SourceRefused,
    SourceUnavailable,
)
from hwang.sources.backoff import MAX_ATTEMPTS, MAX_PAUSE_SECONDS, pause_seconds, stated_seconds
from hwang.sources.buckets import has_own_endpoint
from hwang.sources.faults import Fault, classify

if TYPE_CHECKING:
    from botocore.exceptions import ClientError
    from mypy_boto3_s3.client import S3Client

T = TypeVar("T")
CONNECTIONS: Final = 8  # of one request, for large transfers
MAX_CONNECTIONS: Final = 16  # of the client, for many small objects
_CALL_SECONDS: Final = 6.0  # above the client's own timeouts, which a server that drips bytes never hits
_SLOWEST_BYTES_PER_SECOND: Final = 2e6
_PAYER: Final = "HWANG_REQUEST_PAYER"

SOURCE_ERRORS: Final[dict[Fault, type[FunctionError]]] = {
    Fault.NOT_FOUND: SourceNotFound,
    Fault.FORBIDDEN: SourceForbidden,
    Fault.LOCKED: SourceForbidden,
    Fault.EXPIRED: SourceExpired,
    Fault.CHANGED: SourceChanged,
    Fault.UNAVAILABLE: SourceUnavailable,
    Fault.REFUSED: SourceRefused,
    Fault.BROKEN: CorruptMedia,
    Fault.BLOCKED: SourceBlocked,
}
"""The errors of things that cannot be read."""


class S3Error(Exception):
    """A failed S3 call: its fault, S3's code and status without credentials, and the HTTP status (0: no answer)."""

    def __init__(self, fault: Fault, cause: str, status: int = 0, pause_seconds: float | None = None) -> None:
        super().__init__(f"{fault.value} ({cause})")
        self.fault = fault
        self.cause = cause
        self.status = status
        self.pause_seconds = pause_seconds  # before the next attempt, as S3 states it

    @property
    def is_retryable(self) -> bool:
        """True if the same call may succeed soon."""
        return self.fault is Fault.UNAVAILABLE

    def as_source(self, subject: str, **detail: object) -> FunctionError:
        """Return the error of a read: `subject` names what was read."""
        return SOURCE_ERRORS[self.fault](f"{subject} {self}", cause=self.cause, **detail)


give_up: Callable[[FunctionError], None] | None = None
"""Reports the error and ends this process; set by a worker. None: calls may take any time."""

_making = threading.Lock()


def client(region: str | None = None) -> S3Client:
    """Return the process's client for a region, by default the function's own.

    AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL sets the endpoint, never an event. HWANG_REQUEST_PAYER=requester agrees to
    pay for all requests. Uses botocore, as importing boto3 costs 90 ms more at every cold start. Raises Internal if the
    configuration is invalid.
    """
    with _making:
        return _client(region)


class _LateClient:
    """Gives what the process's client has, which is made when that is first asked for."""

    def __getattr__(self, name: str) -> Any:
        return getattr(client(), name)


def late_client() -> S3Client:
    """Return the process's client without waiting until it is made, which takes 60 ms. What is called of it waits."""
    return cast("S3Client", _LateClient())


@functools.cache
def _client(region: str | None) -> S3Client:
    # Only the worker needs it: the process that answers Lambda starts a third faster without it.
    import botocore.session
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError

    payer = request_payer()
    s3: Any = {
        # The addresses of the style "auto" lead to us-east-1, which does not have the buckets with dots of others.
        "addressing_style": "path" if has_own_endpoint() else "virtual",
        # A directory bucket's session token would end before a presigned address does; it takes IAM's signatures too.
        "disable_s3_express_session_auth": True,
    }
    config = Config(
        connect_timeout=3,
        read_timeout=5,
        max_pool_connections=MAX_CONNECTIONS,
        retries={"total_max_attempts": 1},  # ask() retries
        signature_version="s3v4",
        s3=s3,
        # Every write states its SHA-256; ranged reads have no checksum to compare.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    session = botocore.session.get_session()
    try:
        made = session.create_client("s3", region_name=region or os.environ.get("AWS_REGION"), config=config)
    except (BotoCoreError, ValueError) as error:
        raise Internal(f"there is no S3 client for this configuration: {error}") from error
    if payer:
        made.meta.events.register("provide-client-params.s3", cast("Any", functools.partial(_with_payer, payer)))
    return cast("S3Client", made)


def _with_payer(payer: str, params: dict[str, Any], model: Any, **_: object) -> dict[str, Any]:
    takes = model.input_shape is not None and "RequestPayer" in model.input_shape.members
    return {"RequestPayer": payer, **params} if takes else params


def request_payer() -> str | None:
    """Return "requester" if HWANG_REQUEST_PAYER says so. Raises Internal for any other value."""
    payer = os.environ.get(_PAYER) or None
    if payer not in (None, "requester"):
        raise Internal(f"{_PAYER}: must be requester, or absent")
    return payer


def ask(call: Callable[..., T], *, error: type[FunctionError] | None = OutputUnavailable, **arguments: Any) -> T:
    """Call S3 and return the answer; retry if S3 is overloaded or the transfer breaks. Raises S3Error.

    A call that does not return ends the worker with `error`; None lets it take any time.
    """
    limit = _CALL_SECONDS + len(arguments.get("Body", b"")) / _SLOWEST_BYTES_PER_SECOND
    for failures in range(1, MAX_ATTEMPTS + 1):
        try:
            with s3_failures(), _watched(limit, error):
                return call(**arguments)
        except S3Error as failure:
            stated = failure.pause_seconds
            if not failure.is_retryable or failures == MAX_ATTEMPTS or (stated or 0) > MAX_PAUSE_SECONDS:
                raise
            time.sleep(pause_seconds(failures) if stated is None else stated)
    raise AssertionError


@contextmanager
def _watched(seconds: float, error: type[FunctionError] | None) -> Iterator[None]:
    """Give up if the block takes longer: a server that sends a byte a second neither returns nor can be cancelled."""
    if not (give_up and error):
        yield
        return
    timer = threading.Timer(seconds, give_up, [error(f"S3 does not answer within {seconds:.0f} s")])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def get(client: S3Client, bucket: str, key: str, **more: Any) -> bytes:
    """Return the bytes of a small object. Raises S3Error."""
    return ask(lambda: client.get_object(Bucket=bucket, Key=key, **more)["Body"].read(), error=SourceUnavailable)


@contextmanager
def s3_failures() -> Iterator[None]:
    """Turn every failure of S3 calls, and of reading their bodies, into S3Error."""
    try:
        yield
    except Exception as error:
        failure = _failure(error)
        if failure is None:
            raise
        raise failure from error


def _failure(error: Exception) -> S3Error | None:
    from botocore import exceptions
    from botocore.parsers import ResponseParserError
    from urllib3.exceptions import HTTPError

    name = type(error).__name__
    if isinstance(error, exceptions.ClientError):
        return _from_response(error)
    if isinstance(error, exceptions.NoCredentialsError | exceptions.PartialCredentialsError):
        return S3Error(Fault.LOCKED, "the function has no credentials")
    if isinstance(error, exceptions.SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(error):
        return S3Error(Fault.LOCKED, "the TLS certificate of S3 is not valid")
    passing = (
        exceptions.HTTPClientError,
        exceptions.ConnectionError,
        exceptions.IncompleteReadError,
        exceptions.CredentialRetrievalError,
        exceptions.MetadataRetrievalError,
        ResponseParserError,
        HTTPError,
        OSError,
    )
    if isinstance(error, passing):
        return S3Error(Fault.UNAVAILABLE, name)
    if isinstance(error, exceptions.BotoCoreError):  # of the configuration or of the arguments: nothing was sent
        return S3Error(Fault.REFUSED, f"{name}: {error}")
    return None


def _from_response(error: ClientError) -> S3Error:
    stated = error.response.get("Error", {})
    metadata = error.response.get("ResponseMetadata", {})
    headers, status = metadata.get("HTTPHeaders", {}), metadata.get("HTTPStatusCode", 0)
    deleted = headers.get("x-amz-delete-marker") == "true"
    fault, cause = classify(stated.get("Code", ""), stated.get("Message", ""), status, deleted=deleted)
    return S3Error(fault, cause, status, stated_seconds(headers.get("retry-after")))
