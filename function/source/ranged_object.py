"""Reads ranges of one remote object: pinned to the version first seen, resumed where a connection broke."""

from __future__ import annotations

import http.client
import re
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Protocol

from function import backoff
from function.backoff import MAX_ATTEMPTS, MAX_PAUSE_SECONDS, stated_seconds
from function.deadline import Deadline
from function.errors import CorruptMedia, FunctionError, SourceChanged, SourceForbidden, SourceUnavailable
from function.source.connection import Connection, Pool

HEAD_BYTES: Final = 64 * 1024
_MAX_STALLS: Final = 2  # each takes STALL_SECONDS
_MAX_ERROR_BYTES: Final = 4096
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
_OVERLOADED: Final = frozenset([408, 425, 429, 500, 502, 503, 504])


@dataclass(frozen=True)
class Refusal:
    """An HTTP answer without the requested bytes."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes  # the first few kilobytes


class Origin(Protocol):
    """The place of an object, and the meaning of its server's refusals."""

    shown: str  # in messages, without secrets

    def pool(self) -> Pool:
        """Return the pool of connections; called again after a redirect."""
        ...

    def request(self) -> tuple[str, Mapping[str, str]]:
        """Return path and query, and headers beside Range and If-Match."""
        ...

    def follow(self, refusal: Refusal) -> bool:
        """Follow a redirect or renew the request; return True if it shall be sent again."""
        ...

    def error(self, refusal: Refusal) -> FunctionError:
        """Return the error that a refusal means."""
        ...

    def close(self) -> None:
        """Release the connections."""
        ...


class _Again(Exception):  # noqa: N818 - not an error yet
    """A failure that another attempt may mend."""

    def __init__(self, cause: str, *, stalled: bool = False, pause_seconds: float | None = None) -> None:
        super().__init__(cause)
        self.stalled = stalled
        self.pause_seconds = pause_seconds


class RemoteObject:
    """A remote object; `size` in bytes, `etag`, and `head`, its first bytes, are known from the start.

    `requests` and `bytes_read` count network traffic. Thread-safe. Raises the errors of `origin.error`, SourceChanged,
    SourceUnavailable, SourceForbidden (TLS), CorruptMedia for an empty object, DeadlineExceeded.
    """

    def __init__(self, origin: Origin, deadline: Deadline) -> None:
        self.requests = self.bytes_read = 0
        self.size, self.etag, self.head = 0, "", b""
        self._origin = origin
        self._deadline = deadline
        self._busy: set[Connection] = set()
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._pinned: dict[str, str] = {}
        try:
            self._retry(self._open, lambda: 0)
        except BaseException:
            self.close()
            raise

    def read(self, offset: int, length: int) -> bytearray:
        """Return exactly these bytes, which must lie inside the object."""
        data = bytearray(length)
        view, done = memoryview(data), 0

        def rest() -> None:
            nonlocal done
            with self._ask(offset + done, offset + length - 1) as (connection, answer):
                self._check_part(answer, offset + done, offset + length)
                while done < length:
                    count = connection.read_into(answer, view[done:], self._deadline.at)
                    if not count:
                        raise _Again("the connection ended early")
                    done += count
                    self._count(0, count)
                answer.read()

        self._retry(rest, lambda: done)
        return data

    def close(self) -> None:
        """Interrupt the reads of other threads and release the connections."""
        self._closed.set()
        with self._lock:
            for connection in self._busy:
                connection.abort()
        self._origin.close()

    def _open(self) -> None:
        with self._ask(0, HEAD_BYTES - 1) as (_, answer):
            span = _CONTENT_RANGE.fullmatch(answer.getheader("Content-Range", ""))
            if answer.status == http.client.PARTIAL_CONTENT and span and span[1] == "0":
                self.size = int(span[3])
            elif answer.status == http.client.OK and 0 <= (answer.length or 0) <= HEAD_BYTES and not answer.chunked:
                self.size = answer.length or 0  # servers answer like this for small and empty objects
            else:
                raise _Again("the server does not answer requests for byte ranges")
            length = min(self.size, HEAD_BYTES)
            self.head = answer.read(length + 1)
            self._count(0, len(self.head))
            if len(self.head) != length:
                raise _Again("the connection ended early")
            self.etag = answer.getheader("ETag", "")
        if not self.size:
            raise self._empty()
        if self.etag and not self.etag.startswith("W/"):
            self._pinned["If-Match"] = self.etag

    @contextmanager
    def _ask(self, first: int, last: int) -> Iterator[tuple[Connection, http.client.HTTPResponse]]:
        """Request the bytes first..last; yield the connection and its answer. Raises refusals as errors."""
        path, headers = self._origin.request()
        headers = {"Accept-Encoding": "identity", "Range": f"bytes={first}-{last}", **self._pinned, **headers}
        pool = self._origin.pool()
        connection, answer = self._answered(pool, path, headers)
        usable = False
        try:
            if answer.status in (http.client.OK, http.client.PARTIAL_CONTENT):
                if answer.getheader("Content-Encoding", "identity") != "identity":
                    raise _Again("the server compresses what it sends")
                yield connection, answer
            else:
                self._refused(answer)
            usable = answer.isclosed() and not answer.will_close
        finally:
            self._release(connection)
            if usable:
                pool.give_back(connection)
            else:
                connection.close()

    def _answered(
        self, pool: Pool, path: str, headers: Mapping[str, str]
    ) -> tuple[Connection, http.client.HTTPResponse]:
        """Send the request over an idle or new connection; retry at once if the server had closed an idle one."""
        connection, used = pool.take()
        with self._lock:
            self._busy.add(connection)
        self._count(1, 0)
        try:
            return connection, connection.get(path, headers, self._deadline.at)
        except (OSError, http.client.HTTPException) as error:
            self._release(connection)
            connection.close()
            if used and not isinstance(error, TimeoutError):
                pool.close()
                raise _Again("the connection was closed", pause_seconds=0) from error
            raise

    def _release(self, connection: Connection) -> None:
        with self._lock:
            self._busy.discard(connection)

    def _refused(self, answer: http.client.HTTPResponse) -> None:
        refusal = Refusal(answer.status, answer.headers, answer.read(_MAX_ERROR_BYTES))
        if self._origin.follow(refusal):
            raise _Again(f"status {refusal.status}", pause_seconds=0)
        if refusal.status in _OVERLOADED:
            raise _Again(f"status {refusal.status}", pause_seconds=stated_seconds(refusal.headers.get("Retry-After")))
        if refusal.status == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise self._changed() if self.size else self._empty()
        if refusal.status == http.client.PRECONDITION_FAILED:
            raise self._changed()
        raise self._origin.error(refusal)

    def _check_part(self, answer: http.client.HTTPResponse, first: int, end: int) -> None:
        span = _CONTENT_RANGE.fullmatch(answer.getheader("Content-Range", ""))
        if answer.status != http.client.PARTIAL_CONTENT or not span:
            if answer.status == http.client.OK and first == 0 and answer.length == end == self.size:
                return
            raise _Again("the server does not answer requests for byte ranges")
        if int(span[3]) != self.size or (self.etag and answer.getheader("ETag", self.etag) != self.etag):
            raise self._changed()
        if (int(span[1]), int(span[2]) + 1) != (first, end) or answer.length not in (None, end - first):
            raise _Again("the server answers with other bytes than it was asked for")

    def _retry(self, step: Callable[[], None], progress: Callable[[], int]) -> None:
        """Run `step`, which resumes where it got to, until it succeeds or another attempt cannot help."""
        failures = stalls = reached = 0
        while True:
            self._deadline.check()
            try:
                step()
                return
            except _Again as again:
                failed = again
            except ssl.SSLCertVerificationError as error:
                raise SourceForbidden(
                    f"video: {self._origin.shown}: its TLS certificate is not valid ({error.verify_message})",
                    video=self._origin.shown,
                    cause="tls",
                ) from error
            except TimeoutError:
                failed = _Again("it answers too slowly", stalled=True)
            except (OSError, http.client.HTTPException) as error:
                failed = _Again(type(error).__name__)
            if progress() > reached:
                reached, failures, stalls = progress(), 0, 0
            failures, stalls = failures + 1, stalls + failed.stalled
            pause = failed.pause_seconds
            if failures >= MAX_ATTEMPTS or stalls >= _MAX_STALLS or (pause or 0) > MAX_PAUSE_SECONDS:
                self._deadline.check()
                raise self._unavailable(str(failed)) from failed
            if pause is None:
                pause = backoff.pause_seconds(failures)
            if self._closed.wait(min(pause, self._deadline.seconds_left)):
                raise self._unavailable("it was closed") from failed

    def _count(self, requests: int, bytes_read: int) -> None:
        with self._lock:
            self.requests += requests
            self.bytes_read += bytes_read

    def _unavailable(self, cause: str) -> SourceUnavailable:
        shown = self._origin.shown
        return SourceUnavailable(f"video: {shown} could not be read ({cause})", video=shown, cause=cause)

    def _changed(self) -> SourceChanged:
        shown = self._origin.shown
        return SourceChanged(f"video: {shown} was replaced while it was being read", video=shown)

    def _empty(self) -> CorruptMedia:
        shown = self._origin.shown
        return CorruptMedia(f"video: {shown} is empty (0 bytes)", video=shown)
