"""The function as a caller has it: an event in, an answer out, one at a time."""

from __future__ import annotations

import io
import json
import threading
import time
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.cloud.stack import RESULTS, FaultStack

_one_at_a_time = threading.Lock()  # the emulator dies of two requests at once


@dataclass(frozen=True)
class Answer:
    """What came back, and after how long."""

    value: dict[str, Any]
    seconds: float

    @property
    def code(self) -> str:
        """ "ok", or the error's code."""
        return str(self.value.get("errorType", "ok"))

    @cached_property
    def report(self) -> dict[str, Any]:
        """The error's report. Raises AssertionError if it is none."""
        text = self.value.get("errorMessage", "")
        try:
            report: dict[str, Any] = json.loads(text)
        except ValueError:
            raise AssertionError(f"errorMessage is no JSON object: {text[:300]!r}") from None
        assert set(report) == {"message", "retryable", "detail", "request_id"}, report
        return report


@dataclass(frozen=True)
class Good:
    """A request that works, and what it must give."""

    event: dict[str, Any]
    frames: NDArray[np.uint8]


@dataclass(frozen=True)
class Function:
    stack: FaultStack
    good: Good

    def invoke(self, event: object) -> Answer:
        with _one_at_a_time:
            start = time.perf_counter()
            value = self.stack.invoke(event)
            return Answer(value, time.perf_counter() - start)

    def check_good(self) -> None:
        """Raises AssertionError unless the good request is answered with the right pixels."""
        answer = self.invoke(self.good.event)
        assert answer.code == "ok", f"the good request was answered with {answer.value}"
        np.testing.assert_array_equal(self.stored_array(self.good.event["output"]), self.good.frames)

    def stored_array(self, uri: str) -> NDArray[Any]:
        array: NDArray[Any] = np.load(io.BytesIO(self.stored(uri)), allow_pickle=False)
        return array

    def stored(self, uri: str) -> bytes:
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        return self.stack.s3.get_object(Bucket=bucket, Key=key)["Body"].read()

    def keys(self, prefix: str) -> list[str]:
        """The results below the prefix."""
        listed = self.stack.s3.list_objects_v2(Bucket=RESULTS, Prefix=prefix)
        return sorted(item["Key"] for item in listed.get("Contents", []))
