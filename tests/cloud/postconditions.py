"""What must hold after every request, good or bad, whatever was done to it.

P1 the answer comes in time          P4 nothing is left over in the container
P2 an error has the promised shape   P5 the next good request is answered exactly
P3 results are there whole or not    P6 it is the same container, never restarted
                                     P7 no video was touched
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from tests.cloud.function import Answer, Function
from tests.cloud.stack import RESULTS, FaultStack, key_of
from tests.cloud.state import State, container_of, left_over, videos_of
from tests.support.faults.rules import Exchange

MAX_SECONDS = 30
SPARE_SECONDS = 0.5
MAX_MESSAGE_CHARS = 300
MAX_SECONDS_TO_TAKE_BACK = 5


def uploads_of(stack: FaultStack) -> list[str]:
    """The keys of multipart uploads that were begun and neither completed nor aborted."""
    uploads = stack.s3.list_multipart_uploads(Bucket=RESULTS).get("Uploads", [])
    return [upload["Key"] for upload in uploads]


@dataclass(frozen=True)
class Postconditions:
    """`before` is how things were before the request, `prefix` what its results' keys begin with."""

    function: Function
    before: State
    prefix: str

    def refused(
        self, answer: Answer, code: str, named: str = "", cause: str = "", touched: Collection[str] = ()
    ) -> None:
        """The answer is this error, its message names this and its report the cause, and nothing was written."""
        assert answer.code == code, answer.value
        report = answer.report
        assert isinstance(report["message"], str)
        assert 0 < len(report["message"]) <= MAX_MESSAGE_CHARS
        assert named in report["message"], report
        assert cause.lower() in json.dumps(report).lower(), report
        assert isinstance(report["retryable"], bool)
        assert isinstance(report["detail"], dict)
        if report["detail"].get("objects_left"):  # which is said, and they go beside the next request
            self._wait_for_the_rest()
        assert self.function.keys(self.prefix) == []
        self.hold(answer, touched)

    def _wait_for_the_rest(self) -> None:
        self.function.check_good()
        deadline = time.monotonic() + MAX_SECONDS_TO_TAKE_BACK
        while self.function.keys(self.prefix) or uploads_of(self.function.stack):
            assert time.monotonic() < deadline, "what was left is there still"

    def succeeded(self, answer: Answer, log: Collection[Exchange] = (), touched: Collection[str] = ()) -> None:
        """The answer is a result; all that it lists is there, with the right checksums, and the manifest came last."""
        assert answer.code == "ok", answer.value
        written: list[dict[str, Any]] = answer.value["output"]
        for item in written:
            assert hashlib.sha256(self.function.stored(item["uri"])).hexdigest() == item["sha256"]
        keys = {item["uri"].removeprefix(f"s3://{RESULTS}/") for item in written}
        manifests = sorted(set(self.function.keys(self.prefix)) - keys)
        assert len(manifests) == 1, manifests
        assert json.loads(self.function.stored(f"s3://{RESULTS}/{manifests[0]}"))["output"] == written
        writes = [entry for entry in log if entry.method in ("PUT", "POST") and f"/{RESULTS}/" in entry.path]
        if writes:
            assert max(writes, key=lambda entry: entry.end).path == f"/{RESULTS}/{manifests[0]}"
        self.hold(answer, touched)

    def hold(self, answer: Answer, touched: Collection[str] = ()) -> None:
        """The rest, for any answer. `touched` are keys of videos that the test itself has changed."""
        stack = self.function.stack
        assert answer.seconds < min(stack.limits.timeout_seconds - SPARE_SECONDS, MAX_SECONDS)  # P1
        self._check_text(answer)  # P2
        assert uploads_of(stack) == []  # P3
        remains = left_over(stack, self.before.inside)
        assert not remains, "; ".join(remains)  # P4
        assert container_of(stack) == self.before.container  # P6
        videos = videos_of(stack)
        changed = {key for key in self.before.videos.keys() | videos if self.before.videos.get(key) != videos.get(key)}
        assert changed <= set(touched)  # P7
        self.function.check_good()  # P5
        assert container_of(stack) == self.before.container

    @staticmethod
    def _check_text(answer: Answer) -> None:
        text = json.dumps(answer.value)
        assert not answer.value.get("stackTrace")
        key = key_of("function")
        for secret in (key.access, key.secret, "X-Amz-", "Signature="):
            assert secret not in text, answer.value
