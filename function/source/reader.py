"""The source of a video: ranged reads of one version of an object, in S3 or behind HTTPS."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from function.deadline import Deadline
from function.errors import SourceTooLarge
from function.models.places import S3Object, Url
from function.source.origins import origin_of, source_error
from hwang.sources.remote import RemoteSource

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

_GB: Final = 10**9


class Source(RemoteSource):
    """A remote video, opened at once. Raises the Source… errors, CorruptMedia for an empty object, DeadlineExceeded."""

    def __init__(self, client: S3Client, video: S3Object | Url, deadline: Deadline) -> None:
        super().__init__(origin_of(client, video), source_error, deadline)
        most = os.environ.get("HWANG_MAX_VIDEO_GB", "")
        try:
            self.remote.open()
            if most and self.size > float(most) * _GB:
                raise SourceTooLarge(
                    f"video: {self.uri} has {self.size} bytes; this function takes at most {most} GB "
                    "(HWANG_MAX_VIDEO_GB)",
                    video=self.uri,
                    bytes=self.size,
                )
        except BaseException:
            self.close()
            raise
