"""What the function has written, and what it answers."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from local.stack import Stack
from tests.image.conftest import BUCKET


def stored(stack: Stack, uri: str) -> bytes:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return stack.s3.get_object(Bucket=bucket, Key=key)["Body"].read()


def stored_array(stack: Stack, uri: str) -> NDArray[Any]:
    array: NDArray[Any] = np.load(io.BytesIO(stored(stack, uri)), allow_pickle=False)
    return array


def keys(stack: Stack, prefix: str) -> list[str]:
    listed = stack.s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix)
    return sorted(item["Key"] for item in listed.get("Contents", []))


def result_of(stack: Stack, **event: object) -> dict[str, Any]:
    result = stack.invoke(event)
    assert "errorType" not in result, result
    return result
