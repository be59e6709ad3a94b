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
from hwang.sources.buckets import check_bucket, has_own_endpoint, split_address
from hwang.sources.connection import POOL, PORTS, Connection, Server
from hwang.sources.faults import Fault, source_error
from hwang.sources.origin import Refusal, Request
from hwang.sources.remote import RemoteSource

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

_SIGNED_SECONDS: Final = 900
_RENEW_SECONDS: Final = 300
_ELSEWHERE: Final = frozenset([301, 307, 308, 400])  # answers of a region that does not have the bucket

_regions: Final[dict[str, str]] = {}
"""Regions of buckets that were found elsewhere than the client is."""


class S3Origin:
    """An object in a bucket of any region. `sign` returns a presigned address for a region (None: the client's own).

    AWS_CA_BUNDLE names authorities to trust; proxies are those of the environment.
    """

    pool = POOL

    def __init__(
        self,
        bucket: str,
        key: str,
        version_id: str | None,
        sign: Callable[[str | None], str],
        request_payer: str | None = None,
    ) -> None:
        self.shown = f"s3://{bucket}/{key}"
        self.version = f"version {version_id} of " if version_id else ""
        self._bucket = bucket
        self._sign = sign
        self._headers = {"x-amz-request-payer": request_payer} if request_payer else {}
        self._request: Request | None = None
        self._region = _regions.get(bucket)
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
        url = urlsplit(self._sign(self._region))
        assert url.hostname
        server = Server(url.scheme, url.hostname, url.port or PORTS[url.scheme])
        path, headers = proxies.request_to(server, f"{url.path}?{url.query}")
        return Request(server, path, headers | self._headers)

    def connect(self, server: Server) -> Connection:
        """Open a connection to S3, or to its proxy. Raises OSError, ProxyRefusal."""
        return proxies.connect(server, os.environ.get("AWS_CA_BUNDLE") or None)

    def follow(self, refusal: Refusal) -> bool:
        """Sign an address for the bucket's own region, which is remembered, or an expired one again, once."""
        if refusal.request is not self._request:
            return True  # another thread has signed again
        region = refusal.region if refusal.status in _ELSEWHERE else None
        if region and region != self._region:
            self._region = _regions[self._bucket] = region
        elif region:
            _regions.pop(self._bucket, None)  # it did not help: the next video of the bucket asks again
            return False
        elif self._signed_again or refusal.fault[0] is not Fault.EXPIRED:
            return False
        else:
            self._signed_again = True
        self._request = self._signed()
        return True


def presigned(client: S3Client, bucket: str, key: str, version_id: str | None, request_payer: str | None = None) -> str:
    """Return a presigned address of an object. Raises botocore's errors.

    request_payer: "requester" agrees to pay; its header must be sent too.
    """
    where: Any = {"Bucket": bucket, "Key": key, **({"VersionId": version_id} if version_id else {})}
    if request_payer:
        where["RequestPayer"] = request_payer
    return client.generate_presigned_url("get_object", Params=where, ExpiresIn=_SIGNED_SECONDS)


def open_s3(address: str) -> RemoteSource:
    """Return the source at s3://bucket/key or s3://bucket/key?versionId=ID; the key is not percent-encoded.

    The bucket may be an access point's alias or ARN, and in any region; credentials and endpoint are those that boto3
    finds. Raises HwangError without boto3, SourceError for a malformed address.
    """
    try:
        import boto3  # noqa: F401
    except ImportError as error:
        raise HwangError("s3:// addresses need boto3: pip install 'hwang[s3]'") from error
    name, _, version_id = address.partition("?versionId=")
    bucket, key = split_address(name) or ("", "")
    if not key:
        raise SourceError(f"{name} is not like s3://bucket/key")
    check_bucket(bucket)

    def sign(region: str | None) -> str:
        from botocore.exceptions import BotoCoreError

        try:
            return presigned(_client(region), bucket, key, version_id or None)
        except (BotoCoreError, ValueError) as error:
            raise SourceForbiddenError(f"{name}: {error}", address=name) from error

    return RemoteSource(S3Origin(bucket, key, version_id or None, sign), source_error)


@functools.cache
def _client(region: str | None) -> S3Client:
    import boto3.session
    from botocore.config import Config

    # Signature version 4 alone works in all regions; a session of its own may be made in any thread.
    # The addresses of some styles lead to the region us-east-1, which passes most requests on.
    # Directory buckets take IAM's signatures too; their session tokens would end before the address does.
    style = "virtual" if region and not has_own_endpoint() else "auto"
    s3: Any = {"addressing_style": style, "disable_s3_express_session_auth": True}
    return boto3.session.Session().client("s3", region_name=region, config=Config(signature_version="s3v4", s3=s3))
