"""Origins of videos, S3 objects and web addresses: how to reach them, and the errors that their refusals mean."""

from __future__ import annotations

import functools
import os
import re
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from function.errors import (
    FunctionError,
    SourceBlocked,
    SourceExpired,
    SourceForbidden,
    SourceNotFound,
    SourceUnavailable,
)
from function.models.places import S3Object, Url
from function.s3 import Fault, S3Error, fault_of, s3_failures
from function.source.addresses import Blocked, Policy, SocketAddress, resolve
from function.source.connection import Connection, Pool, connect, secure, tls_context
from function.source.ranged_object import Refusal

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

CONNECT_SECONDS: Final = 3.0
MAX_REDIRECTS: Final = 4
_PRESIGNED_SECONDS: Final = 900
_RENEW_SECONDS: Final = 300
_REDIRECTS: Final = frozenset([301, 302, 303, 307, 308])
_CODE, _MESSAGE = re.compile(rb"<Code>([\w.]+)</Code>"), re.compile(rb"<Message>([^<]*)</Message>")

_SOURCE_ERRORS: Final[dict[Fault, type[FunctionError]]] = {
    Fault.NOT_FOUND: SourceNotFound,
    Fault.FORBIDDEN: SourceForbidden,
    Fault.EXPIRED: SourceExpired,
    Fault.UNAVAILABLE: SourceUnavailable,
}


class S3Origin:
    """An object of S3, read through a presigned address: one signature serves all ranges."""

    def __init__(self, client: S3Client, video: S3Object) -> None:
        self.shown = video.uri
        self._client = client
        self._video = video
        self._presigned = ""
        self._renew_at = 0.0
        self._signed_again = False

    def pool(self) -> Pool:
        """Return the process's pool of this server."""
        url = urlsplit(self._address())
        return _s3_pool(url.scheme, url.netloc)

    def request(self) -> tuple[str, Mapping[str, str]]:
        """Return path and query of the presigned address; no further headers."""
        url = urlsplit(self._address())
        return f"{url.path}?{url.query}", {}

    def follow(self, refusal: Refusal) -> bool:
        """Sign an expired address again, once. S3's redirects lead to other regions and are errors."""
        if self._signed_again or fault_of(*_code_and_message(refusal), refusal.status).fault is not Fault.EXPIRED:
            return False
        self._signed_again, self._renew_at = True, 0.0
        return True

    def close(self) -> None:
        """Keep the connections for the next request."""

    def error(self, refusal: Refusal) -> FunctionError:
        """Return the error that S3's refusal means."""
        return self._error(fault_of(*_code_and_message(refusal), refusal.status))

    def _address(self) -> str:
        now = time.monotonic()
        if now >= self._renew_at:
            where: Any = {"Bucket": self._video.bucket, "Key": self._video.key}
            if self._video.version_id:
                where["VersionId"] = self._video.version_id
            try:
                with s3_failures():
                    self._presigned = self._client.generate_presigned_url(
                        "get_object", Params=where, ExpiresIn=_PRESIGNED_SECONDS
                    )
            except S3Error as failure:
                raise self._error(failure) from failure
            self._renew_at = now + _RENEW_SECONDS
        return self._presigned

    def _error(self, failure: S3Error) -> FunctionError:
        version = f"version {self._video.version_id} of " if self._video.version_id else ""
        code = _SOURCE_ERRORS.get(failure.fault, SourceUnavailable)
        return code(f"video: {version}{self.shown} {failure}", video=self.shown, cause=failure.cause)


@functools.cache
def _s3_pool(scheme: str, netloc: str) -> Pool:
    """Return the pool of a server, kept between requests: a handshake costs more than a small read."""
    url, tls = urlsplit(f"{scheme}://{netloc}"), scheme == "https"

    def open_connection() -> Connection:
        assert url.hostname
        found = socket.getaddrinfo(url.hostname, url.port or (443 if tls else 80), type=socket.SOCK_STREAM)
        addresses: list[SocketAddress] = [(family, address) for family, _, _, _, address in found]
        return _first_that_connects(addresses, url.hostname if tls else None, netloc)

    return Pool(open_connection)


class UrlOrigin:
    """A web address. Each IP address is checked when it is connected to, and so is each redirect."""

    def __init__(self, video: Url) -> None:
        self._policy = Policy.from_environment(os.environ)
        self._redirects = 0
        with _blocked():
            self._target = self._policy.check_url(video.url)
        self.shown = self._target.shown
        self._pool = Pool(self._connect)

    def pool(self) -> Pool:
        """Return the pool of the current target."""
        return self._pool

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()

    def _connect(self) -> Connection:
        target = self._target
        with _blocked():
            addresses = resolve(self._policy, target.host, target.port, CONNECT_SECONDS)
        return _first_that_connects(addresses, target.host if target.scheme == "https" else None, target.authority)

    def request(self) -> tuple[str, Mapping[str, str]]:
        """Return path and query; no further headers."""
        return self._target.path, {}

    def follow(self, refusal: Refusal) -> bool:
        """Follow a redirect. Raises SourceBlocked if its target is forbidden, or after too many."""
        if refusal.status not in _REDIRECTS:
            return False
        self._redirects += 1
        if self._redirects > MAX_REDIRECTS:
            raise SourceBlocked(f"video: {self.shown} redirects more than {MAX_REDIRECTS} times", video=self.shown)
        with _blocked():
            self._target = self._policy.check_redirect(self._target, refusal.headers.get("Location", ""))
        self._pool.close()
        self._pool = Pool(self._connect)
        return True

    def error(self, refusal: Refusal) -> FunctionError:
        """Return the error that the server's refusal means."""
        failure = fault_of(*_code_and_message(refusal), refusal.status)
        code = _SOURCE_ERRORS.get(failure.fault, SourceUnavailable)
        return code(f"video: {self.shown} {failure}", video=self.shown, cause=failure.cause)


@contextmanager
def _blocked() -> Iterator[None]:
    try:
        yield
    except Blocked as refused:
        raise SourceBlocked(f"video: {refused}") from refused


def _code_and_message(refusal: Refusal) -> tuple[str, str]:
    """Return S3's error code and message, empty if the body has none."""
    code, message = _CODE.search(refusal.body), _MESSAGE.search(refusal.body)
    return code[1].decode() if code else "", message[1].decode(errors="replace") if message else ""


def _first_that_connects(addresses: list[SocketAddress], tls_name: str | None, host: str) -> Connection:
    """Connect to the first address that accepts. Raises OSError."""
    failure: OSError = OSError("the name has no address")
    for family, address in addresses:
        try:
            transport = connect(family, address, CONNECT_SECONDS)
        except OSError as error:
            failure = error
            continue
        return Connection(secure(transport, tls_name, _tls()) if tls_name else transport, host)
    raise failure


@functools.cache
def _tls() -> ssl.SSLContext:
    return tls_context(os.environ.get("AWS_CA_BUNDLE") or None)
