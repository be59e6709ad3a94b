"""A log of the objects that a request has begun to write, so that this process or another can remove them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from function.s3 import CONNECTIONS, S3Error, ask

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

RUN: Final = "hwang-run"  # metadata of every object: the run of a request that wrote it
REQUEST: Final = "hwang-request"  # and the request's fingerprint, so that equal requests know each other's objects
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entry:
    """An object as far as it got: begun, in parts or not, with the upload's id once that is known, or confirmed."""

    bucket: str
    key: str
    in_parts: bool = False
    upload_id: str | None = None
    version_id: str | None = None


class Journal:
    """The entries of one run, the last one of each object. Each is passed to `record` first. Thread-safe.

    `manifest_bucket`: where the manifest lies; by default where the objects do.
    """

    def __init__(
        self,
        run: str,
        request: str,
        manifest_key: str,
        record: Callable[[dict[str, Any]], None] = lambda _: None,
        manifest_bucket: str | None = None,
    ) -> None:
        self.run, self.request = run, request
        self._manifest_key, self._manifest_bucket = manifest_key, manifest_bucket
        self._record = record
        self._lock = threading.Lock()
        self._entries: dict[tuple[str, str], Entry] = {}

    @classmethod
    def of(cls, run: str, messages: list[dict[str, Any]]) -> Self:
        """The journal of another process from the messages that it passed to `record`, at least one."""
        first = messages[0]
        journal = cls(run, first["request"], first["manifest_key"], manifest_bucket=first["manifest_bucket"])
        for one in messages:
            journal.add(Entry(**one["entry"]))
        return journal

    @property
    def metadata(self) -> dict[str, str]:
        """Metadata that every object of this run carries."""
        return {RUN: self.run, REQUEST: self.request}

    def add(self, entry: Entry) -> None:
        """Log the entry before the request it is about, so that another process can undo that if this one dies."""
        with self._lock:
            manifest = {"manifest_key": self._manifest_key, "manifest_bucket": self._manifest_bucket}
            self._record({"request": self.request, **manifest, "entry": asdict(entry)})
            self._entries[entry.bucket, entry.key] = entry

    def abandon(self, client: S3Client, bucket: str, key: str) -> None:
        """Forget the object, which another run has written, and abort this run's upload to it."""
        with self._lock:
            entry = self._entries.pop((bucket, key))
        self._abort(client, entry)

    def withdraw(self, client: S3Client) -> None:
        """Abort this run's uploads and delete its objects, never another run's.

        Nothing is deleted if an equal request has finished meanwhile: its objects are the same bytes. After a write
        without an answer, the object's metadata tells which run wrote it.
        """
        with self._lock:
            entries = list(self._entries.values())
        for entry in entries:
            self._abort(client, entry)
        if not entries:
            return
        manifest = seen(client, self._manifest_bucket or entries[0].bucket, self._manifest_key)
        if manifest["Metadata"].get(REQUEST) == self.request:
            return
        try:
            with ThreadPoolExecutor(CONNECTIONS, "hwang-withdraw") as pool:
                list(pool.map(lambda entry: self._take_back(client, entry), entries))
        except RuntimeError:  # there are no threads to be had
            for entry in entries:
                self._take_back(client, entry)

    def _take_back(self, client: S3Client, entry: Entry) -> None:
        version = entry.version_id
        if not version:
            there = seen(client, entry.bucket, entry.key)
            if there["Metadata"].get(RUN) != self.run:
                return
            version = there.get("VersionId")
        self._try(client.delete_object, entry, **({"VersionId": version} if version else {}))

    def _abort(self, client: S3Client, entry: Entry) -> None:
        for upload_id in self._uploads(client, entry):
            self._try(client.abort_multipart_upload, entry, UploadId=upload_id)

    def _uploads(self, client: S3Client, entry: Entry) -> list[str]:
        """The upload's id; if its answer was lost, the ids of all uploads to this very key."""
        if entry.upload_id or not entry.in_parts:
            return [entry.upload_id] if entry.upload_id else []
        try:
            listed = ask(client.list_multipart_uploads, Bucket=entry.bucket, Prefix=entry.key)
        except S3Error as failure:
            _LOG.warning("could not look for uploads to s3://%s/%s: %s", entry.bucket, entry.key, failure)
            return []
        return [upload["UploadId"] for upload in listed.get("Uploads", []) if upload["Key"] == entry.key]

    def _try(self, call: Callable[..., object], entry: Entry, **more: Any) -> None:
        try:
            ask(call, Bucket=entry.bucket, Key=entry.key, **more)
        except S3Error as failure:
            _LOG.warning("could not take back s3://%s/%s: %s", entry.bucket, entry.key, failure)


def seen(client: S3Client, bucket: str, key: str) -> dict[str, Any]:
    """Metadata and, if the bucket has versions, VersionId of an object; no metadata if it cannot be read."""
    try:
        return dict(ask(client.head_object, Bucket=bucket, Key=key))
    except S3Error:
        return {"Metadata": {}}
