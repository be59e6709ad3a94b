"""The cache of indexes in S3, keyed by the video's ETag, so that later requests read no header."""

from __future__ import annotations

import hashlib
import logging
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from function.models.places import MAX_KEY_BYTES, AnyVideo, LocalFile, S3Object, Url
from function.s3 import S3Error, ask, get
from hwang.errors import HwangError
from hwang.index import VideoIndex
from hwang.sources.buckets import split_address

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

VARIABLE: Final = "HWANG_INDEX_CACHE"
BESIDE: Final = "beside"
_SUFFIX: Final = ".hwang"
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class IndexCache:
    """The place of the cached index of one version of a video."""

    bucket: str
    key: str

    @classmethod
    def of(cls, video: AnyVideo, etag: str) -> Self | None:
        """Return the place that HWANG_INDEX_CACHE sets: "s3://bucket/prefix/", or "beside" the video. None if unset."""
        setting, version = os.environ.get(VARIABLE, ""), etag.strip('"')
        if not setting or not version or isinstance(video, LocalFile):
            return None
        if setting == BESIDE:
            if isinstance(video, Url):
                return None
            bucket, prefix, name = video.bucket, "", video.key
        else:
            name = f"{video.bucket}/{video.key}" if isinstance(video, S3Object) else f"https/{_digest(video.url)}"
            plain = setting.removeprefix("s3://")
            bucket, prefix = split_address(f"s3://{plain}{'' if '/' in plain else '/'}") or (plain, "")
        key = f"{prefix}{name}.{version}{_SUFFIX}"
        if len(key.encode()) > MAX_KEY_BYTES:
            key = f"{prefix}{_digest(name)}.{version}{_SUFFIX}"
        return cls(bucket, key)

    @property
    def uri(self) -> str:
        """The place as s3://bucket/key."""
        return f"s3://{self.bucket}/{self.key}"

    def get(self, client: S3Client, source_bytes: int) -> VideoIndex | None:
        """Return the cached index, or None if there is none that fits a video of this size."""
        try:
            data = get(client, self.bucket, self.key)
            index = VideoIndex.deserialize(data)
        except S3Error:
            return None
        except (HwangError, ValueError, MemoryError):
            _LOG.warning("the index kept at %s cannot be used", self.uri)
            return None
        fits = index.complete and len(index) and (not index.ranged or index.end <= source_bytes)
        return index if fits else None

    def put(self, client: S3Client, index: VideoIndex) -> None:
        """Store the index. A failure is logged, not raised: the next request only reads the headers again."""
        try:
            ask(client.put_object, Bucket=self.bucket, Key=self.key, Body=index.serialize())
        except S3Error as failure:
            _LOG.warning("the index cannot be kept at %s: %s", self.uri, failure)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:40]
