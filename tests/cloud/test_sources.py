"""Videos that are missing, denied, replaced or badly served: survived with the exact result, or named.

S1, S2, S3, S12 to S18 and S20 to S22 of docs/robustness.md. The request reads most of a video of 1 MB.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from local import clip as real_clip
from tests.cloud.function import Answer, Function
from tests.cloud.postconditions import Postconditions
from tests.cloud.stack import RESULTS, VIDEOS
from tests.support.clips import linear_decode
from tests.support.faults import rules, s3_errors
from tests.support.faults.client import Faults
from tests.support.faults.rules import Exchange

MAX_TRIES = 5
CLIP = "/videos/clip.mp4$"
OK = "ok"
Put = Callable[[str, bytes], str]


@cache
def expected_sum() -> int:
    return int(linear_decode(real_clip.fetch(), (1280, 720))[:100].sum(dtype=np.uint64))


def event_for(video: object, prefix: str) -> dict[str, object]:
    return {"video": video, "frames": "0:100", "reduce": "sum", "output": f"s3://{RESULTS}/{prefix}sum.npy"}


@dataclass(frozen=True)
class Asked:
    """The one request of a test, and how it must end."""

    function: Function
    after: Postconditions
    faults: Faults
    event: dict[str, object]

    def invoke(self) -> Answer:
        return self.function.invoke(self.event)

    def check(self, answer: Answer, *codes: str, named: str = "clip.mp4", cause: str = "") -> None:
        """One of the codes; "ok" only with the exact result."""
        assert answer.code in codes, answer.value
        if answer.code == OK:
            assert answer.value["reduced"] == expected_sum()
            self.after.succeeded(answer, self.faults.log())
        else:
            self.after.refused(answer, answer.code, named=named, cause=cause)
            retryable = {"SourceUnavailable": True, "SourceForbidden": False, "SourceNotFound": False}
            assert answer.report["retryable"] is retryable.get(answer.code, answer.report["retryable"])


@pytest.fixture
def asked(function: Function, after: Postconditions, faults: Faults, prefix: str) -> Asked:
    return Asked(function, after, faults, event_for(f"s3://{VIDEOS}/clip.mp4", prefix))


def most_tries(exchanges: Sequence[Exchange]) -> int:
    """How often the same bytes were asked for. A request that goes on where another ended has the same end."""
    return max(Counter((e.method, e.range.rpartition("-")[2]) for e in exchanges).values())


@pytest.mark.parametrize(
    ("video", "code", "named"),
    [
        pytest.param(f"s3://{VIDEOS}/missing.mp4", "SourceNotFound", "missing.mp4", id="S1-key"),
        pytest.param("s3://denied/clip.mp4", "SourceForbidden", "denied/clip.mp4", id="S2-denied"),
    ],
)
def test_a_video_that_cannot_be_had_is_named(
    video: object, code: str, named: str, function: Function, after: Postconditions, prefix: str
) -> None:
    after.refused(function.invoke(event_for(video, prefix)), code, named=named)


@pytest.mark.parametrize("rule", ["", "^bytes="], ids=["S2-unlisted-all", "S2-unlisted-get"])
def test_a_denial_says_that_the_video_may_be_missing(rule: str, asked: Asked) -> None:
    with asked.faults.rule(s3_errors.ACCESS_DENIED, path=CLIP, headers={"Range": rule}) as applied:
        answer = asked.invoke()
        assert applied.hits
    asked.check(answer, "SourceForbidden", cause="missing")
    assert "denied" in answer.report["message"]


def test_an_empty_object_is_called_empty(function: Function, after: Postconditions, put: Put, prefix: str) -> None:
    """S12"""
    answer = function.invoke(event_for(put("empty.mp4", b""), prefix))
    after.refused(answer, "CorruptMedia", named="empty", touched=["empty.mp4"])


@dataclass(frozen=True)
class Case:
    """`times` None is for good. `method` "" is any, a HEAD included."""

    action: rules.Action
    codes: tuple[str, ...]
    times: int | None = None
    method: str = "GET"
    skip: int = 0
    cause: str = ""
    at_least_seconds: float = 0
    conditional: bool = False  # for requests with If-Match alone


UNAVAILABLE = ("SourceUnavailable",)
REFUSED = ("SourceRefused",)
EITHER = (OK, "SourceUnavailable")  # exact, or not at all
SURVIVED = (OK,)
CASES = {
    "S1-bucket": Case(s3_errors.NO_SUCH_BUCKET, ("SourceNotFound",), cause="NoSuchBucket"),
    "S1-version": Case(s3_errors.NO_SUCH_VERSION, ("SourceNotFound",), cause="NoSuchVersion"),
    "S3-expired-once": Case(s3_errors.EXPIRED_URL, SURVIVED, times=1),  # a new URL is signed
    "S3-expired": Case(s3_errors.EXPIRED_URL, ("SourceExpired",)),
    "S3-token-expired": Case(s3_errors.EXPIRED_TOKEN, ("SourceExpired",)),
    "S3-clock-skew": Case(s3_errors.TIME_SKEWED, ("SourceExpired",)),
    "S13-length-short-once": Case(rules.WrongLength(-10), SURVIVED, times=1),
    "S13-length-long-once": Case(rules.WrongLength(10), SURVIVED, times=1),
    "S13-length-short": Case(rules.WrongLength(-10), EITHER),
    "S13-length-long": Case(rules.WrongLength(10), EITHER),
    "S13-gzip": Case(rules.SetHeaders({"Content-Encoding": "gzip"}), REFUSED, cause="gzip"),
    "S13-aws-chunked": Case(rules.SetHeaders({"Content-Encoding": "aws-chunked"}), SURVIVED),
    "S13-chunked": Case(rules.Chunked(), EITHER),
    "S13-truncated-once": Case(rules.Truncate(1000), SURVIVED, times=1),
    "S13-truncated": Case(rules.Truncate(0), UNAVAILABLE),
    "S14-no-ranges": Case(rules.IgnoreRange(), REFUSED),
    "S14-no-ranges-once": Case(rules.IgnoreRange(), SURVIVED, times=1, skip=1),
    "S14-other-range-once": Case(rules.WrongRange(shift=1), SURVIVED, times=1),
    "S14-other-range": Case(rules.WrongRange(shift=1), UNAVAILABLE),
    "S14-other-size": Case(rules.WrongRange(size_difference=-1), (*UNAVAILABLE, "SourceChanged"), skip=1),
    "S15-reset-at-0": Case(rules.Reset(0), SURVIVED, times=1),
    "S15-reset-at-1": Case(rules.Reset(1), SURVIVED, times=1),
    "S15-reset-at-1000": Case(rules.Reset(1000), SURVIVED, times=1),
    "S15-reset-at-100000": Case(rules.Reset(100_000), SURVIVED, times=1),
    "S15-reset-every-250000": Case(rules.Reset(250_000), SURVIVED),
    "S15-reset-4-times": Case(rules.Reset(0), SURVIVED, times=4),
    "S15-no-answer-once": Case(rules.Drop(), SURVIVED, times=1),
    "S15-no-answer-at-all": Case(rules.Drop(), UNAVAILABLE, method=""),
    "S15-reset-for-good": Case(rules.Reset(0), UNAVAILABLE),
    "S16-slow-down-once": Case(s3_errors.SLOW_DOWN, SURVIVED, times=1),
    "S16-slow-down-first": Case(s3_errors.SLOW_DOWN, SURVIVED, times=1, method=""),
    "S16-slow-down-twice": Case(s3_errors.SLOW_DOWN, SURVIVED, times=2),
    "S16-slow-down-3-times": Case(s3_errors.SLOW_DOWN, SURVIVED, times=3),
    "S16-slow-down-4-times": Case(s3_errors.SLOW_DOWN, SURVIVED, times=4),
    "S16-internal-once": Case(s3_errors.INTERNAL, SURVIVED, times=1),
    "S16-retry-after": Case(s3_errors.TOO_MANY, SURVIVED, times=1, at_least_seconds=1),
    "S16-slow-down-for-good": Case(s3_errors.SLOW_DOWN, UNAVAILABLE, method=""),
    "S16-slow-down-for-all-data": Case(s3_errors.SLOW_DOWN, UNAVAILABLE, skip=1),
    "S16-internal-for-good": Case(s3_errors.INTERNAL, UNAVAILABLE),
    "S16-too-many-for-good": Case(s3_errors.TOO_MANY, UNAVAILABLE),
    "S17-slow-head": Case(rules.SlowHead(1), UNAVAILABLE, method=""),
    "S17-slow-head-of-data": Case(rules.SlowHead(1), UNAVAILABLE, skip=1),
    "S17-slow-body": Case(rules.SlowBody(1), UNAVAILABLE),
    "S17-slow-body-of-data": Case(rules.SlowBody(1), UNAVAILABLE, skip=1),
    "S17-no-answer": Case(rules.Delay(60), UNAVAILABLE, method=""),
    "S18-etag-swapped": Case(
        rules.SetHeaders({"ETag": '"0123456789abcdef0123456789abcdef"'}), ("SourceChanged",), skip=1
    ),
    "S18-no-conditions": Case(s3_errors.PRECONDITION, SURVIVED, conditional=True),
    "S20-kms": Case(s3_errors.NO_KMS, ("SourceForbidden",), cause="kms"),
    "S20-kms-disabled": Case(s3_errors.KMS_DISABLED, ("SourceForbidden",), cause="KMS.Disabled"),
    "S20-archived": Case(s3_errors.ARCHIVED, ("SourceForbidden",), cause="InvalidObjectState"),
    "S20-requester-pays": Case(s3_errors.REQUESTER_PAYS, ("SourceForbidden",), cause="AccessDenied"),
    "S20-other-region": Case(s3_errors.OTHER_REGION, ("SourceForbidden",), method="", cause="region"),
    "S20-sse-c": Case(s3_errors.SSE_C, ("SourceForbidden",), cause="SSE-C"),
    "S21-other-region-once": Case(s3_errors.OTHER_REGION, SURVIVED, times=1),
    "S22-unknown": Case(s3_errors.UNKNOWN, REFUSED, cause="NeverHeardOf"),
    "S20-other-region-signed": Case(s3_errors.OTHER_REGION_SIGNED, ("SourceForbidden",), cause="region"),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_bad_service_is_survived_or_named(case: Case, asked: Asked) -> None:
    headers = {"If-Match": "."} if case.conditional else {}
    with asked.faults.rule(
        case.action, method=case.method, path=CLIP, headers=headers, times=case.times, skip=case.skip
    ) as applied:
        answer = asked.invoke()
        assert applied.hits, "the fault did not apply to any request"
        assert most_tries(applied.exchanges()) <= MAX_TRIES
    asked.check(answer, *case.codes, cause=case.cause)
    assert answer.seconds >= case.at_least_seconds


@pytest.mark.parametrize("after_bytes", [70_000, 100_000, 300_000])
def test_what_was_cut_goes_on_with_the_same_version(after_bytes: int, asked: Asked) -> None:
    """S15: behind what has arrived, which a reset may cut short."""
    with asked.faults.rule(rules.Reset(after_bytes), method="GET", path=CLIP, times=1) as applied:
        answer = asked.invoke()
        [cut] = applied.exchanges()
    first, last = map(int, cut.range.removeprefix("bytes=").split("-"))
    [again] = [e for e in asked.faults.log("GET") if e.range.endswith(f"-{last}") and e.start > cut.start]
    assert first <= int(again.range.removeprefix("bytes=").split("-")[0]) <= first + after_bytes
    assert again.if_match
    assert answer.value["counters"]["bytes_read"] <= answer.value["video"]["bytes"]
    asked.check(answer, OK)


def test_there_is_a_short_pause_before_each_further_try(asked: Asked) -> None:
    """S16"""
    with asked.faults.rule(s3_errors.SLOW_DOWN, method="GET", path=CLIP, times=3) as applied:
        answer = asked.invoke()
        tries = applied.exchanges()
        end = max(tries, key=lambda entry: entry.start).range
    starts = [entry.start for entry in asked.faults.log("GET") if entry.range == end]
    pauses = [later - earlier for earlier, later in pairwise(starts)]
    assert pauses
    assert min(pauses) > 0.02
    assert max(pauses) < 5
    asked.check(answer, OK)


@pytest.mark.parametrize("read", [1, 2])
def test_a_video_that_is_replaced_meanwhile_is_noticed(
    read: int, function: Function, faults: Faults, put: Put, prefix: str, after: Postconditions
) -> None:
    """S18: another object of the same size takes its place while a request is on its way."""
    content = real_clip.fetch().read_bytes()
    half = len(content) // 2
    uri = put("changing.mp4", content)
    event: Any = event_for(uri, prefix)
    with (
        ThreadPoolExecutor(1) as pool,
        faults.rule(rules.Delay(1.5), method="GET", path="/videos/changing.mp4$", times=1, skip=read) as applied,
    ):
        answer = pool.submit(function.invoke, event)
        deadline = time.monotonic() + 5
        while not applied.hits and not answer.done() and time.monotonic() < deadline:
            pass
        assert applied.hits, f"there were not {read + 1} reads"
        put("changing.mp4", content[:half] + bytes(reversed(content[half:])))
    after.refused(answer.result(), "SourceChanged", named="changing.mp4", touched=["changing.mp4"])
