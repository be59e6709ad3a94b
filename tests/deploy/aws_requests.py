"""Requests to the account, and refusals that are expected of it."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.stack import DIRECT
from tests.support.aws import StrictAws


@contextmanager
def refused(code: str, words: str = "") -> Iterator[None]:
    with pytest.raises(ClientError) as caught:
        yield
    assert caught.value.response["Error"]["Code"] == code
    assert words in caught.value.response["Error"]["Message"]


def registry(
    aws: StrictAws, method: str, path: str, body: bytes | None = None, media_type: str = "", password: str | None = None
) -> tuple[int, Any, bytes]:
    """Status, headers and body. Without a password, one is fetched."""
    if password is None:
        password = aws.client("ecr").get_authorization_token()["authorizationData"][0]["authorizationToken"]
    headers = {"Authorization": f"Basic {password}", "Content-Type": media_type or "application/octet-stream"}
    address = path if path.startswith("http") else f"{aws.url}{path}"
    request = urllib.request.Request(address, body, headers if password else {}, method=method)  # noqa: S310
    try:
        with DIRECT.open(request, timeout=10) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()
