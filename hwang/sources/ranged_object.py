"""Reads ranges of one remote object: pinned to the version first seen, resumed where a connection broke."""

from __future__ import annotations

import http.client
import math
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final, Protocol

from hwang.errors import HwangError
from hwang.sources import backoff
from hwang.sources.backoff import MAX_ATTEMPTS, MAX_PAUSE_SECONDS, stated_seconds
from hwang.sources.connection import POOL, Connection, Pool
from hwang.sources.faults import Fault, MakeError
from hwang.sources.origin import Origin, Refusal, Request
from hwang.sources.proxies import ProxyConnectionError, ProxyRefusal

HEAD_BYTES: Final = 64 * 1024
_MAX_STALLS: Final = 2  # each takes STALL_SECONDS
_MAX_ERROR_BYTES: Final = 4096
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
_WHOLE_RANGE = re.compile(r"bytes \*/(\d+)")
_OVERLOADED: Final = frozenset([408, 425, 429, 500, 502, 503, 504])
_UNCONDITIONAL: Final = frozenset([400, 412, 501])  # answers of servers that do not know If-Match
_CODINGS: Final = frozenset(  # those registered that change bytes; aws-chunked, utf-8 and other words do not
    ["aes128gcm", "br", "compress", "dcb", "dcz", "deflate", "exi", "gzip", "x-compress", "x-gzip", "zstd"]
)
_NO_RANGES: Final = "the server does not answer requests for byte ranges"
_OTHER_BYTES: Final = "the server answers with other bytes than it was asked for"
_NO_TLS: Final = frozenset(  # reasons of OpenSSL's that the next handshake has as well
    [
        "HTTP_REQUEST",
        "NO_PROTOCOLS_AVAILABLE",
        "SSLV3_ALERT_HANDSHAKE_FAILURE",
        "TLSV1_ALERT_PROTOCOL_VERSION",
        "TLSV1_UNRECOGNIZED_NAME",
        "UNSUPPORTED_PROTOCOL",
        "WRONG_VERSION_NUMBER",
    ]
)


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
    """A failure that another attempt may mend. `unable`: the server works so, unless it has sent ranges before."""

    def __init__(
        self, cause: str, *, stalled: bool = False, pause_seconds: float | None = None, unable: bool = False
    ) -> None:
        super().__init__(cause)
        self.stalled = stalled
        self.unable = unable
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
        self._conditional = True  # every answer is pinned, or its server states no strong ETag
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
        if self._origin.pool is not POOL:  # which the process keeps for the next video
            self._origin.pool.close()

    def _open(self, offset: int, length: int) -> None:
        with self._ask(offset, offset + length - 1) as (_, answer):
            span = _CONTENT_RANGE.fullmatch(answer.getheader("Content-Range", ""))
            if answer.status == http.client.PARTIAL_CONTENT and span and int(span[1]) == offset:
                size = int(span[3])
            elif answer.status == http.client.OK and 0 <= (answer.length or 0) <= HEAD_BYTES and not answer.chunked:
                # of a small or empty object
                size, offset, length = answer.length or 0, 0, HEAD_BYTES
            elif span:
                raise _Again(_OTHER_BYTES)
            else:
                raise _Again(_NO_RANGES, unable=True)
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
                codings = _CODINGS.intersection(re.split(r"[\s,]+", answer.getheader("Content-Encoding", "").lower()))
                if codings:
                    raise _Again(f"it is sent as {', '.join(sorted(codings))}, not as it is", unable=True)
                yield connection, answer
            else:
                self._refused(answer, request, first, conditional="If-Match" in headers)
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

    def _refused(self, answer: http.client.HTTPResponse, request: Request, first: int, *, conditional: bool) -> None:
        refusal = Refusal(answer.status, answer.headers, answer.read(_MAX_ERROR_BYTES), request)
        with self._addressing:
            followed = self._origin.follow(refusal)
        if followed:
            raise _Again(f"status {refusal.status}", pause_seconds=0)
        if refusal.status in _OVERLOADED:
            raise _Again(f"status {refusal.status}", pause_seconds=stated_seconds(refusal.headers.get("Retry-After")))
        stated = _WHOLE_RANGE.fullmatch(refusal.headers.get("Content-Range", ""))
        is_inside = stated and int(stated[1]) > first
        if refusal.status == http.client.REQUESTED_RANGE_NOT_SATISFIABLE and not is_inside:
            raise self._changed() if self.size else self._too_short(first)
        fault, cause = refusal.fault
        if conditional and refusal.status in _UNCONDITIONAL and fault in (Fault.CHANGED, Fault.REFUSED):
            self._pinned, self._conditional = {}, False  # the ETag of each answer shows whether it was replaced
            raise _Again(cause, pause_seconds=0)
        if fault is Fault.CHANGED:
            fault = Fault.REFUSED  # there was no condition
        version, shown = self._origin.version, self._origin.shown
        raise self._make_error(fault, f"{version}{shown} {fault.value} ({cause})", shown, cause)

    def _check_part(self, answer: http.client.HTTPResponse, first: int, end: int) -> None:
        span = _CONTENT_RANGE.fullmatch(answer.getheader("Content-Range", ""))
        unstated = self.etag if self._conditional else ""
        if self.etag and answer.getheader("ETag", unstated) != self.etag:
            raise self._changed()
        if answer.status != http.client.PARTIAL_CONTENT or not span:
            if answer.status == http.client.OK and first == 0 and answer.length == end == self.size:
                return
            raise _Again(_NO_RANGES, unable=True)
        if int(span[3]) != self.size:
            raise self._changed()
        if (int(span[1]), int(span[2]) + 1) != (first, end) or answer.length not in (None, end - first):
            raise _Again(_OTHER_BYTES)

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
            except ProxyRefusal as error:
                raise self._failed(Fault.LOCKED, str(error), error.cause) from error
            except ProxyConnectionError as error:
                failed = _Again(str(error))
            except ssl.SSLCertVerificationError as error:
                problem = f"its TLS certificate is not valid ({error.verify_message})"
                raise self._failed(Fault.LOCKED, problem, "tls") from error
            except socket.gaierror as error:
                if error.errno == socket.EAI_NONAME:
                    raise self._failed(Fault.NOT_FOUND, "there is no host of its name", "dns") from error
                failed = _Again("its host name cannot be resolved")
            except ssl.SSLError as error:
                if error.reason in _NO_TLS:
                    raise self._failed(Fault.REFUSED, f"no TLS with its server ({error.reason})", "tls") from error
                failed = _Again(type(error).__name__)
            except TimeoutError:
                failed = _Again("it answers too slowly", stalled=True)
            except (OSError, http.client.HTTPException) as error:
                failed = _Again(type(error).__name__)
            if failed.unable and not self.size:
                raise self._failed(Fault.REFUSED, f"it cannot be read in parts: {failed}", str(failed)) from failed
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
        return self._error(Fault.UNAVAILABLE, f" could not be read ({cause})", cause)

    def _failed(self, fault: Fault, problem: str, cause: str) -> Exception:
        return self._error(fault, f": {problem}", cause)

    def _changed(self) -> Exception:
        return self._error(Fault.CHANGED, " was replaced while it was being read")

    def _too_short(self, first: int) -> Exception:
        problem = f"ends before byte {first}; it is truncated" if first else "is empty (0 bytes)"
        return self._error(Fault.BROKEN, f" {problem}")

    def _error(self, fault: Fault, problem: str, cause: str | None = None) -> Exception:
        shown = self._origin.shown
        return self._make_error(fault, f"{shown}{problem}", shown, cause)
