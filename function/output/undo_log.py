"""What a request has begun to write, so that it can be taken back, also by another process."""

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

RUN: Final = "hwang-run"  # metadata of every object: which run of a request wrote it
REQUEST: Final = "hwang-request"  # and what was asked, so that equal requests know each other's objects
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entry:
    """An object of S3 as far as it got: begun, maybe as an upload in parts whose id is known, maybe confirmed."""

    bucket: str
    key: str
    in_parts: bool = False
    upload_id: str | None = None
    version_id: str | None = None


class Journal:
    """The entries of one run, the last one of each key. `tell` hears each as it is made. Used from several threads."""

    def __init__(
        self, run: str, request: str, manifest_key: str, tell: Callable[[dict[str, Any]], None] = lambda _: None
    ) -> None:
        self.run, self.request = run, request
        self._manifest_key = manifest_key
        self._tell = tell
        self._lock = threading.Lock()
        self._entries: dict[str, Entry] = {}

    @classmethod
    def of(cls, run: str, told: list[dict[str, Any]]) -> Self:
        """What another process has told, at least one entry."""
        journal = cls(run, told[0]["request"], told[0]["manifest_key"])
        for one in told:
            journal.add(Entry(**one["entry"]))
        return journal

    @property
    def metadata(self) -> dict[str, str]:
        return {RUN: self.run, REQUEST: self.request}

    def add(self, entry: Entry) -> None:
        """Of something about to be done, before it is: else nobody knows of it should this process die."""
        with self._lock:
            self._tell({"request": self.request, "manifest_key": self._manifest_key, "entry": asdict(entry)})
            self._entries[entry.key] = entry

    def forget(self, key: str) -> None:
        """It is not ours after all."""
        with self._lock:
            self._entries.pop(key, None)

    def withdraw(self, client: S3Client) -> None:
        """Takes back what this run wrote, and nothing else.

        Nothing is taken back where an equal request has finished meanwhile: its objects are the same bytes. Of a write
        without an answer, what stands there is asked who wrote it.
        """
        with self._lock:
            entries = list(self._entries.values())
        for entry in entries:
            for upload_id in self._uploads(client, entry):
                self._try(client.abort_multipart_upload, entry, UploadId=upload_id)
        if not entries or self._metadata(client, entries[0].bucket, self._manifest_key).get(REQUEST) == self.request:
            return
        try:
            with ThreadPoolExecutor(CONNECTIONS, "hwang-withdraw") as pool:
                list(pool.map(lambda entry: self._take_back(client, entry), entries))
        except RuntimeError:  # there are no threads to be had
            for entry in entries:
                self._take_back(client, entry)

    def _take_back(self, client: S3Client, entry: Entry) -> None:
        if entry.version_id:
            self._try(client.delete_object, entry, VersionId=entry.version_id)
        elif self._metadata(client, entry.bucket, entry.key).get(RUN) == self.run:
            self._try(client.delete_object, entry)

    def _uploads(self, client: S3Client, entry: Entry) -> list[str]:
        """The upload's id; where that was not heard of any more, those of all uploads to this very key."""
        if entry.upload_id or not entry.in_parts:
            return [entry.upload_id] if entry.upload_id else []
        try:
            listed = ask(client.list_multipart_uploads, Bucket=entry.bucket, Prefix=entry.key)
        except S3Error as failure:
            _LOG.warning("could not look for uploads to s3://%s/%s: %s", entry.bucket, entry.key, failure)
            return []
        return [upload["UploadId"] for upload in listed.get("Uploads", []) if upload["Key"] == entry.key]

    def _metadata(self, client: S3Client, bucket: str, key: str) -> dict[str, str]:
        return metadata_of(client, bucket, key) or {}

    def _try(self, call: Callable[..., object], entry: Entry, **more: Any) -> None:
        try:
            ask(call, Bucket=entry.bucket, Key=entry.key, **more)
        except S3Error as failure:
            _LOG.warning("could not take back s3://%s/%s: %s", entry.bucket, entry.key, failure)


def metadata_of(client: S3Client, bucket: str, key: str) -> dict[str, str] | None:
    """The metadata of an object; None if there is none that can be seen."""
    try:
        return ask(client.head_object, Bucket=bucket, Key=key)["Metadata"]
    except S3Error:
        return None
