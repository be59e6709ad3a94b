"""Sources of a video's bytes: paths, bytes, file objects, https and s3 addresses, fsspec, objects that read ranges."""

from __future__ import annotations

import io
import os
from typing import cast

from hwang.sources.local import (
    BinaryFile,
    FileObjectSource,
    FileSource,
    FsspecSource,
    MemorySource,
    RangeSource,
    VideoInput,
)


def open_source(video: VideoInput) -> RangeSource:
    """Return `video` as a range source.

    Paths, addresses (https://, http://, s3://bucket/key) and (fsspec file system, path) are opened and owned by the
    result. Bytes-like objects and file objects stay the caller's; an object with `size` and `read_ranges` is returned
    itself. Addresses are opened by the first read.
    Raises CorruptMediaError for 0 bytes, OSError if a path cannot be opened, SourceError for a malformed address,
    HwangError if boto3 is missing, TypeError otherwise.
    """
    if isinstance(video, str) and video.lower().startswith(("https://", "http://")):
        from hwang.sources.web import open_web  # ssl and http.client are slow to import

        return open_web(video)
    if isinstance(video, str) and video.startswith("s3://"):
        from hwang.sources.s3 import open_s3  # boto3 as well

        return open_s3(video)
    if isinstance(video, str | os.PathLike):
        return FileSource(video)
    if isinstance(video, bytes | bytearray | memoryview):
        return MemorySource(video)
    if isinstance(video, tuple) and len(video) == 2 and hasattr(video[0], "cat_ranges"):
        return FsspecSource(*video)
    if hasattr(video, "size") and hasattr(video, "read_ranges"):
        return cast("RangeSource", video)
    if hasattr(getattr(video, "fs", None), "cat_ranges") and not getattr(video, "compression", None):
        return FsspecSource(video.fs, video.path)  # type: ignore[union-attr] # a file of fsspec, or a path of its kin
    if hasattr(video, "read") and hasattr(video, "seek"):
        if isinstance(video, io.TextIOBase):
            raise TypeError("video is a text file object; open it with mode 'rb'")
        return FileObjectSource(cast("BinaryFile", video))
    raise TypeError(
        "video must be a path, an https:// or s3:// address, bytes, a binary file object, (fsspec file system, path), "
        f"or have `size` and `read_ranges`, not {type(video).__name__}"
    )
