"""What the report reads of a job's results: little, within a time, and only below the job's own prefix."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from function.deadline import Deadline
from function.report.wording import size
from function.s3 import S3Error, s3_failures

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

Read = Callable[[str, int, int], bytes]
"""(uri, start, length) to the object's bytes from `start` on, `length` of them or as many as there are.

Raises Unreadable, whose message is shown.
"""

LONGEST_READ_BYTES: Final = 64 * 2**20


class Unreadable(Exception):  # noqa: N818 - the reason why a picture is not there
    """An object, or a part of it, cannot be had; the message goes on from its name: `does not exist`."""


def s3_read(client: S3Client) -> Read:
    """Reads by ranges, once: a picture is not worth a second try, nor an ended process."""

    def read(uri: str, start: int, length: int) -> bytes:
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        try:
            with s3_failures():
                answer = client.get_object(Bucket=bucket, Key=key, Range=f"bytes={start}-{start + length - 1}")
                return answer["Body"].read(length)
        except S3Error as failure:
            raise Unreadable(failure.fault.value) from failure

    return read


class Reading:
    """Reads for one report. Any number of threads."""

    def __init__(self, read: Read, prefix: str, seconds: float) -> None:
        self.deadline = Deadline.within(seconds)
        self._read = read
        self._prefix = prefix

    def whole(self, uri: str, most_bytes: int) -> bytes:
        """The object. Raises Unreadable, also if it is larger than this."""
        data = self._checked(uri, 0, most_bytes + 1)
        if len(data) > most_bytes:
            raise Unreadable(f"is larger than {size(most_bytes)}")
        return data

    def range(self, uri: str, start: int, length: int) -> bytes:
        """Exactly these bytes. Raises Unreadable."""
        if length > LONGEST_READ_BYTES:
            raise Unreadable(f"would take more than {size(LONGEST_READ_BYTES)}")
        data = self._checked(uri, start, length) if start >= 0 else b""
        if len(data) != length:
            raise Unreadable("ends too early")
        return data

    def _checked(self, uri: str, start: int, length: int) -> bytes:
        if not uri.startswith("s3://") or not uri.startswith(self._prefix):
            raise Unreadable("does not lie below the job's prefix")
        if self.deadline.has_passed:
            raise Unreadable("was not there in time")
        return self._read(uri, start, length)
