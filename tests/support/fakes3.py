"""S3 in memory behind the calls that the function makes of botocore's client, with a failure at any request."""

# ruff: noqa: ARG002, N803 - the arguments are botocore's

from __future__ import annotations

import base64
import hashlib
import io
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError, EndpointConnectionError

OUT = "out"


class Killed(BaseException):
    """The end of the process: nothing of it runs after this."""


@dataclass(frozen=True)
class Stored:
    """One version of an object."""

    data: bytes | None  # None: a marker that the object was deleted
    metadata: dict[str, str]
    version: str | None = None
    sent: dict[str, Any] = field(default_factory=dict)  # the arguments that made it


@dataclass
class Upload:
    """An upload in parts."""

    key: str
    sent: dict[str, Any]
    parts: dict[int, bytes] = field(default_factory=dict)


def refused(status: int, code: str) -> ClientError:
    """S3's error of this status and code."""
    told: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": {}}}
    return ClientError(told, "call")


def unreachable() -> EndpointConnectionError:
    """The connection's error, which does not tell whether S3 has done what was asked."""
    return EndpointConnectionError(endpoint_url="https://s3")


@dataclass
class FakeS3:
    """Objects of one bucket. `before` and `after` are called with each request's number and may raise.

    What `after` raises hides the answer of a request that was carried out.
    """

    versioned: bool = False
    before: Callable[[int], None] = lambda _: None
    after: Callable[[int], None] = lambda _: None
    versions: dict[str, list[Stored]] = field(default_factory=dict)
    uploads: dict[str, Upload] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._made = 0

    @property
    def objects(self) -> dict[str, bytes]:
        """The bytes that a reader sees, by key."""
        newest = {key: versions[-1].data for key, versions in self.versions.items() if versions}
        return {key: data for key, data in newest.items() if data is not None}

    def store(self, key: str, data: bytes, **metadata: str) -> None:
        """An object that is there already."""
        self._add(key, Stored(data, metadata, self._new_id("v") if self.versioned else None))

    def head_bucket(self, Bucket: str) -> dict[str, Any]:
        with self._request("head_bucket", ""):
            if Bucket != OUT:
                raise refused(404, "404")
        return {}

    def head_object(self, Bucket: str, Key: str) -> dict[str, Any]:
        with self._request("head_object", Key):
            found = self._newest(Key, "404")
        return {"Metadata": found.metadata, **({"VersionId": found.version} if found.version else {})}

    def get_object(self, Bucket: str, Key: str, VersionId: str | None = None) -> dict[str, Any]:
        with self._request("get_object", Key):
            found = self._newest(Key, "NoSuchKey")
            if VersionId:
                found = next(one for one in self.versions[Key] if one.version == VersionId)
        return {"Body": io.BytesIO(found.data or b""), "Metadata": found.metadata}

    def put_object(self, Bucket: str, Key: str, Body: bytes, IfNoneMatch: str = "", **sent: Any) -> dict[str, Any]:
        with self._request("put_object", Key):
            _check(Body, sent["ChecksumSHA256"])
            return self._created(Key, Body, sent, IfNoneMatch)

    def create_multipart_upload(self, Bucket: str, Key: str, **sent: Any) -> dict[str, Any]:
        with self._request("create_multipart_upload", Key):
            upload_id = self._new_id("u")
            self.uploads[upload_id] = Upload(Key, sent)
        return {"UploadId": upload_id}

    def upload_part(
        self, Bucket: str, Key: str, UploadId: str, PartNumber: int, Body: bytes, **sent: Any
    ) -> dict[str, Any]:
        with self._request("upload_part", Key):
            _check(Body, sent["ChecksumSHA256"])
            self._upload(UploadId, Key).parts[PartNumber] = Body
        return {"ETag": hashlib.md5(Body, usedforsecurity=False).hexdigest()}

    def complete_multipart_upload(
        self, Bucket: str, Key: str, UploadId: str, MultipartUpload: dict[str, Any], IfNoneMatch: str = ""
    ) -> dict[str, Any]:
        with self._request("complete_multipart_upload", Key):
            upload = self._upload(UploadId, Key)
            parts = MultipartUpload["Parts"]
            numbers = [part["PartNumber"] for part in parts]
            assert numbers == sorted(set(numbers))
            for part in parts:
                _check(upload.parts[part["PartNumber"]], part["ChecksumSHA256"])
            data = b"".join(upload.parts[number] for number in numbers)
            answer = self._created(Key, data, upload.sent, IfNoneMatch)
            del self.uploads[UploadId]
        return answer

    def abort_multipart_upload(self, Bucket: str, Key: str, UploadId: str) -> dict[str, Any]:
        with self._request("abort_multipart_upload", Key):
            self._upload(UploadId, Key)
            del self.uploads[UploadId]
        return {}

    def list_multipart_uploads(self, Bucket: str, Prefix: str) -> dict[str, Any]:
        with self._request("list_multipart_uploads", Prefix):
            found = [
                {"UploadId": upload_id, "Key": upload.key}
                for upload_id, upload in self.uploads.items()
                if upload.key.startswith(Prefix)
            ]
        return {"Uploads": found} if found else {}

    def delete_object(self, Bucket: str, Key: str, VersionId: str | None = None) -> dict[str, Any]:
        with self._request("delete_object", Key):
            if self.versioned and not VersionId:
                self._add(Key, Stored(None, {}, self._new_id("v")))
            else:
                self.versions[Key] = [
                    one for one in self.versions.get(Key, []) if VersionId and VersionId != one.version
                ]
        return {}

    @contextmanager
    def _request(self, name: str, key: str) -> Iterator[None]:
        with self._lock:
            number, self._made = self._made, self._made + 1
            self.log.append(f"{name} {key}".rstrip())
            self.before(number)
            yield
            self.after(number)

    def _created(self, key: str, data: bytes, sent: dict[str, Any], if_none_match: str) -> dict[str, Any]:
        if if_none_match and key in self.objects:
            raise refused(412, "PreconditionFailed")
        version = self._new_id("v") if self.versioned else None
        self._add(key, Stored(data, sent["Metadata"], version, sent))
        return {"VersionId": version} if version else {}

    def _add(self, key: str, one: Stored) -> None:
        self.versions[key] = [*(self.versions.get(key, []) if self.versioned else []), one]

    def _newest(self, key: str, code: str) -> Stored:
        if key not in self.objects:
            raise refused(404, code)
        return self.versions[key][-1]

    def _upload(self, upload_id: str, key: str) -> Upload:
        if upload_id not in self.uploads:
            raise refused(404, "NoSuchUpload")
        assert self.uploads[upload_id].key == key
        return self.uploads[upload_id]

    def _new_id(self, kind: str) -> str:
        return f"{kind}{sum(map(len, self.versions.values())) + len(self.log)}"


def _check(body: bytes, checksum: str) -> None:
    if base64.b64encode(hashlib.sha256(body).digest()).decode() != checksum:
        raise refused(400, "BadDigest")
