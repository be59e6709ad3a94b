"""A log of the objects that a request has begun to write, so that this process or another can remove them."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import partial
from itertools import groupby
from os.path import commonprefix
from typing import TYPE_CHECKING, Any, Final, Self

from function.deadline import TOO_LATE
from function.errors import DeadlineExceeded, OutputUnavailable
from function.s3 import CONNECTIONS, S3Error, ask
from function.session import Session
from hwang.sources.faults import Fault

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

RUN: Final = "hwang-run"  # metadata of every object: the run of a request that wrote it
REQUEST: Final = "hwang-request"  # and the request's fingerprint, so that equal requests know each other's objects
UNDO_SECONDS: Final = 0.3  # after a request's deadline, before the worker is killed
_SECONDS_PER_OBJECT: Final = 0.0004  # to delete many
MAX_BATCH: Final = 500  # objects of one deletion; S3 takes 1,000
_BATCHES_AT_ONCE: Final = 4  # S3 writes and deletes 3,500 objects of a prefix in a second
_MAX_PAGES: Final = 3  # of a listing that finds the objects of a batch
_NULL_VERSION: Final = "null"  # of every object that is written while a bucket's versioning is suspended
_NO_SUCH: Final = ("NoSuchKey", "NoSuchVersion")
_PASSING: Final = ("InternalError", "ServiceUnavailable", "SlowDown", "OperationAborted", "ConditionalRequestConflict")
_LOG = logging.getLogger(__name__)

Message = dict[str, Any]
Turn = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True)
class Entry:
    """An object as far as it got: begun, in parts or not, with the upload's id once that is known, or confirmed.

    `etag` and `written` (seconds, of S3's clock) are those of the answer that confirmed it.
    """

    bucket: str
    key: str
    in_parts: bool = False
    upload_id: str | None = None
    version_id: str | None = None
    etag: str | None = None
    written: float | None = None

    @classmethod
    def confirmed(cls, bucket: str, key: str, answer: dict[str, Any]) -> Self:
        """The entry of an object whose write S3 has answered."""
        date = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
        written = None
        with suppress(ValueError):  # without a date the object is looked at
            written = parsedate_to_datetime(date).timestamp()
        return cls(bucket, key, version_id=answer.get("VersionId"), etag=answer.get("ETag"), written=written)

    @property
    def place(self) -> tuple[str, str]:
        """Bucket and key."""
        return self.bucket, self.key

    @property
    def is_one_version(self) -> bool:
        """True if its version id names this object and can never name another."""
        return self.version_id is not None and self.version_id != _NULL_VERSION


@dataclass(eq=False)
class Journal:
    """The entries of one run, the last one of each object. Each is passed to `record` first. Thread-safe.

    `manifest_bucket`: where the manifest lies; by default where the objects do. `deadline`: on the monotonic clock. No
    object is begun so late that removing all would take longer. `leave` is called with the messages of the objects that
    could not be removed in time, and the number of all that remain.
    """

    run: str
    request: str
    manifest_key: str
    record: Callable[[Message], None] = lambda _: None
    deadline: float = math.inf
    leave: Callable[[list[Message], int], None] = lambda *_: None
    manifest_bucket: str | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _entries: dict[tuple[str, str], Entry] = field(default_factory=dict, init=False)
    _refused: int = field(default=0, init=False)

    @classmethod
    def begin(cls, session: Session, request: str, manifest_key: str, manifest_bucket: str | None = None) -> Self:
        """The journal of a request that is about to write."""
        deadline = session.deadline.at
        return cls(session.run, request, manifest_key, session.record, deadline, session.leave, manifest_bucket)

    @classmethod
    def of(cls, run: str, messages: Iterable[Message]) -> list[Self]:
        """The journals of another process from the messages that it passed to `record`: one for each manifest."""
        journals: dict[tuple[str, str | None], Self] = {}
        for one in messages:
            place = one["manifest_key"], one["manifest_bucket"]
            new = cls(run, one["request"], place[0], manifest_bucket=place[1])
            journals.setdefault(place, new).add(Entry(**one["entry"]))
        return list(journals.values())

    @property
    def metadata(self) -> dict[str, str]:
        """Metadata that every object of this run carries."""
        return {RUN: self.run, REQUEST: self.request}

    @property
    def messages(self) -> list[Message]:
        """The messages that were passed to `record`, the last of each object that is left."""
        with self._lock:
            return [self._message(entry) for entry in self._entries.values()]

    @property
    def objects_left(self) -> int:
        """The number of objects and uploads that are not known to be gone."""
        return len(self._entries) + self._refused

    def add(self, entry: Entry) -> None:
        """Log the entry before the request it is about, so that another process can undo that if this one dies."""
        with self._lock:
            self.record(self._message(entry))
            self._entries[entry.place] = entry

    def check_time(self) -> None:
        """Raise DeadlineExceeded if one object more would leave too little time to take back all."""
        if time.monotonic() > self.deadline - len(self._entries) * _SECONDS_PER_OBJECT:
            raise DeadlineExceeded(TOO_LATE)

    def abandon(self, client: S3Client, bucket: str, key: str) -> None:
        """Forget the object, which another run has written, and abort this run's upload to it."""
        with self._lock:
            entry = self._entries.pop((bucket, key))
        _logged(_Undo(client, self.run).abort, entry)

    def withdraw(self, client: S3Client, turn: Turn | None = None) -> None:
        """Abort this run's uploads and delete its objects, never another run's, and forget what is done.

        Nothing is deleted if an equal request has finished meanwhile: its objects are the same bytes. It ends
        UNDO_SECONDS after the deadline, whatever is left. With `turn`, a context of each step, it may take any time.
        """
        undo = _Undo(client, self.run, is_watched=turn is None)
        until = math.inf if turn else self.deadline + UNDO_SECONDS
        uploads = [entry for entry in self._entries.values() if entry.in_parts]
        if _each(partial(self._abort, undo, turn or nullcontext), uploads, until):
            entries = sorted(self._entries.values(), key=lambda entry: entry.place)
            batches = [
                some[start : start + MAX_BATCH]
                for some in (list(group) for _, group in groupby(entries, key=lambda entry: entry.bucket))
                for start in range(0, len(some), MAX_BATCH)
            ]
            _each(partial(self._take_back, undo, turn or nullcontext), batches, until, _BATCHES_AT_ONCE)
        if self.objects_left:
            self.leave(self.messages, self.objects_left)

    def _abort(self, undo: _Undo, turn: Turn, entry: Entry) -> None:
        with turn():
            undo.abort(entry)
        with self._lock:
            self._entries[entry.place] = Entry(entry.bucket, entry.key)

    def _take_back(self, undo: _Undo, turn: Turn, entries: list[Entry]) -> None:
        bucket = entries[0].bucket
        passing, refused = set[str](), set[str]()
        with turn():
            manifest = seen(undo.client, self.manifest_bucket or bucket, self.manifest_key, undo.ask)
            if manifest["Metadata"].get(REQUEST) != self.request:
                passing, refused = undo.delete(bucket, entries)
        with self._lock:
            self._refused += len(refused)
            for entry in entries:
                if entry.key not in passing and not entry.in_parts:
                    self._entries.pop(entry.place, None)

    def _message(self, entry: Entry) -> Message:
        manifest = {"manifest_key": self.manifest_key, "manifest_bucket": self.manifest_bucket}
        return {"request": self.request, **manifest, "entry": {**vars(entry)}}


@dataclass(frozen=True)
class _Undo:
    """Calls that remove the objects of a run. Raises S3Error if S3 does not answer for now.

    `is_watched`: a call that does not return ends the process.
    """

    client: S3Client
    run: str
    is_watched: bool = True

    def abort(self, entry: Entry) -> None:
        """Abort the upload if there is one; if the answer with its id was lost, all uploads to this very key."""
        upload_ids = [entry.upload_id] if entry.upload_id else []
        try:
            if entry.in_parts and not upload_ids:
                found = self.ask(self.client.list_multipart_uploads, Bucket=entry.bucket, Prefix=entry.key)
                upload_ids = [one["UploadId"] for one in found.get("Uploads", []) if one["Key"] == entry.key]
            for upload_id in upload_ids:
                self.ask(self.client.abort_multipart_upload, Bucket=entry.bucket, Key=entry.key, UploadId=upload_id)
        except S3Error as failure:
            if failure.fault is Fault.UNAVAILABLE:
                raise
            if failure.fault is not Fault.NOT_FOUND:
                _warn(entry.bucket, entry.key, failure)

    def delete(self, bucket: str, entries: list[Entry]) -> tuple[set[str], set[str]]:
        """Delete the run's own of these objects, in the order of their keys.

        Returns the keys of those which another attempt may delete, and of those which must not be deleted.
        """
        one_version = [entry for entry in entries if entry.is_one_version]
        objects: list[Any] = [{"Key": entry.key, "VersionId": entry.version_id} for entry in one_version]
        objects += self._own(bucket, [entry for entry in entries if not entry.is_one_version])
        if not objects:
            return set(), set()
        answer = self.ask(self.client.delete_objects, Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
        errors = {one.get("Key", ""): one.get("Code", "") for one in answer.get("Errors", [])}
        passing = {key for key, code in errors.items() if code in _PASSING}
        refused = {key for key, code in errors.items() if code not in (*_PASSING, *_NO_SUCH, "PreconditionFailed")}
        for key in refused:
            _warn(bucket, key, errors[key])
        return passing, refused

    def _own(self, bucket: str, entries: list[Entry]) -> list[dict[str, str]]:
        """Return the entry of DeleteObjects for each object that is still this run's, with its ETag as condition.

        An object is, if a listing has it as it was written and no later; else its metadata tells.
        """
        known = [entry.key for entry in entries if entry.etag and entry.written]
        listed, end = listing(self.client, bucket, known, self.ask)
        own: list[dict[str, str]] = []
        doubtful: list[Entry] = []
        for entry in entries:
            found = listed.get(entry.key)
            if found and found["ETag"] == entry.etag and found["LastModified"].timestamp() <= (entry.written or 0):
                own.append(_named(entry.key, entry.etag, entry.version_id))
            elif found or not (entry.etag and entry.written and entry.key <= end):  # else it is gone
                doubtful.append(entry)

        def look(entry: Entry) -> None:
            there = seen(self.client, bucket, entry.key, self.ask)
            if there["Metadata"].get(RUN) == self.run:
                own.append(_named(entry.key, there.get("ETag"), there.get("VersionId")))

        _each(look, doubtful, math.inf)
        return own

    def ask(self, call: Callable[..., Any], **arguments: Any) -> Any:
        """Call S3 and return the answer. Raises S3Error."""
        return ask(call, error=OutputUnavailable if self.is_watched else None, **arguments)


def seen(client: S3Client, bucket: str, key: str, call: Callable[..., Any] = ask) -> dict[str, Any]:
    """Metadata, ETag and, if the bucket has versions, VersionId of an object; no metadata if it is not there.

    `call` asks S3. Raises S3Error if S3 does not answer for now.
    """
    try:
        return dict(call(client.head_object, Bucket=bucket, Key=key))
    except S3Error as failure:
        if failure.fault is Fault.UNAVAILABLE:
            raise
        return {"Metadata": {}}


def listing(
    client: S3Client, bucket: str, keys: list[str], call: Callable[..., Any] = ask
) -> tuple[dict[str, dict[str, Any]], str]:
    """The objects of these ascending keys as a listing has them, and the last key up to which all are known.

    `call` asks S3. Where it may not be listed, nothing is known. Raises S3Error if S3 does not answer for now.
    """
    found: dict[str, dict[str, Any]] = {}
    if not keys:
        return found, ""
    start = {"StartAfter": keys[0][:-1]} if len(keys[0]) > 1 else {}
    prefix = commonprefix([keys[0], keys[-1]])  # noqa: RUF071 - keys are no paths
    for _ in range(_MAX_PAGES):
        try:
            page = call(client.list_objects_v2, Bucket=bucket, Prefix=prefix, MaxKeys=len(keys) + 1, **start)
        except S3Error as failure:
            if failure.fault is Fault.UNAVAILABLE:
                raise
            return found, ""
        found |= {one["Key"]: one for one in page.get("Contents", [])}
        if not page.get("IsTruncated"):
            return found, keys[-1]
        if max(found) >= keys[-1]:
            break
        start = {"ContinuationToken": page["NextContinuationToken"]}
    return found, max(found)


def _named(key: str, etag: str | None, version: str | None) -> dict[str, str]:
    """Return the entry of DeleteObjects for an object. S3 compares the ETag of the newest version only."""
    if version:
        return {"Key": key, "VersionId": version}
    return {"Key": key, "ETag": etag} if etag else {"Key": key}


def _each(work: Callable[[Any], None], items: list[Any], until: float, at_once: int = CONNECTIONS) -> bool:
    """Do the work with all items, some at once, and return whether that was done by `until`.

    An S3Error is logged, and its item is left as it is.
    """
    if not items:
        return True
    try:
        pool = ThreadPoolExecutor(min(len(items), at_once), "hwang-withdraw")
        futures = [pool.submit(_logged, work, item) for item in items]
    except RuntimeError:  # there are no more threads to be had
        for item in items:
            _logged(work, item)
        return True
    left = None if math.isinf(until) else max(0.0, until - time.monotonic())
    undone = wait(futures, left, FIRST_EXCEPTION).not_done
    pool.shutdown(wait=not undone, cancel_futures=True)
    for future in futures:
        if future not in undone:
            future.result()
    return not undone


def _logged(work: Callable[[Any], None], item: Any) -> None:
    try:
        work(item)
    except S3Error as failure:
        _LOG.warning("could not take back all for now: %s", failure)


def _warn(bucket: str, key: str, why: object) -> None:
    _LOG.warning("could not take back s3://%s/%s: %s", bucket, key, why)
