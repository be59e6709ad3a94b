"""Writing a request's objects to S3, all or nothing, the manifest last."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from function.errors import FunctionError, OutputConflict, OutputForbidden, OutputNotFound, OutputUnavailable
from function.models.form import Writing
from function.models.places import Output
from function.models.result import Written
from function.output.undo_log import REQUEST, RUN, Entry, Journal, metadata_of
from function.s3 import CONNECTIONS, Fault, S3Error, ask

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

T = TypeVar("T")
MIB: Final = 2**20
PART_BYTES: Final = 8 * MIB
ONE_PUT_BYTES: Final = 4 * PART_BYTES  # what is known to be no larger is written at once
MOST_PARTS: Final = 10_000
_PARTS_UNDER_WAY: Final = 3
OUTPUT_ERRORS: Final[dict[Fault, type[FunctionError]]] = {
    Fault.NOT_FOUND: OutputNotFound,
    Fault.FORBIDDEN: OutputForbidden,
    Fault.EXPIRED: OutputForbidden,
    Fault.CHANGED: OutputUnavailable,
    Fault.UNAVAILABLE: OutputUnavailable,
}


@dataclass(frozen=True)
class Checksum:
    """SHA-256 of an object's bytes, and how many they are."""

    digest: bytes
    size: int

    @classmethod
    def of(cls, data: bytes | memoryview) -> Self:
        return cls(hashlib.sha256(data).digest(), len(data))

    @property
    def header(self) -> str:
        return base64.b64encode(self.digest).decode()


class _Exists(Exception):  # noqa: N818 - an answer, not an error
    """The object is there already."""


def _call(name: str, call: Callable[..., Any], **arguments: Any) -> Any:
    try:
        return ask(call, **arguments)
    except S3Error as failure:
        if "status 412" in failure.cause:
            raise _Exists from failure
        error = OUTPUT_ERRORS[failure.fault](f"output: {name} {failure}", output=name, cause=failure.cause)
        error.retryable = error.retryable or failure.fault is Fault.EXPIRED
        raise error from failure


def check_bucket(client: S3Client, bucket: str) -> None:
    """Raises if the bucket is not there, or may not be used; found out before the work."""
    _call(f"bucket {bucket}", client.head_bucket, Bucket=bucket)


def finished(client: S3Client, output: Output, writing: Writing, request: str) -> dict[str, Any] | None:
    """The manifest of an equal request that has finished, unless it is to be done again.

    Raises OutputConflict if another request's stands there that is to be kept.
    """
    uri = f"s3://{output.bucket}/{output.manifest_key}"
    if writing.if_exists == "replace":
        return None
    try:
        answer = _call(uri, client.get_object, Bucket=output.bucket, Key=output.manifest_key)
    except OutputNotFound:
        return None
    if answer["Metadata"].get(REQUEST) != request:
        if writing.if_exists == "keep":
            raise _conflict(uri)
        return None
    manifest: dict[str, Any] = json.loads(answer["Body"].read())
    return manifest


def _conflict(uri: str) -> OutputConflict:
    return OutputConflict(
        f"output: {uri} is there already, of another request; choose another output, or let it be replaced", output=uri
    )


class Publication:
    """The objects of one request. Leaving the block by an exception takes back what was written.

    `put` and `open` may be used from several threads, all of which must have ended when the block is left.
    Raises OutputNotFound, OutputForbidden, OutputUnavailable, OutputConflict.
    """

    def __init__(self, client: S3Client, output: Output, writing: Writing, journal: Journal) -> None:
        self._client = client
        self._bucket = output.bucket
        self._manifest_key = output.manifest_key
        self._keep = writing.if_exists == "keep"
        self._journal = journal
        self._options: dict[str, Any] = {"Metadata": journal.metadata}
        if writing.storage_class:
            self._options["StorageClass"] = writing.storage_class
        if writing.kms_key:
            self._options |= {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": writing.kms_key}
        self._pool = ThreadPoolExecutor(CONNECTIONS, "hwang-write")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=kind is not None)
        if kind is not None:
            self._journal.withdraw(self._client)

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Does it in one of the threads that write."""
        return self._pool.submit(work)

    def put(self, key: str, data: bytes, content_type: str) -> Written:
        """One object; S3 compares the checksum before the object becomes visible."""
        checksum = Checksum.of(data)
        self._journal.add(Entry(self._bucket, key))
        answer = self._create(
            key,
            self._client.put_object,
            Body=data,
            ContentType=content_type,
            ChecksumAlgorithm="SHA256",
            ChecksumSHA256=checksum.header,
            **self._options,
        )
        return self._written(key, checksum, answer)

    def put_manifest(self, data: bytes) -> Written:
        return self.put(self._manifest_key, data, "application/json")

    def open(self, key: str, size: int | None, content_type: str) -> ObjectWriter:
        """For an object written piece by piece; `size` in bytes if it is known."""
        return ObjectWriter(self, key, size, content_type)

    def begin_parts(self, key: str, content_type: str) -> str:
        self._journal.add(Entry(self._bucket, key, in_parts=True))
        answer = _call(
            self._uri(key),
            self._client.create_multipart_upload,
            Bucket=self._bucket,
            Key=key,
            ContentType=content_type,
            ChecksumAlgorithm="SHA256",
            **self._options,
        )
        upload_id: str = answer["UploadId"]
        self._journal.add(Entry(self._bucket, key, in_parts=True, upload_id=upload_id))
        return upload_id

    def put_part(self, key: str, upload_id: str, number: int, data: bytes) -> dict[str, Any]:
        checksum = Checksum.of(data)
        answer = _call(
            self._uri(key),
            self._client.upload_part,
            Bucket=self._bucket,
            Key=key,
            UploadId=upload_id,
            PartNumber=number,
            Body=data,
            ChecksumAlgorithm="SHA256",
            ChecksumSHA256=checksum.header,
        )
        return {"PartNumber": number, "ETag": answer["ETag"], "ChecksumSHA256": checksum.header}

    def end_parts(self, key: str, upload_id: str, parts: list[dict[str, Any]], checksum: Checksum) -> Written:
        answer = self._create(
            key, self._client.complete_multipart_upload, UploadId=upload_id, MultipartUpload={"Parts": parts}
        )
        return self._written(key, checksum, answer)

    def _written(self, key: str, checksum: Checksum, answer: dict[str, Any] | None) -> Written:
        version = (answer or {}).get("VersionId")
        if answer is None:
            self._journal.forget(key)
        else:
            self._journal.add(Entry(self._bucket, key, version_id=version))
        return Written(uri=self._uri(key), bytes=checksum.size, sha256=checksum.digest.hex(), version_id=version)

    def _create(self, key: str, call: Callable[..., Any], **arguments: Any) -> dict[str, Any] | None:
        """Makes the object visible; None if an equal request has made it before, which is as good."""
        if self._keep:
            arguments["IfNoneMatch"] = "*"
        try:
            answer: dict[str, Any] = _call(self._uri(key), call, Bucket=self._bucket, Key=key, **arguments)
        except _Exists:
            if self._metadata(key).get(REQUEST) == self._journal.request:
                return None
            raise _conflict(self._uri(key)) from None
        except OutputNotFound:  # also an upload that has ended, though its answer was lost
            if self._metadata(key).get(RUN) == self._journal.run:
                return {}
            raise
        return answer

    def _metadata(self, key: str) -> dict[str, str]:
        return metadata_of(self._client, self._bucket, key) or {}

    def _uri(self, key: str) -> str:
        return f"s3://{self._bucket}/{key}"


class ObjectWriter:
    """Takes an object's bytes in any pieces; at most a few parts are in memory. One thread."""

    def __init__(self, publication: Publication, key: str, size: int | None, content_type: str) -> None:
        self._publication = publication
        self._key = key
        self._content_type = content_type
        self._part_bytes = ONE_PUT_BYTES if size is not None and size <= ONE_PUT_BYTES else PART_BYTES
        if size is not None:
            self._part_bytes = max(self._part_bytes, -(-size // MOST_PARTS // MIB) * MIB)
        self._buffer = bytearray()
        self._sha256 = hashlib.sha256()
        self._size = 0
        self._upload_id = ""
        self._under_way: list[Future[dict[str, Any]]] = []
        self._parts: list[dict[str, Any]] = []

    def write(self, data: bytes | memoryview) -> int:
        self._sha256.update(data)
        self._size += len(data)
        view = memoryview(data)
        while len(view):
            if len(self._buffer) == self._part_bytes:
                self._send_part()
            room = self._part_bytes - len(self._buffer)
            self._buffer += view[:room]
            view = view[room:]
        return len(data)

    def flush(self) -> None:
        """As files have it; nothing is visible before close()."""

    def close(self) -> Written:
        """Makes the object visible."""
        if not self._upload_id:
            return self._publication.put(self._key, bytes(self._buffer), self._content_type)
        if self._buffer:
            self._send_part()
        self._collect(0)
        checksum = Checksum(self._sha256.digest(), self._size)
        return self._publication.end_parts(self._key, self._upload_id, self._parts, checksum)

    def _send_part(self) -> None:
        if not self._upload_id:
            self._upload_id = self._publication.begin_parts(self._key, self._content_type)
        data, self._buffer = bytes(self._buffer), bytearray()
        number = len(self._parts) + len(self._under_way) + 1
        key, upload_id = self._key, self._upload_id
        self._under_way.append(
            self._publication.submit(lambda: self._publication.put_part(key, upload_id, number, data))
        )
        self._collect(_PARTS_UNDER_WAY - 1)

    def _collect(self, most_left: int) -> None:
        while len(self._under_way) > most_left:
            self._parts.append(self._under_way.pop(0).result())
