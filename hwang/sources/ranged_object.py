"""Reads ranges of one remote object: pinned to the version first seen, resumed where a connection broke."""

from __future__ import annotations

import http.client
import math
import re
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final, Protocol

from hwang.errors import HwangError
from hwang.sources import backoff
from hwang.sources.backoff import MAX_ATTEMPTS, MAX_PAUSE_SECONDS, stated_seconds
from hwang.sources.connection import Connection, Pool
from hwang.sources.faults import Fault, MakeError
from hwang.sources.origin import Origin, Refusal, Request

HEAD_BYTES: Final = 64 * 1024
_MAX_STALLS: Final = 2  # each takes STALL_SECONDS
_MAX_ERROR_BYTES: Final = 4096
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
_OVERLOADED: Final = frozenset([408, 425, 429, 500, 502, 503, 504])


class Deadline(Protocol):
    """A moment on the monotonic clock."""

    at: float

    @property
    def seconds_left(self) -> float:
        """Seconds until the deadline, at least 0."""
        ...

    def check(self) -> None:
        """Raise an error if the deadline has passed."""
        ...


class Never:
    """A deadline that never comes."""

    at = seconds_left = math.inf

    def check(self) -> None:
        """Do nothing."""


class _Again(Exception):  # noqa: N818 - not an error yet
    """A failure that another attempt may mend."""

    def __init__(self, cause: str, *, stalled: bool = False, pause_seconds: float | None = None) -> None:
        super().__init__(cause)
        self.stalled = stalled
        self.pause_seconds = pause_seconds


class RemoteObject:
    """A remote object. The first answer brings `size` in bytes, `etag`, and `head`, the bytes from `head_offset` on.

    `requests` and `bytes_read` count network traffic. Thread-safe. Raises errors of `make_error` and of the deadline.
    """

    def __init__(self, origin: Origin, make_error: MakeError, deadline: Deadline) -> None:
        self.requests = self.bytes_read = 0
        self.size, self.etag, self.head, self.head_offset = 0, "", b"", 0
        self._origin = origin
        self._make_error = make_error
        self._deadline = deadline
        self._pinned: dict[str, str] = {}
        self._closed = threading.Event()
        self._forget()

    def after_fork(self) -> None:
        """Leave the locks and reads in progress to the parent process."""
        was_closed, self._closed = self._closed.is_set(), threading.Event()
        if was_closed:
            self._closed.set()
        self._forget()

    def _forget(self) -> None:
        self._busy: set[Connection] = set()
        self._lock, self._opening, self._addressing = threading.Lock(), threading.Lock(), threading.Lock()

    def open(self, offset: int = 0, length: int = HEAD_BYTES) -> None:
        """Request the first bytes, or the first that are needed, unless that is done: at most HEAD_BYTES."""
        with self._opening:
            if not self.size:
                self._retry(lambda: self._open(offset, min(length, HEAD_BYTES)), lambda: 0)

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

    def _open(self, offset: int, length: int) -> None:
        with self._ask(offset, offset + length - 1) as (_, answer):
            span = _CONTENT_RANGE.fullmatch(answer.getheader("Content-Range", ""))
            if answer.status == http.client.PARTIAL_CONTENT and span and int(span[1]) == offset:
                size = int(span[3])
            elif answer.status == http.client.OK and 0 <= (answer.length or 0) <= HEAD_BYTES and not answer.chunked:
                # of a small or empty object
                size, offset, length = answer.length or 0, 0, HEAD_BYTES
            else:
                raise _Again("the server does not answer requests for byte ranges")
            length = min(size - offset, length)
            head = answer.read(length + 1)
            self._count(0, len(head))
            if len(head) != length:
                raise _Again("the connection ended early")
            self.etag = answer.getheader("ETag", "")
        if not size:
            raise self._too_short(0)
        if self.etag and not self.etag.startswith("W/"):
            self._pinned["If-Match"] = self.etag
        self.head, self.head_offset, self.size = head, offset, size

    @contextmanager
    def _ask(self, first: int, last: int) -> Iterator[tuple[Connection, http.client.HTTPResponse]]:
        """Request the bytes first..last; yield the connection and its answer. Raises refusals as errors."""
        pool = self._origin.pool
        with self._addressing:
            request = self._origin.request()
        headers = {"Accept-Encoding": "identity", "Range": f"bytes={first}-{last}", **self._pinned, **request.headers}
        connection, answer = self._answered(pool, request, headers)
        usable = False
        try:
            if answer.status in (http.client.OK, http.client.PARTIAL_CONTENT):
                if answer.getheader("Content-Encoding", "identity") != "identity":
                    raise _Again("the server compresses what it sends")
                yield connection, answer
            else:
                self._refused(answer, request, first)
            usable = answer.isclosed() and not answer.will_close
        finally:
            self._release(connection)
            if usable:
                pool.give_back(request.server, connection)
            else:
                connection.close()

    def _answered(
        self, pool: Pool, request: Request, headers: Mapping[str, str]
    ) -> tuple[Connection, http.client.HTTPResponse]:
        """Send the request over an idle or new connection; retry at once if the server had closed an idle one."""
        idle = pool.take(request.server)
        connection = idle or self._origin.connect(request.server)
        with self._lock:
            self._busy.add(connection)
        if self._closed.is_set():
            connection.abort()
        self._count(1, 0)
        try:
            return connection, connection.get(request.path, headers, self._deadline.at)
        except (OSError, http.client.HTTPException) as error:
            self._release(connection)
            connection.close()
            if idle and not isinstance(error, TimeoutError):
                pool.close(request.server)
                raise _Again("the connection was closed", pause_seconds=0) from error
            raise

    def _release(self, connection: Connection) -> None:
        with self._lock:
            self._busy.discard(connection)

    def _refused(self, answer: http.client.HTTPResponse, request: Request, first: int) -> None:
        refusal = Refusal(answer.status, answer.headers, answer.read(_MAX_ERROR_BYTES), request)
        with self._addressing:
            followed = self._origin.follow(refusal)
        if followed:
            raise _Again(f"status {refusal.status}", pause_seconds=0)
        if refusal.status in _OVERLOADED:
            raise _Again(f"status {refusal.status}", pause_seconds=stated_seconds(refusal.headers.get("Retry-After")))
        if refusal.status == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise self._changed() if self.size else self._too_short(first)
        if refusal.status == http.client.PRECONDITION_FAILED:
            raise self._changed()
        fault, cause = refusal.fault
        version, shown = self._origin.version, self._origin.shown
        raise self._make_error(fault, f"{version}{shown} {fault.value} ({cause})", shown, cause)

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
                if self._closed.is_set():
                    raise self._unavailable("it was closed")
                step()
                return
            except _Again as again:
                failed = again
            except HwangError:  # some are OSErrors as well
                raise
            except ssl.SSLCertVerificationError as error:
                shown, problem = self._origin.shown, f"its TLS certificate is not valid ({error.verify_message})"
                raise self._make_error(Fault.FORBIDDEN, f"{shown}: {problem}", shown, "tls") from error
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

    def _unavailable(self, cause: str) -> Exception:
        shown = self._origin.shown
        return self._make_error(Fault.UNAVAILABLE, f"{shown} could not be read ({cause})", shown, cause)

    def _changed(self) -> Exception:
        shown = self._origin.shown
        return self._make_error(Fault.CHANGED, f"{shown} was replaced while it was being read", shown)

    def _too_short(self, first: int) -> Exception:
        shown = self._origin.shown
        problem = f"ends before byte {first}; it is truncated" if first else "is empty (0 bytes)"
        return self._make_error(Fault.BROKEN, f"{shown} {problem}", shown)
