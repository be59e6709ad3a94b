"""Results that cannot be written, or only with trouble: written whole after all, or nothing left and the reason named.

O1 to O6 of docs/robustness.md. The request writes 44 MB as one array; O6 writes pictures.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from local import clip as real_clip
from tests.cloud.function import Answer, Function
from tests.cloud.postconditions import Postconditions
from tests.cloud.stack import RESULTS, VIDEOS
from tests.support.clips import linear_decode
from tests.support.faults import rules, s3_errors
from tests.support.faults.client import Faults

MAX_TRIES = 5
FRAMES = 16
OK = "ok"
ARRAY = r"/frames\.npy$"
PART_3 = "(^|&)partNumber=3(&|$)"
COMPLETE = "(^|&)uploadId="
MAKES_VISIBLE = "^(?!.*(partNumber|uploads))"  # the PUT of a whole object, or what completes an upload
CLIP_URI = f"s3://{VIDEOS}/clip.mp4"
OPENING_BYTES = 300_000  # of the clip's 1 MB: less than its header and the frames that are asked for


@cache
def expected_frames() -> NDArray[np.uint8]:
    return linear_decode(real_clip.fetch(), (1280, 720))[:FRAMES].copy()


def event_for(output: str, **more: object) -> dict[str, object]:
    return {"video": CLIP_URI, "frames": f"0:{FRAMES}", "output": output, **more}


@dataclass(frozen=True)
class Asked:
    """The one request of a test, and how it must end."""

    function: Function
    after: Postconditions
    faults: Faults
    output: str

    def invoke(self, **more: object) -> Answer:
        return self.function.invoke(event_for(self.output, **more))

    def check(self, answer: Answer, code: str, retryable: bool | None = None, cause: str = "") -> None:
        assert answer.code == code, answer.value
        if code == OK:
            np.testing.assert_array_equal(self.function.stored_array(self.output), expected_frames())
            self.after.succeeded(answer, self.faults.log())
        else:
            named = "" if code == "DeadlineExceeded" else "results"
            self.after.refused(answer, code, named=named, cause=cause)
            assert retryable in (None, answer.report["retryable"])


@pytest.fixture
def asked(function: Function, after: Postconditions, faults: Faults, prefix: str) -> Asked:
    return Asked(function, after, faults, f"s3://{RESULTS}/{prefix}frames.npy")


@pytest.mark.parametrize(
    ("bucket", "code"), [("no-such-bucket", "OutputNotFound"), ("denied", "OutputForbidden")], ids=["missing", "denied"]
)
def test_a_bucket_that_cannot_be_written_is_named_before_decoding(
    bucket: str, code: str, function: Function, after: Postconditions, faults: Faults
) -> None:
    """O1"""
    answer = function.invoke(event_for(f"s3://{bucket}/frames.npy"))
    read = sum(entry.response_bytes for entry in faults.log("GET", "/videos/clip.mp4"))
    after.refused(answer, code, named=bucket)
    assert read < OPENING_BYTES


@dataclass(frozen=True)
class Case:
    """By default for PUTs of the array, whole or in parts. `times` None is for good."""

    action: rules.Action
    code: str
    times: int | None = None
    method: str = "PUT"
    path: str = ARRAY
    query: str = ""
    skip: int = 0
    retryable: bool | None = None
    cause: str = ""


CUT = rules.CutRequest(1_000_000)
CASES = {
    "O1-other-region": Case(
        s3_errors.OTHER_REGION, "OutputForbidden", method="", path=f"^/{RESULTS}", retryable=False, cause="region"
    ),
    "O1-object-lock": Case(s3_errors.LOCKED, "OutputForbidden", retryable=False, cause="AccessDenied"),
    "O2-conflict-once": Case(s3_errors.CONFLICT, OK, times=1, method="PUT|POST", query=MAKES_VISIBLE),
    "O2-precondition": Case(
        s3_errors.PRECONDITION, "OutputConflict", method="PUT|POST", query=MAKES_VISIBLE, retryable=False
    ),
    "O3-slow-down-once": Case(s3_errors.SLOW_DOWN, OK, times=1),
    "O3-slow-down-4-times": Case(s3_errors.SLOW_DOWN, OK, times=4),
    "O3-slow-down-for-good": Case(s3_errors.SLOW_DOWN, "OutputUnavailable", retryable=True),
    "O3-internal-once": Case(s3_errors.INTERNAL, OK, times=1),
    "O3-no-answer-once": Case(rules.Drop(), OK, times=1),
    "O3-no-answer-at-all": Case(rules.Drop(), "OutputUnavailable", retryable=True),
    "O3-cut-once": Case(CUT, OK, times=1),
    "O3-cut-for-good": Case(CUT, "OutputUnavailable", retryable=True),
    "O3-answer-lost-once": Case(rules.LoseAnswer(), OK, times=1),
    "O3-slow-answer-for-good": Case(rules.SlowHead(1), "DeadlineExceeded", retryable=True),
    "O3-part-slow-down-once": Case(s3_errors.SLOW_DOWN, OK, times=1, query=PART_3),
    "O3-part-cut-once": Case(CUT, OK, times=1, query=PART_3),
    "O3-part-answer-lost-once": Case(rules.LoseAnswer(), OK, times=1, query=PART_3),
    "O3-part-slow-down-for-good": Case(s3_errors.SLOW_DOWN, "OutputUnavailable", query=PART_3, retryable=True),
    "O3-part-cut-for-good": Case(CUT, "OutputUnavailable", query=PART_3, retryable=True),
    "O3-begin-slow-down-once": Case(s3_errors.SLOW_DOWN, OK, times=1, method="POST", query="^uploads"),
    "O3-manifest-slow-down-once": Case(s3_errors.SLOW_DOWN, OK, times=1, path="manifest"),
    "O3-manifest-for-good": Case(s3_errors.SLOW_DOWN, "OutputUnavailable", path="manifest", retryable=True),
    "O4-error-in-200-once": Case(s3_errors.ERROR_IN_200, OK, times=1, method="POST", query=COMPLETE),
    "O4-error-in-200": Case(s3_errors.ERROR_IN_200, "OutputUnavailable", method="POST", query=COMPLETE, retryable=True),
    "O4-complete-answer-lost-once": Case(rules.LoseAnswer(), OK, times=1, method="POST", query=COMPLETE),
    "O4-complete-slow-down-for-good": Case(
        s3_errors.SLOW_DOWN, "OutputUnavailable", method="POST", query=COMPLETE, retryable=True
    ),
    "O5-bad-digest-once": Case(s3_errors.BAD_DIGEST, OK, times=1),
    "O5-bad-digest": Case(s3_errors.BAD_DIGEST, "OutputUnavailable", retryable=True, cause="BadDigest"),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_trouble_in_writing_is_survived_or_named(case: Case, asked: Asked) -> None:
    match: Any = {"method": case.method, "path": case.path, "query": case.query}
    with asked.faults.rule(case.action, **match, times=case.times, skip=case.skip) as applied:
        answer = asked.invoke()
        assert applied.hits, "the fault did not apply to any request"
        exchanges = applied.exchanges()
    assert max(Counter((e.method, e.path, e.query) for e in exchanges).values()) <= MAX_TRIES
    asked.check(answer, case.code, case.retryable, case.cause)


def test_an_object_that_is_there_is_not_replaced(asked: Asked, prefix: str) -> None:
    """O2"""
    s3, key = asked.function.stack.s3, f"{prefix}frames.npy"
    s3.put_object(Bucket=RESULTS, Key=key, Body=b"another's")
    answer = asked.invoke(if_exists="keep")
    assert answer.code == "OutputConflict", answer.value
    assert "frames.npy" in answer.report["message"]
    assert asked.function.stored(asked.output) == b"another's"
    assert asked.function.keys(prefix) == [key]
    asked.after.hold(answer)


def test_the_same_request_again_is_no_conflict(asked: Asked) -> None:
    """O2"""
    assert asked.invoke(if_exists="keep").code == OK
    asked.check(asked.invoke(if_exists="keep"), OK)


@pytest.mark.parametrize("expired", [s3_errors.EXPIRED_TOKEN, s3_errors.TIME_SKEWED], ids=["token", "clock"])
@pytest.mark.parametrize("written", [1, 5])
def test_nothing_looks_done_when_the_credentials_expire_midway(
    written: int, expired: rules.Answer, function: Function, after: Postconditions, faults: Faults, prefix: str
) -> None:
    """O6: from then on nothing is allowed, so what was written stays; but there is no manifest."""
    event = {"video": CLIP_URI, "frames": "0:12", "output": f"s3://{RESULTS}/{prefix}"}
    with (
        faults.rule(rules.Delay(0), method="PUT", path=prefix, times=written),
        faults.rule(expired, path=f"^/{RESULTS}/{prefix}") as applied,
    ):
        answer = function.invoke(event)
        assert applied.hits
    assert answer.code == "OutputForbidden", answer.value
    assert answer.report["retryable"] is True
    assert len(function.keys(prefix)) <= written
    assert not [key for key in function.keys(prefix) if "manifest" in key]
    after.hold(answer)
