"""Origins of videos: S3 objects signed by the function's client, and web addresses that the policy allows."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from function import s3
from function.errors import FunctionError, SourceBlocked
from function.models.places import S3Object, Url
from function.s3 import SOURCE_ERRORS, S3Error, request_payer, s3_failures
from function.source.addresses import Blocked, Policy, resolve
from hwang.sources import proxies
from hwang.sources.connection import CONNECT_SECONDS, Connection, Pool, Server, SocketAddress
from hwang.sources.faults import Fault
from hwang.sources.origin import Origin, Request
from hwang.sources.s3 import S3Origin, presigned
from hwang.sources.web import Target, WebOrigin

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client


def source_error(fault: Fault, message: str, shown: str, cause: str | None = None) -> FunctionError:
    """Make the error of a video that cannot be read."""
    return SOURCE_ERRORS[fault](f"video: {message}", video=shown, **({"cause": cause} if cause else {}))


def origin_of(client: S3Client, video: S3Object | Url) -> Origin:
    """Return the origin of a video. Raises SourceBlocked."""
    if isinstance(video, Url):
        return UrlOrigin(video)
    payer = video.request_payer or request_payer()

    def sign(region: str | None) -> str:
        signer = s3.client(region) if region else client
        try:
            with s3_failures():
                return presigned(signer, video.bucket, video.key, video.version_id, payer)
        except S3Error as failure:
            raise failure.as_source(f"video: {origin.version}{origin.shown}", video=origin.shown) from failure

    origin = S3Origin(video.bucket, video.key, video.version_id, sign, payer)
    return origin


class UrlOrigin(WebOrigin):
    """A web address. Each IP address is checked when it is connected to, and so is each redirect.

    A proxy of the environment resolves the name itself. What it is asked for is checked as far as it is known here.
    """

    def __init__(self, video: Url) -> None:
        self._policy = Policy.from_environment(os.environ)
        self._unresolved: set[str] = set()  # hosts that only a proxy knows
        with _blocked():
            target = self._policy.check_url(video.url)
        super().__init__(target, Pool(), source_error)  # no pool of the process's: each video's connections are checked

    def request_to(self, target: Target) -> Request:
        """Return the request to a target, with the headers that the configuration has for its host."""
        request = super().request_to(target)
        own = self._policy.headers_for(target)
        return Request(request.server, request.path, {**request.headers, **own}) if own else request

    def redirected(self, source: Target, location: str) -> Target:
        """Check a redirect. Raises SourceBlocked."""
        with _blocked():
            return self._policy.check_redirect(source, location)

    def connect(self, server: Server) -> Connection:
        """Resolve, check and connect, or ask a proxy to. Raises SourceBlocked, OSError, ProxyRefusal."""
        return proxies.connect(server, os.environ.get("AWS_CA_BUNDLE") or None, self._addresses(server))

    def _addresses(self, server: Server) -> list[SocketAddress]:
        if server.host in self._unresolved:
            return []
        try:
            with _blocked():
                return resolve(self._policy, server.host, server.port, CONNECT_SECONDS)
        except OSError:
            if not proxies.proxy_of(server):
                raise
            self._unresolved.add(server.host)
            return []


@contextmanager
def _blocked() -> Iterator[None]:
    try:
        yield
    except Blocked as refused:
        raise SourceBlocked(f"video: {refused}") from refused
