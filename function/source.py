"""The video as ranged reads of one S3 object, all of one version of it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, TypedDict

from function.errors import (
    CorruptMedia,
    FunctionError,
    SourceChanged,
    SourceForbidden,
    SourceNotFound,
    SourceUnavailable,
)
from function.event import S3Object
from function.s3 import CONNECTIONS, Fault, S3Error, s3_failures

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

_ERRORS: Final[dict[Fault, type[FunctionError]]] = {
    Fault.NOT_FOUND: SourceNotFound,
    Fault.FORBIDDEN: SourceForbidden,
    Fault.CHANGED: SourceChanged,
    Fault.UNAVAILABLE: SourceUnavailable,
}


class _Pin(TypedDict, total=False):
    VersionId: str
    IfMatch: str


class S3Source:
    """An object of S3 that `hwang.Decoder` can read.

    `size` is in bytes; `requests` and `bytes_read` count what went over the network. Reads are pinned to the version
    found at opening. Raises SourceNotFound, SourceForbidden, SourceChanged, SourceUnavailable, and CorruptMedia for an
    empty object.
    """

    def __init__(self, client: S3Client, video: S3Object) -> None:
        self.uri = video.uri
        self.requests = 0
        self.bytes_read = 0
        self._client = client
        self._video = video
        self._lock = threading.Lock()
        self._pin: _Pin = {"VersionId": video.version_id} if video.version_id else {}
        self._count(0)
        try:
            with s3_failures():
                head = client.head_object(Bucket=video.bucket, Key=video.key, **self._pin)
        except S3Error as failure:
            raise self._error(failure) from failure
        self.size = head["ContentLength"]
        self.etag = head["ETag"]
        self._pin["IfMatch"] = self.etag
        if self.size == 0:
            raise CorruptMedia(f"video: {self.uri} is empty (0 bytes)", video=self.uri)

    def read_ranges(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """The bytes of each (offset, length), in order, fetched at the same time over a few connections.

        Each has its full length. Raises CorruptMedia for a range that is not inside the object.
        """
        for offset, length in ranges:
            if offset < 0 or length < 0 or offset + length > self.size:
                raise CorruptMedia(
                    f"video: {self.uri} refers to bytes {offset} to {offset + length}, but has {self.size}; "
                    "it is truncated or damaged",
                    video=self.uri,
                )
        if len(ranges) == 1:
            return [self._read(ranges[0])]
        with ThreadPoolExecutor(max_workers=CONNECTIONS) as pool:
            return list(pool.map(self._read, ranges))

    def _read(self, wanted: tuple[int, int]) -> bytes:
        offset, length = wanted
        if length == 0:
            return b""
        try:
            with s3_failures():
                answer = self._client.get_object(
                    Bucket=self._video.bucket,
                    Key=self._video.key,
                    Range=f"bytes={offset}-{offset + length - 1}",
                    **self._pin,
                )
                if answer["ContentLength"] != length:
                    raise S3Error(Fault.UNAVAILABLE, "the endpoint does not honour ranges")
                data = answer["Body"].read()
        except S3Error as failure:
            raise self._error(failure) from failure
        self._count(len(data))
        return data

    def _count(self, byte_count: int) -> None:
        with self._lock:
            self.requests += 1
            self.bytes_read += byte_count

    def _error(self, failure: S3Error) -> FunctionError:
        version = f"version {self._video.version_id} of " if self._video.version_id else ""
        return _ERRORS[failure.fault](f"video: {version}{self.uri} {failure}", video=self.uri, cause=failure.cause)
