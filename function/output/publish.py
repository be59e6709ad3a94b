"""Writes a request's objects to S3, all or nothing, the manifest last."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import logging
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from http import HTTPStatus
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from function.errors import FunctionError, OutputConflict, OutputForbidden, OutputNotFound, OutputUnavailable
from function.models.form import Writing
from function.models.places import Output
from function.models.result import CombineResult, DecodeResult, Written
from function.output.undo_log import MAX_BATCH, REQUEST, RUN, Entry, Journal, listing, seen
from function.s3 import CONNECTIONS, S3Error, ask, get
from hwang.sources.buckets import split_address
from hwang.sources.faults import Fault

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

T = TypeVar("T")
Kind = TypeVar("Kind", DecodeResult, CombineResult)
MIB: Final = 2**20
PART_BYTES: Final = 8 * MIB
MAX_PUT_BYTES: Final = 4 * PART_BYTES  # an object known to be no larger is written by one request
MAX_UPLOAD_PARTS: Final = 10_000
_LOOKED_AT: Final = 8  # objects of a manifest that is to be reused
_MAX_UNDER_WAY: Final = 3  # parts of one object
_ERRORS: Final[dict[Fault, type[FunctionError]]] = {
    Fault.NOT_FOUND: OutputNotFound,
    Fault.FORBIDDEN: OutputForbidden,
    Fault.LOCKED: OutputForbidden,
    Fault.REFUSED: OutputForbidden,
    Fault.EXPIRED: OutputForbidden,
    Fault.CHANGED: OutputUnavailable,
    Fault.UNAVAILABLE: OutputUnavailable,
}
_LOG = logging.getLogger(__name__)


class _Exists(Exception):  # noqa: N818 - an answer, not an error
    """The object is there already."""


def ask_output(name: str, call: Callable[..., Any], **arguments: Any) -> Any:
    """Call S3 about the output `name`. Raises OutputNotFound, OutputForbidden or OutputUnavailable."""
    try:
        return ask(call, **arguments)
    except S3Error as failure:
        if failure.status == HTTPStatus.PRECONDITION_FAILED:
            raise _Exists from failure
        error = _ERRORS[failure.fault](f"output: {name} {failure}", output=name, cause=failure.cause)
        error.retryable = error.retryable or failure.fault is Fault.EXPIRED
        raise error from failure


def check_bucket(client: S3Client, bucket: str) -> None:
    """Raises OutputNotFound, OutputForbidden or OutputUnavailable if the bucket cannot be written to."""
    ask_output(f"bucket {bucket}", client.head_bucket, Bucket=bucket)


def finished(
    client: S3Client, output: Output, writing: Writing, request: str, kind: type[Kind], buckets: Iterable[str] = ()
) -> dict[str, Any] | None:
    """The manifest of an equal request that has finished; None if there is none or `if_exists` is `replace`.

    `buckets`: others that objects may lie in. A manifest that is no result of this `kind` and version, or names objects
    that are not there any more, is as none. Raises OutputConflict if it is another request's and `if_exists` is `keep`.
    """
    uri = f"s3://{output.bucket}/{output.manifest_key}"
    if writing.if_exists == "replace":
        return None
    try:
        metadata = ask_output(uri, client.head_object, Bucket=output.bucket, Key=output.manifest_key)["Metadata"]
    except OutputNotFound:
        return None
    if metadata.get(REQUEST) != request:
        if writing.if_exists == "keep":
            raise _conflict(uri)
        return None
    try:
        manifest: dict[str, Any] = json.loads(get(client, output.bucket, output.manifest_key))
        result = kind.model_validate(manifest)
        sizes: dict[str, dict[str, int]] = {}  # by bucket and key
        for one in result.output:
            bucket, key = split_address(one.uri) or ("", "")
            sizes.setdefault(bucket, {})[key] = one.bytes
        is_here = result.request == request and sizes.keys() <= {output.bucket, *buckets}
        if is_here and all(_are_there(client, bucket, some, request) for bucket, some in sizes.items()):
            return manifest
    except (ValueError, RecursionError):
        pass
    except S3Error as failure:  # in a storage class that needs a restore, for one
        if failure.fault is Fault.UNAVAILABLE:
            raise OutputUnavailable(f"output: {uri} {failure}", output=uri, cause=failure.cause) from failure
    _LOG.warning("the manifest at %s does not hold any more; the request is done again", uri)
    return None


def _are_there(client: S3Client, bucket: str, sizes: dict[str, int], request: str) -> bool:
    """True if all these objects are there in their size, as listings have them; a few are looked at more closely."""
    keys = sorted(sizes)
    is_many = len(keys) > _LOOKED_AT
    sample = [keys[place * (len(keys) - 1) // (_LOOKED_AT - 1)] for place in range(_LOOKED_AT)] if is_many else keys
    with ThreadPoolExecutor(_LOOKED_AT, "hwang-look") as pool:
        for key, there in zip(sample, pool.map(lambda key: seen(client, bucket, key), sample), strict=True):
            if there["Metadata"].get(REQUEST) != request or there["ContentLength"] != sizes[key]:
                return False
    for first in range(0, len(keys) if is_many else 0, MAX_BATCH):
        some = keys[first : first + MAX_BATCH]
        listed, end = listing(client, bucket, some)
        if any(listed[key]["Size"] != sizes[key] if key in listed else key <= end for key in some):
            return False
    return True


def _checksum(digest: bytes) -> dict[str, str]:
    return {"ChecksumAlgorithm": "SHA256", "ChecksumSHA256": base64.b64encode(digest).decode()}


def _conflict(uri: str) -> OutputConflict:
    return OutputConflict(
        f"output: {uri} is there already, of another request; choose another output, or let it be replaced", output=uri
    )


class Publication:
    """The objects of one request. Leaving the block by an exception removes what was written.

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
        self._storage = {"StorageClass": writing.storage_class} if writing.storage_class else {}
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

    def into(self, bucket: str) -> Publication:
        """The same publication, for objects of another bucket; its block is this one's."""
        other = copy.copy(self)
        other._bucket = bucket
        return other

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Call `work` in one of the threads that write."""
        return self._pool.submit(work)

    def put(self, key: str, data: bytes | bytearray, content_type: str, digest: bytes | None = None) -> Written:
        """Write one object; S3 compares the checksum before the object becomes visible. `digest`: SHA-256, if known."""
        self._journal.check_time()
        return self._put(key, data, content_type, self._storage, digest)

    def put_kept(self, key: str, data: bytes, content_type: str) -> Written:
        """Write an object that the function reads again: in no storage class of which that needs a restore."""
        return self._put(key, data, content_type, {})

    def put_manifest(self, data: bytes) -> Written:
        """Write the manifest, which must come last: the request counts as finished once it is there."""
        return self.put_kept(self._manifest_key, data, "application/json")

    def open(self, key: str, size: int | None, content_type: str, part_bytes: int | None = None) -> ObjectWriter:
        """A writer for an object that comes piece by piece; `size` in bytes if it is known."""
        return ObjectWriter(self, key, size, content_type, part_bytes or PART_BYTES)

    def begin_parts(self, key: str, content_type: str) -> str:
        """Begin an upload in parts and return its id."""
        self._journal.check_time()
        self._journal.add(Entry(self._bucket, key, in_parts=True))
        sent = {"ContentType": content_type, "ChecksumAlgorithm": "SHA256", **self._options, **self._storage}
        upload_id: str = self._call(key, self._client.create_multipart_upload, **sent)["UploadId"]
        self._journal.add(Entry(self._bucket, key, in_parts=True, upload_id=upload_id))
        return upload_id

    def put_part(self, key: str, upload_id: str, number: int, data: bytes) -> dict[str, Any]:
        """Write part `number`, counted from 1, and return what `end_parts` must state of it."""
        checksum = _checksum(hashlib.sha256(data).digest())
        sent = {"UploadId": upload_id, "PartNumber": number, "Body": data, **checksum}
        answer = self._call(key, self._client.upload_part, **sent)
        return {"PartNumber": number, "ETag": answer["ETag"], "ChecksumSHA256": checksum["ChecksumSHA256"]}

    def end_parts(self, key: str, upload_id: str, parts: list[dict[str, Any]], size: int, digest: bytes) -> Written:
        """Make the object of all parts visible. `size` in bytes and the SHA-256 `digest` are the whole object's."""
        sent = {"UploadId": upload_id, "MultipartUpload": {"Parts": parts}}
        return self._create(key, size, digest, self._client.complete_multipart_upload, **sent)

    def _put(
        self, key: str, data: bytes | bytearray, content_type: str, storage: dict[str, Any], digest: bytes | None = None
    ) -> Written:
        digest = digest or hashlib.sha256(data).digest()
        self._journal.add(Entry(self._bucket, key))
        sent = {"Body": data, "ContentType": content_type, **_checksum(digest), **self._options, **storage}
        return self._create(key, len(data), digest, self._client.put_object, **sent)

    def _create(self, key: str, size: int, digest: bytes, call: Callable[..., Any], **arguments: Any) -> Written:
        """Make the object visible. An equal request's object that is there already is as good."""
        if self._keep:
            arguments["IfNoneMatch"] = "*"
        written = Written(uri=self._uri(key), bytes=size, sha256=digest.hex())
        try:
            answer = self._call(key, call, **arguments)
        except (_Exists, OutputNotFound) as error:  # not found: the upload, which has ended if only its answer was lost
            answer = self._call(key, lambda **place: seen(self._client, place["Bucket"], place["Key"]))
            if answer["Metadata"].get(RUN) != self._journal.run:
                if isinstance(error, OutputNotFound):
                    raise
                if answer["Metadata"].get(REQUEST) != self._journal.request:
                    raise _conflict(written.uri) from None
                if key != self._manifest_key:
                    self._journal.abandon(self._client, self._bucket, key)
                    return written
                del arguments["IfNoneMatch"]  # one that does not hold any more, or says the same
                answer = self._call(key, call, **arguments)
        self._journal.add(Entry.confirmed(self._bucket, key, answer))
        return written.model_copy(update={"version_id": answer.get("VersionId")})

    def _call(self, key: str, call: Callable[..., Any], **arguments: Any) -> Any:
        return ask_output(self._uri(key), call, Bucket=self._bucket, Key=key, **arguments)

    def _uri(self, key: str) -> str:
        return f"s3://{self._bucket}/{key}"


class ObjectWriter:
    """Takes an object's bytes in any pieces; at most a few parts are in memory. One thread."""

    def __init__(
        self, publication: Publication, key: str, size: int | None, content_type: str, part_bytes: int
    ) -> None:
        self._publication = publication
        self._key = key
        self._content_type = content_type
        self._part_bytes = MAX_PUT_BYTES if size is not None and size <= MAX_PUT_BYTES else part_bytes
        if size is not None:
            self._part_bytes = max(self._part_bytes, -(-size // MAX_UPLOAD_PARTS // MIB) * MIB)
        self._buffer = bytearray()
        self._sha256 = hashlib.sha256()
        self._size = 0
        self._upload_id = ""
        self._under_way: list[Future[dict[str, Any]]] = []
        self._parts: list[dict[str, Any]] = []

    def write(self, data: bytes | memoryview) -> int:
        """Append bytes and return how many; full parts are sent in the background."""
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
        """Do nothing: no byte is visible before close()."""

    def close(self) -> Written:
        """Send the rest and make the object visible."""
        if not self._upload_id:
            return self._publication.put(self._key, self._buffer, self._content_type, self._sha256.digest())
        if self._buffer:
            self._send_part()
        self._collect(0)
        digest = self._sha256.digest()
        return self._publication.end_parts(self._key, self._upload_id, self._parts, self._size, digest)

    def _send_part(self) -> None:
        if not self._upload_id:
            self._upload_id = self._publication.begin_parts(self._key, self._content_type)
        data, self._buffer = bytes(self._buffer), bytearray()
        number = len(self._parts) + len(self._under_way) + 1
        send = partial(self._publication.put_part, self._key, self._upload_id, number, data)
        self._under_way.append(self._publication.submit(send))
        self._collect(_MAX_UNDER_WAY - 1)

    def _collect(self, most_left: int) -> None:
        while len(self._under_way) > most_left:
            self._parts.append(self._under_way.pop(0).result())
