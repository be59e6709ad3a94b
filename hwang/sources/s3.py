"""Objects of S3 behind presigned addresses: one signature serves all ranges."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from hwang.errors import HwangError, SourceError, SourceForbiddenError
from hwang.sources import proxies
from hwang.sources.connection import POOL, PORTS, Connection, Server, lookup
from hwang.sources.faults import Fault, source_error
from hwang.sources.origin import Refusal, Request
from hwang.sources.remote import RemoteSource

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

_SIGNED_SECONDS: Final = 900
_RENEW_SECONDS: Final = 300
_ELSEWHERE: Final = frozenset([301, 307, 308, 400])  # answers of a region that does not have the bucket


class S3Origin:
    """An object of S3. `sign` returns a presigned address of it."""

    pool = POOL

    def __init__(self, shown: str, version_id: str | None, sign: Callable[[], str]) -> None:
        self.shown = shown
        self.version = f"version {version_id} of " if version_id else ""
        self._sign = sign
        self._request: Request | None = None
        self._renew_at = 0.0
        self._signed_again = False

    def request(self) -> Request:
        """Return a request to the presigned address, signed anew if it is some minutes old."""
        now = time.monotonic()
        if now >= self._renew_at:
            self._request, self._renew_at, self._signed_again = None, now + _RENEW_SECONDS, False
        self._request = self._request or self._signed()
        return self._request

    def _signed(self) -> Request:
        url = urlsplit(self._sign())
        assert url.hostname
        server = Server(url.scheme, url.hostname, url.port or PORTS[url.scheme])
        return Request(server, f"{url.path}?{url.query}", {})

    def connect(self, server: Server) -> Connection:
        """Open a connection to S3. AWS_CA_BUNDLE names authorities to trust. Raises OSError."""
        addresses = lookup(server.host, server.port)
        return Connection.to(server, addresses, os.environ.get("AWS_CA_BUNDLE") or None)

    def follow(self, refusal: Refusal) -> bool:
        """Sign an expired address again, once. S3's redirects lead to other regions and are errors."""
        if refusal.request is not self._request:
            return True  # another thread has signed again
        if self._signed_again or refusal.fault[0] is not Fault.EXPIRED:
            return False
        self._request, self._signed_again = self._signed(), True
        return True

    def close(self) -> None:
        """Keep the connections for the next video."""


def presigned(client: S3Client, bucket: str, key: str, version_id: str | None) -> str:
    """Return a presigned address of an object. Raises botocore's errors."""
    where: Any = {"Bucket": bucket, "Key": key, **({"VersionId": version_id} if version_id else {})}
    return client.generate_presigned_url("get_object", Params=where, ExpiresIn=_SIGNED_SECONDS)


class OpenS3Origin(S3Origin):
    """An object in a bucket of any region, with the credentials and the endpoint that boto3 finds."""

    def __init__(self, bucket: str, key: str, version_id: str | None) -> None:
        self._object = bucket, key, version_id
        self._region: str | None = None
        super().__init__(f"s3://{bucket}/{key}", version_id, self._sign_here)

    def connect(self, server: Server) -> Connection:
        """Open a connection to S3, or to its proxy. Raises OSError."""
        return proxies.connect(server, os.environ.get("AWS_CA_BUNDLE") or None)

    def follow(self, refusal: Refusal) -> bool:
        """Sign an address for the bucket's own region, or an expired one again."""
        region = refusal.headers.get("x-amz-bucket-region")
        if region and region != self._region and refusal.status in _ELSEWHERE and refusal.request is self._request:
            self._region, self._request = region, None
            return True
        return super().follow(refusal)

    def _sign_here(self) -> str:
        from botocore.exceptions import BotoCoreError

        try:
            return presigned(_client(self._region), *self._object)
        except (BotoCoreError, ValueError) as error:
            raise SourceForbiddenError(f"{self.shown}: {error}", address=self.shown) from error


def open_s3(address: str) -> RemoteSource:
    """Return the source at s3://bucket/key or s3://bucket/key?versionId=ID; the key is not percent-encoded.

    Raises HwangError without boto3, SourceError for a malformed address.
    """
    try:
        import boto3  # noqa: F401
    except ImportError as error:
        raise HwangError("s3:// addresses need boto3: pip install 'hwang[s3]'") from error
    name, _, version_id = address.partition("?versionId=")
    bucket, _, key = name[len("s3://") :].partition("/")
    if not bucket or not key:
        raise SourceError(f"{name} is not like s3://bucket/key")
    return RemoteSource(OpenS3Origin(bucket, key, version_id or None), source_error, reopen=address)


@functools.cache
def _client(region: str | None) -> S3Client:
    import boto3.session
    from botocore.config import Config

    # Signature version 4 alone works in all regions; a session of its own may be made in any thread.
    # The addresses of some styles lead to the region us-east-1, which passes most requests on.
    config = Config(signature_version="s3v4", s3={"addressing_style": "virtual" if region else "auto"})
    return boto3.session.Session().client("s3", region_name=region, config=config)
