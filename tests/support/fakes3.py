"""S3 in memory behind the calls that the function makes of botocore's client, with a failure at any request."""

# ruff: noqa: ARG002, N803 - the arguments are botocore's

from __future__ import annotations

import base64
import hashlib
import io
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

from botocore.exceptions import ClientError, EndpointConnectionError

OUT = "out"
_START = datetime.fromtimestamp(1e9, UTC)


class Killed(BaseException):
    """The end of the process: nothing of it runs after this."""


@dataclass(frozen=True)
class Stored:
    """One version of an object."""

    data: bytes | None  # None: a marker that the object was deleted
    metadata: dict[str, str]
    version: str | None = None
    sent: dict[str, Any] = field(default_factory=dict)  # the arguments that made it
    modified: datetime = _START

    @property
    def etag(self) -> str:
        """The ETag, which equal bytes share."""
        return f'"{hashlib.md5(self.data or b"", usedforsecurity=False).hexdigest()}"'


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

    What `after` raises hides the answer of a request that was carried out. `seconds`: what a request takes, beside
    others. `now`: the time that it tells.
    """

    versioned: bool = False
    before: Callable[[int], None] = lambda _: None
    after: Callable[[int], None] = lambda _: None
    versions: dict[str, list[Stored]] = field(default_factory=dict)
    uploads: dict[str, Upload] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    seconds: float = 0.0
    now: datetime = _START
    locked: dict[str, str] = field(default_factory=dict)  # codes of the errors of deleting these keys

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
        version = {"VersionId": found.version} if found.version else {}
        return {"Metadata": found.metadata, "ETag": found.etag, "ContentLength": len(found.data or b""), **version}

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
            if Key in self.locked:
                raise refused(403, self.locked[Key])
            self._delete(Key, VersionId)
        return {}

    def delete_objects(self, Bucket: str, Delete: dict[str, Any]) -> dict[str, Any]:
        assert 0 < len(Delete["Objects"]) <= 1000
        errors = []
        with self._request("delete_objects", " ".join(one["Key"] for one in Delete["Objects"])):
            for one in Delete["Objects"]:
                key, etag = one["Key"], one.get("ETag")
                assert not (etag and one.get("VersionId")), "S3 compares the newest version's alone"
                if key in self.locked:
                    errors.append({"Key": key, "Code": self.locked[key]})
                elif etag and not self._is_there(key):
                    errors.append({"Key": key, "Code": "NoSuchKey"})
                elif etag and etag != self.versions[key][-1].etag:
                    errors.append({"Key": key, "Code": "PreconditionFailed"})
                else:
                    self._delete(key, one.get("VersionId"))
        return {"Errors": errors} if errors else {}

    def list_objects_v2(
        self, Bucket: str, Prefix: str, MaxKeys: int = 1000, StartAfter: str = "", ContinuationToken: str = ""
    ) -> dict[str, Any]:
        with self._request("list_objects_v2", Prefix):
            start = ContinuationToken or StartAfter
            keys = [key for key in sorted(self.objects) if key.startswith(Prefix) and key > start]
            found = [(key, self.versions[key][-1]) for key in keys[:MaxKeys]]
        contents = [
            {"Key": key, "ETag": one.etag, "LastModified": one.modified, "Size": len(one.data or b"")}
            for key, one in found
        ]
        more = {"NextContinuationToken": keys[MaxKeys - 1]} if len(keys) > MaxKeys else {}
        return {"Contents": contents, "IsTruncated": bool(more), **more}

    def _delete(self, key: str, version: str | None) -> None:
        if self.versioned and not version:
            self._add(key, Stored(None, {}, self._new_id("v")))
        else:
            self.versions[key] = [one for one in self.versions.get(key, []) if version and version != one.version]

    @contextmanager
    def _request(self, name: str, key: str) -> Iterator[None]:
        if self.seconds:
            time.sleep(self.seconds)
        with self._lock:
            number, self._made = self._made, self._made + 1
            self.log.append(f"{name} {key}".rstrip())
            self.before(number)
            yield
            self.after(number)

    def _created(self, key: str, data: bytes, sent: dict[str, Any], if_none_match: str) -> dict[str, Any]:
        if if_none_match and self._is_there(key):
            raise refused(412, "PreconditionFailed")
        version = self._new_id("v") if self.versioned else None
        one = Stored(data, sent["Metadata"], version, sent)
        self._add(key, one)
        headers = {"HTTPHeaders": {"date": format_datetime(self.now, usegmt=True)}}
        return {"ETag": one.etag, "ResponseMetadata": headers, **({"VersionId": version} if version else {})}

    def _add(self, key: str, one: Stored) -> None:
        kept = self.versions.get(key, []) if self.versioned else []
        self.versions[key] = [*kept, replace(one, modified=self.now)]

    def _is_there(self, key: str) -> bool:
        return any(one.data is not None for one in self.versions.get(key, [])[-1:])

    def _newest(self, key: str, code: str) -> Stored:
        if not self._is_there(key):
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
