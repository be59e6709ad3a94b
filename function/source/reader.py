"""The source of a video: ranged reads of one version of an object, in S3 or behind HTTPS."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Final

from function.deadline import Deadline
from function.errors import SourceForbidden, SourceNotFound, SourceTooLarge
from function.models.places import AnyVideo, LocalFile, S3Object, Url
from function.source.origins import origin_of, source_error
from hwang.ranges import ByteRange
from hwang.sources.local import FileSource
from hwang.sources.remote import RemoteSource

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

_GB: Final = 10**9


def open_source(client: S3Client, video: AnyVideo, deadline: Deadline) -> Source | FileOfThisMachine:
    """Open a video. Raises the Source… errors, CorruptMedia for an empty one, DeadlineExceeded."""
    return FileOfThisMachine(video.path) if isinstance(video, LocalFile) else Source(client, video, deadline)


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


class FileOfThisMachine(FileSource):
    """A local file with what a remote video has beside its bytes. Raises SourceNotFound, SourceForbidden."""

    def __init__(self, path: str) -> None:
        try:
            super().__init__(path)
            status = os.fstat(self.fileno())
        except FileNotFoundError:
            raise SourceNotFound(f"video: {path} does not exist", video=path) from None
        except OSError as error:
            raise SourceForbidden(f"video: {path} cannot be read ({error.strerror})", video=path) from None
        if not stat.S_ISREG(status.st_mode):
            raise SourceForbidden(f"video: {path} is no file", video=path)
        self.uri, self.etag = path, f'"{self.size:x}-{status.st_mtime_ns:x}"'
        self.requests = self.bytes_read = 0

    @property
    def remote(self) -> FileOfThisMachine:
        """Itself: it counts requests and bytes, none of a network."""
        return self

    def expect(self, ranges: Sequence[ByteRange]) -> AbstractContextManager[None]:
        """Fetch nothing ahead."""
        del ranges
        return nullcontext()
