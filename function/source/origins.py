"""Origins of videos: S3 objects signed by the function's client, and web addresses that the policy allows."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from function.errors import (
    CorruptMedia,
    FunctionError,
    SourceBlocked,
    SourceChanged,
    SourceExpired,
    SourceForbidden,
    SourceNotFound,
    SourceUnavailable,
)
from function.models.places import S3Object, Url
from function.s3 import S3Error, s3_failures
from function.source.addresses import Blocked, Policy, resolve
from hwang.sources.connection import CONNECT_SECONDS, Connection, Pool, Server
from hwang.sources.faults import Fault
from hwang.sources.origin import Origin
from hwang.sources.s3 import S3Origin, presigned
from hwang.sources.web import Target, WebOrigin

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

_CODES: Final[dict[Fault, type[FunctionError]]] = {
    Fault.NOT_FOUND: SourceNotFound,
    Fault.FORBIDDEN: SourceForbidden,
    Fault.EXPIRED: SourceExpired,
    Fault.CHANGED: SourceChanged,
    Fault.UNAVAILABLE: SourceUnavailable,
    Fault.BROKEN: CorruptMedia,
    Fault.BLOCKED: SourceBlocked,
}


def source_error(fault: Fault, message: str, shown: str, cause: str | None = None) -> FunctionError:
    """Make the error of a video that cannot be read."""
    return _CODES[fault](f"video: {message}", video=shown, **({"cause": cause} if cause else {}))


def origin_of(client: S3Client, video: S3Object | Url) -> Origin:
    """Return the origin of a video. Raises SourceBlocked."""
    if isinstance(video, Url):
        return UrlOrigin(video)

    def sign() -> str:
        try:
            with s3_failures():
                return presigned(client, video.bucket, video.key, video.version_id)
        except S3Error as failure:
            message = f"{origin.version}{origin.shown} {failure}"
            raise source_error(failure.fault, message, origin.shown, failure.cause) from failure

    origin = S3Origin(video.uri, video.version_id, sign)
    return origin


class UrlOrigin(WebOrigin):
    """A web address. Each IP address is checked when it is connected to, and so is each redirect."""

    def __init__(self, video: Url) -> None:
        self._policy = Policy.from_environment(os.environ)
        with _blocked():
            target = self._policy.check_url(video.url)
        super().__init__(target, Pool(), source_error)

    def redirected(self, source: Target, location: str) -> Target:
        """Check a redirect. Raises SourceBlocked."""
        with _blocked():
            return self._policy.check_redirect(source, location)

    def connect(self, server: Server) -> Connection:
        """Resolve, check and connect. Raises SourceBlocked, OSError."""
        with _blocked():
            addresses = resolve(self._policy, server.host, server.port, CONNECT_SECONDS)
        return Connection.to(server, addresses, os.environ.get("AWS_CA_BUNDLE") or None)

    def close(self) -> None:
        """Close the connections: the next request checks its own."""
        self.pool.close()


@contextmanager
def _blocked() -> Iterator[None]:
    try:
        yield
    except Blocked as refused:
        raise SourceBlocked(f"video: {refused}") from refused
