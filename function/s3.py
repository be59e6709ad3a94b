"""The one S3 client of the process, and what its failures mean."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from typing import TYPE_CHECKING, Final, cast

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError
from urllib3.exceptions import HTTPError

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

CONNECTIONS: Final = 8


class Fault(Enum):
    NOT_FOUND = "does not exist"
    FORBIDDEN = "is missing or access to it is denied"
    CHANGED = "was replaced while it was in use"
    UNAVAILABLE = "could not be reached"


class S3Error(Exception):
    """A failed S3 call: its fault, and the cause in S3's words, which never hold a credential."""

    def __init__(self, fault: Fault, cause: str) -> None:
        super().__init__(f"{fault.value} ({cause})")
        self.fault = fault
        self.cause = cause


@functools.cache
def client() -> S3Client:
    """The client, made once; the endpoint comes from AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL, never from an event.

    Made from botocore, as importing boto3 costs 90 ms more at every cold start.
    """
    own_endpoint = "AWS_ENDPOINT_URL_S3" in os.environ or "AWS_ENDPOINT_URL" in os.environ
    config = Config(
        connect_timeout=5,
        read_timeout=20,
        max_pool_connections=CONNECTIONS,
        retries={"mode": "standard", "max_attempts": 3},
        s3={"addressing_style": "path" if own_endpoint else "auto"},
        # Every write states its SHA-256; ranged reads have no checksum to compare.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    session = botocore.session.get_session()
    return cast("S3Client", session.create_client("s3", region_name=os.environ.get("AWS_REGION"), config=config))


@contextmanager
def s3_failures() -> Iterator[None]:
    """Raises S3Error for whatever goes wrong in S3 calls and in reading their bodies."""
    try:
        yield
    except ClientError as error:
        raise _from_response(error) from error
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise S3Error(Fault.FORBIDDEN, "the function has no credentials") from error
    except (BotoCoreError, HTTPError, OSError) as error:
        raise S3Error(Fault.UNAVAILABLE, type(error).__name__) from error


_CREDENTIAL_CODES: Final = {"ExpiredToken", "ExpiredTokenException", "InvalidToken", "TokenRefreshRequired"}


def _from_response(error: ClientError) -> S3Error:
    code = error.response.get("Error", {}).get("Code", "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    cause = f"{code}, status {status}" if code and code != str(status) else f"status {status}"
    if code in _CREDENTIAL_CODES:
        return S3Error(Fault.FORBIDDEN, cause)
    match status:
        case 301 | 307:
            return S3Error(Fault.FORBIDDEN, f"{cause}: the bucket is in another region")
        case 401 | 403:
            return S3Error(Fault.FORBIDDEN, cause)
        case 400 | 404 | 405:  # 400: a malformed version id or name; 405: the version is a delete marker
            return S3Error(Fault.NOT_FOUND, cause)
        case 409 | 412 | 416:
            return S3Error(Fault.CHANGED, cause)
    return S3Error(Fault.UNAVAILABLE, cause)
