"""Names of buckets, and of access points in the place of buckets, in s3:// addresses; where S3 is."""

from __future__ import annotations

import os
import re
from typing import Final

from hwang.errors import SourceError

_NAME: Final = r"[A-Za-z0-9._-]{3,255}"
_ARN: Final = (
    r"arn:aws[a-z-]*:(?:s3|s3-object-lambda):[a-z0-9-]*:[0-9]{12}:accesspoint[:/][A-Za-z0-9.-]{1,63}"
    r"|arn:aws[a-z-]*:s3-outposts:[a-z0-9-]+:[0-9]{12}:outpost[:/][A-Za-z0-9-]{1,63}[:/]accesspoint[:/][A-Za-z0-9-]{1,63}"
)
BUCKET: Final = rf"(?:{_ARN}|{_NAME})"
"""Regular expression of a bucket's name or an access point's alias or ARN."""

_ADDRESS: Final = re.compile(rf"s3://({BUCKET})/(.*)", re.DOTALL)


def split_address(address: str) -> tuple[str, str] | None:
    """Return bucket and key of s3://bucket/key, where the bucket may be an access point's alias or ARN; None otherwise.

    The key is taken as it is, and may be empty. A multi-region access point passes: see check_bucket().
    """
    match = _ADDRESS.fullmatch(address)
    return (match[1], match[2]) if match else None


def check_bucket(bucket: str) -> None:
    """Raise SourceError for a multi-region access point, whose signature (SigV4A) is not made here."""
    if bucket.endswith(".mrap"):
        raise SourceError(f"{bucket} is a multi-region access point: name the bucket, or an access point of one region")


def has_own_endpoint() -> bool:
    """Return True if the environment names another endpoint than AWS's: it may not have a host for each bucket."""
    return bool(os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL"))
