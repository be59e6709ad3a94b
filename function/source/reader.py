"""The source of a video: ranged reads of one version of an object, in S3 or behind HTTPS."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from function.deadline import Deadline
from function.errors import CorruptMedia, SourceTooLarge
from function.models.places import S3Object, Url
from function.source.origins import S3Origin, UrlOrigin
from function.source.prefetch import Blocks, Range
from function.source.ranged_object import RemoteObject

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

_GB: Final = 10**9


class Source:
    """A remote video that `hwang.Decoder` reads; `remote` counts its requests and bytes.

    Raises the Source… errors, CorruptMedia for an empty object, DeadlineExceeded.
    """

    def __init__(self, client: S3Client, video: S3Object | Url, deadline: Deadline) -> None:
        origin = S3Origin(client, video) if isinstance(video, S3Object) else UrlOrigin(video)
        self.uri = origin.shown
        self.remote = RemoteObject(origin, deadline)
        self._blocks = Blocks(self.remote.read)
        most = os.environ.get("HWANG_MAX_VIDEO_GB", "")
        if most and self.size > float(most) * _GB:
            self.close()
            raise SourceTooLarge(
                f"video: {self.uri} has {self.size} bytes; this function takes at most {most} GB (HWANG_MAX_VIDEO_GB)",
                video=self.uri,
                bytes=self.size,
            )

    @property
    def size(self) -> int:
        """Size of the object in bytes."""
        return self.remote.size

    @property
    def etag(self) -> str:
        """The server's ETag with its quotes; empty if there is none."""
        return self.remote.etag

    def expect(self, ranges: Sequence[Range]) -> None:
        """Begin to fetch these ranges, ascending and disjoint, in this order, ahead of their use."""
        known = len(self.remote.head)
        inside = [(offset, min(length, self.size - offset)) for offset, length in ranges if offset < self.size]
        self._blocks.expect([_behind(known, *part) for part in inside if sum(part) > known])

    def read_ranges(self, ranges: Sequence[Range]) -> list[bytes]:
        """Return the bytes of each (offset, length), in order, fetched in parallel.

        Raises CorruptMedia for a range that is not inside the object.
        """
        for offset, length in ranges:
            if offset < 0 or length < 0 or offset + length > self.size:
                raise CorruptMedia(
                    f"video: {self.uri} refers to bytes {offset} to {offset + length}, but has {self.size}; "
                    "it is truncated or damaged",
                    video=self.uri,
                )
        head = self.remote.head
        missing = [(offset, length) for offset, length in ranges if offset + length > len(head)]
        fetched = iter(self._blocks.read([_behind(len(head), offset, length) for offset, length in missing]))
        return [
            head[offset : offset + length] + (next(fetched) if offset + length > len(head) else b"")
            for offset, length in ranges
        ]

    def close(self) -> None:
        """Cancel all fetches and release the connections."""
        self.remote.close()
        self._blocks.close()


def _behind(known: int, offset: int, length: int) -> Range:
    """Return the part of a range behind the first `known` bytes."""
    start = max(offset, known)
    return start, offset + length - start
