"""Downloads one file over HTTPS: tries again if that can help; every failure has a reason and a bound.

Nothing that a server does keeps a build waiting for ever or fills a disk: silence, a crawl, a body without end and
redirects in a circle end an attempt. If the reason may pass (connection, time-out, 429, 5xx, an early end), the same
address is asked again after a pause that doubles; otherwise the caller goes on to its next address.
"""

from __future__ import annotations

import http.client
import platform
import random
import signal
import socket
import ssl
import string
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import IO
from urllib.parse import quote, urljoin, urlsplit

# The version of the project stands in pyproject.toml alone, which the stage that downloads does not have.
USER_AGENT = f"hwang-lambda-build Python/{platform.python_version()}"
MAX_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)
_BLOCK = 1 << 16
_HEAD = 4096  # bytes of a body that are kept to say what it is


@dataclass(frozen=True)
class DownloadPolicy:
    """Limits of a download, in seconds."""

    attempts: int = 3  # for each address
    backoff: float = 1.0  # before the second attempt; doubled before each later one, then shortened by up to a half
    silence: float = 20.0  # until there is a connection, and between two reads
    attempt: float = 600.0  # for a whole attempt
    sleep: Callable[[float], None] = time.sleep


class AddressError(Exception):
    """An address did not answer with the file."""

    def __init__(self, reason: str, *, may_pass: bool = False) -> None:
        super().__init__(reason)
        self.may_pass = may_pass  # if asking again can help


class StorageError(Exception):
    """The disk refuses what was received: no address can help."""


def retrieve(url: str, file: IO[bytes], size: int | None, max_bytes: int, policy: DownloadPolicy) -> None:
    """Write the body to `file`: at most `size` bytes if that is known, else at most `max_bytes`.

    Logs each failed attempt that is repeated, a line on stderr. Raises AddressError for the last attempt, and
    StorageError. Must run in the main thread, as it sets an alarm.
    """
    for attempt in range(1, policy.attempts + 1):
        try:
            file.seek(0)
            file.truncate()
            with _alarm(policy.attempt):
                _attempt(url, file, size, max_bytes, policy)
            return
        except AddressError as error:
            if not error.may_pass:
                raise
            if attempt == policy.attempts:
                raise AddressError(f"{error} (attempt {attempt} of {policy.attempts})") from error
            wait = policy.backoff * 2 ** (attempt - 1) * random.uniform(0.5, 1)  # noqa: S311
            print(f"fetch: {url}: {error}; asked again in {wait:.1f} s", file=sys.stderr)
            policy.sleep(wait)


def _attempt(url: str, file: IO[bytes], size: int | None, max_bytes: int, policy: DownloadPolicy) -> None:
    try:
        with closing(_open(url, policy)) as answer:
            _receive(answer, file, size, max_bytes)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _explained(error, policy) from error


def _open(url: str, policy: DownloadPolicy) -> http.client.HTTPResponse:
    """Return the answer with status 200. Redirects lead to https only, from http (a mirror nearby) to http too."""
    opener = urllib.request.OpenerDirector()  # without handlers for files, and without its own ways with redirects
    opener.addheaders = [("User-Agent", USER_AGENT)]
    for handler in (urllib.request.ProxyHandler, urllib.request.HTTPHandler, urllib.request.HTTPSHandler):
        opener.add_handler(handler())
    for _ in range(MAX_REDIRECTS + 1):
        answer: http.client.HTTPResponse | None = opener.open(url, timeout=policy.silence)
        if answer is None:
            raise AddressError(f"no way to ask {_shown(url)}: only https is asked")
        if answer.status == 200:
            return answer
        with closing(answer):
            target = answer.headers["Location"]
            if answer.status not in _REDIRECTS or not target:
                raise _refusal(answer)
        following = quote(urljoin(url, target), safe=string.punctuation)
        if urlsplit(following).scheme not in ("https", urlsplit(url).scheme):
            raise AddressError(f"redirected to {_shown(following)}: only https is followed")
        url = following
    raise AddressError(f"more than {MAX_REDIRECTS} redirects, the last one to {_shown(url)}")


def _receive(answer: http.client.HTTPResponse, file: IO[bytes], size: int | None, max_bytes: int) -> None:
    announced = answer.length
    head, received = b"", 0
    while announced is None or received < announced:
        block = answer.read1(_BLOCK if announced is None else min(_BLOCK, announced - received))
        if not block:
            break
        received += len(block)
        head += block[: _HEAD - len(head)]
        if received > (max_bytes if size is None else size):
            too_long = f"more than {max_bytes} bytes" if size is None else f"more than the {size} bytes that are pinned"
            raise AddressError(_page(head) or too_long)
        _write(file, block)
    if page := _page(head):
        raise AddressError(page)
    missing = (size if announced is None and size is not None else announced or 0) - received
    if missing > 0:
        raise AddressError(f"it ends {missing} bytes early", may_pass=True)


def _write(file: IO[bytes], block: bytes) -> None:
    try:
        file.write(block)
    except OSError as error:
        raise StorageError(f"cannot write the archive: {error}; make room, or name another --cache") from error


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """Raise AddressError after this time, also in a name look-up, in TLS, and between single bytes of headers."""

    def ring(*_: object) -> None:
        raise AddressError(f"not finished after {seconds:g} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _refusal(answer: http.client.HTTPResponse) -> AddressError:
    page = _page(answer.read1(_HEAD))
    reason = f"HTTP {answer.status} {_shown(answer.reason)}" + (f", {page}" if page else "")
    return AddressError(reason, may_pass=answer.status == 429 or answer.status >= 500)


def _explained(error: Exception, policy: DownloadPolicy) -> AddressError:
    if isinstance(error, urllib.error.URLError) and isinstance(error.reason, Exception):
        error = error.reason
    match error:
        case ssl.SSLCertVerificationError():
            return AddressError(f"its TLS certificate is not trusted ({error.verify_message})")
        case socket.gaierror():
            may_pass = error.errno == socket.EAI_AGAIN  # other answers of the name service stay the same
            return AddressError(f"its name is not found ({error.strerror})", may_pass=may_pass)
        case TimeoutError():
            return AddressError(f"no answer for {policy.silence:g} s", may_pass=True)
        case http.client.IncompleteRead():
            return AddressError("it ends early", may_pass=True)
        case ValueError():  # InvalidURL among them
            return AddressError(_shown(f"not an address ({error})"))
        case _:
            reason = getattr(error, "strerror", None) or error or type(error).__name__
            return AddressError(_shown(str(reason)), may_pass=True)


def _page(head: bytes) -> str:
    """Return a reason if a body that begins so is a page for people; else an empty string."""
    is_page = head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")
    return "an HTML page instead of an archive" if is_page else ""


def _shown(text: str) -> str:
    """Return a server's words on one line, without control characters."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())[:120]
