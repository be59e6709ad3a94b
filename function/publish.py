"""Writing a request's objects to S3, all or nothing."""

from __future__ import annotations

import base64
import hashlib
import logging
import threading
from types import TracebackType
from typing import IO, TYPE_CHECKING, Final, NotRequired, Self, TypedDict

from function.errors import FunctionError, LimitExceeded, OutputForbidden, OutputNotFound, OutputUnavailable
from function.s3 import Fault, S3Error, s3_failures

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

MAX_OBJECT_BYTES: Final = 5 * 2**30  # of one PutObject
_ERRORS: Final[dict[Fault, type[FunctionError]]] = {
    Fault.NOT_FOUND: OutputNotFound,
    Fault.FORBIDDEN: OutputForbidden,
    Fault.CHANGED: OutputUnavailable,
    Fault.UNAVAILABLE: OutputUnavailable,
}


class Written(TypedDict):
    """An object that was written, as the result lists it; `sha256` is in hexadecimal."""

    uri: str
    bytes: int
    sha256: str
    version_id: NotRequired[str]
    shape: NotRequired[list[int]]
    dtype: NotRequired[str]
    row: NotRequired[int]


class Publication:
    """The objects of one request. Leaving the block by an exception deletes those already written.

    Only what S3 has confirmed is deleted: behind a write without an answer may still stand the caller's older object.
    Entering it finds out whether the bucket is there and may be used. `put` may be called from several threads, all of
    which must have ended when the block is left. Raises OutputNotFound, OutputForbidden, OutputUnavailable.
    """

    def __init__(self, client: S3Client, bucket: str) -> None:
        self._client = client
        self._bucket = bucket
        self._lock = threading.Lock()
        self._written: list[tuple[str, str | None]] = []

    def __enter__(self) -> Self:
        try:
            with s3_failures():
                self._client.head_bucket(Bucket=self._bucket)
        except S3Error as failure:
            raise self._error(f"bucket {self._bucket}", failure) from failure
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._withdraw()

    def put(self, key: str, body: bytes | IO[bytes], size: int, sha256: bytes, content_type: str) -> Written:
        """Writes one object; S3 compares the checksum before the object becomes visible."""
        if size > MAX_OBJECT_BYTES:
            raise LimitExceeded(
                f"output: {size} bytes are more than one object may have in this version, which is {MAX_OBJECT_BYTES}",
                limit="object",
                wanted=size,
                maximum=MAX_OBJECT_BYTES,
            )
        try:
            with s3_failures():
                answer = self._client.put_object(
                    Bucket=self._bucket,
                    Key=key,
                    Body=body,
                    ContentLength=size,
                    ContentType=content_type,
                    ChecksumAlgorithm="SHA256",
                    ChecksumSHA256=base64.b64encode(sha256).decode(),
                )
        except S3Error as failure:
            raise self._error(f"s3://{self._bucket}/{key}", failure) from failure
        version = answer.get("VersionId")
        with self._lock:
            self._written.append((key, version))
        written: Written = {"uri": f"s3://{self._bucket}/{key}", "bytes": size, "sha256": sha256.hex()}
        if version:
            written["version_id"] = version
        return written

    def put_bytes(self, key: str, data: bytes, content_type: str) -> Written:
        return self.put(key, data, len(data), hashlib.sha256(data).digest(), content_type)

    def _withdraw(self) -> None:
        for key, version in self._written:
            try:
                with s3_failures():
                    if version:
                        self._client.delete_object(Bucket=self._bucket, Key=key, VersionId=version)
                    else:
                        self._client.delete_object(Bucket=self._bucket, Key=key)
            except S3Error as failure:
                logging.getLogger(__name__).warning("could not delete s3://%s/%s: %s", self._bucket, key, failure)

    def _error(self, name: str, failure: S3Error) -> FunctionError:
        return _ERRORS[failure.fault](f"output: {name} {failure}", output=name, cause=failure.cause)
