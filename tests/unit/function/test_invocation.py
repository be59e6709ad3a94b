"""Invocations as Lambda sees them: what reaches the worker, with how much time, and what is answered and logged."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from function.errors import (
    BadRequest,
    DeadlineExceeded,
    FunctionError,
    OutputUnavailable,
    SourceUnavailable,
    WorkerCrashed,
)
from function.runtime import invocation
from function.runtime.supervisor import KILL_SECONDS, Supervisor
from tests.unit.function.deliveries import fifo_batch, http_request, sqs_batch

VIDEO = {"video": "s3://videos/a.mp4", "frames": [0], "output": "s3://results/a.npy"}
RESULT = {"objects": 1, "milliseconds": {"decode": 3.5}, "counters": {"requests": 2, "bytes_read": 70}}


@dataclass
class Context:
    """Lambda's context, with the milliseconds that each look at the clock finds."""

    left: list[int] = field(default_factory=lambda: [30_000])
    aws_request_id: str = "request-1"

    def get_remaining_time_in_millis(self) -> int:
        return self.left.pop(0) if len(self.left) > 1 else self.left[0]


@dataclass
class Worker:
    """Answers with the outcomes in turn, and keeps what it was asked."""

    outcomes: list[dict[str, Any] | FunctionError]
    asked: list[tuple[object, float]] = field(default_factory=list)

    def run(self, event: object, seconds_left: float) -> dict[str, Any]:
        self.asked.append((event, seconds_left))
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, FunctionError):
            raise outcome
        return outcome


def answer(event: object, worker: Worker, context: Context | None = None) -> Any:
    return invocation.answer(event, context or Context(), cast("Supervisor", worker))


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_request_reaches_the_worker_as_it_came_with_the_seconds_that_are_left() -> None:
    worker = Worker([RESULT])
    assert answer(VIDEO, worker, Context([12_500])) == RESULT
    assert worker.asked == [(VIDEO, 12.5)]


def test_one_line_is_logged_for_a_result(capsys: pytest.CaptureFixture[str]) -> None:
    answer({**VIDEO, "action": "plan"}, Worker([RESULT]))
    (line,) = lines(capsys)
    assert (line["Code"], line["Errors"], line["action"], line["request_id"]) == ("ok", 0, "plan", "request-1")
    assert line["milliseconds"]["decode"] == 3.5
    assert line["milliseconds"]["total"] == line["Duration"] >= 0
    assert (line["SourceRequests"], line["BytesRead"]) == (2, 70)
    assert "key" not in line


def test_an_error_is_raised_and_logged_with_its_code_detail_and_trace(capsys: pytest.CaptureFixture[str]) -> None:
    error = OutputUnavailable("S3 is busy", bucket="results")
    error.trace = ["file.py, line 3"]
    with pytest.raises(OutputUnavailable) as raised:
        answer(VIDEO, Worker([error]))
    assert raised.value is error
    (line,) = lines(capsys)
    assert (line["Code"], line["Errors"], line["action"]) == ("OutputUnavailable", 1, "decode")
    assert (line["message"], line["detail"]) == ("S3 is busy", {"bucket": "results"})
    assert line["trace"] == ["file.py, line 3"]


def test_an_event_that_is_no_object_never_reaches_the_worker(capsys: pytest.CaptureFixture[str]) -> None:
    worker = Worker([])
    with pytest.raises(BadRequest, match="must be a JSON object, not a string"):
        answer("frames", worker)
    assert not worker.asked
    assert [line["Code"] for line in lines(capsys)] == ["BadRequest"]


def test_messages_of_a_batch_fail_alone_and_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    batch = sqs_batch(VIDEO, "no JSON", VIDEO, VIDEO)
    ids = [record["messageId"] for record in batch["Records"]]
    worker = Worker([RESULT, OutputUnavailable("S3 is busy"), RESULT])
    answered = answer(batch, worker)
    assert [failure["itemIdentifier"] for failure in answered["batchItemFailures"]] == [ids[1], ids[2]]
    assert len(worker.asked) == 3
    logged = {line["key"]: line["Code"] for line in lines(capsys)}
    assert logged == {ids[0]: "ok", ids[1]: "BadRequest", ids[2]: "OutputUnavailable", ids[3]: "ok"}


def test_what_stands_behind_a_failure_in_a_fifo_queue_never_reaches_the_worker() -> None:
    batch = fifo_batch(("a0", "a", VIDEO), ("a1", "a", VIDEO), ("b0", "b", VIDEO))
    worker = Worker([OutputUnavailable("S3 is busy"), RESULT])
    answered = answer(batch, worker)
    assert [failure["itemIdentifier"] for failure in answered["batchItemFailures"]] == ["a0", "a1"]
    assert len(worker.asked) == 2


@pytest.mark.parametrize(("milliseconds", "begun"), [(1499, False), (1500, True)])
def test_a_request_is_begun_only_if_the_worker_can_still_be_stopped_in_time(milliseconds: int, begun: bool) -> None:
    assert KILL_SECONDS == 1.0
    batch = sqs_batch(VIDEO, VIDEO)
    worker = Worker([RESULT, RESULT])
    answered = answer(batch, worker, Context([30_000, milliseconds]))
    assert len(worker.asked) == 1 + begun
    failed = [failure["itemIdentifier"] for failure in answered["batchItemFailures"]]
    assert failed == ([] if begun else [batch["Records"][1]["messageId"]])


def test_a_request_without_time_is_retryable() -> None:
    with pytest.raises(DeadlineExceeded) as raised:
        answer(VIDEO, Worker([]), Context([200]))
    assert raised.value.retryable


def test_an_http_request_gets_a_status_and_the_request_id() -> None:
    done = answer(http_request(VIDEO), Worker([RESULT]))
    assert (done["statusCode"], json.loads(done["body"])) == (200, RESULT)
    failed = answer(http_request(VIDEO), Worker([OutputUnavailable("S3 is busy")]))
    assert failed["statusCode"] == 503
    assert json.loads(failed["body"])["request_id"] == "request-1"


PART = {"action": "part", "job": "s3://results/run/", "part": 3, "offset": 10, "length": 9}


def test_each_request_of_a_part_reaches_the_worker_alone(capsys: pytest.CaptureFixture[str]) -> None:
    piece = {"request": {**VIDEO, "action": "decode"}, "etag": "e1", "first": 0, "last": 0, "seconds": 0.5}
    crash = WorkerCrashed("the process that did the work has died")
    worker = Worker([{"to_do": [piece]}, crash, crash, {"part": 3, "failed": 1}])
    assert answer({**PART, "attempt": 1}, worker) == {"part": 3, "failed": 1}
    opened, first, second, closed = (cast("dict[str, Any]", event) for event, _ in worker.asked)
    assert opened == {**PART, "action": "open_part", "attempt": 1}
    assert first == second == {"rotate": False, "tone": "stored", **cast("dict[str, Any]", piece["request"])}
    assert (closed["action"], closed["attempt"], closed["job"]) == ("close_part", 1, "s3://results/run/")
    assert [outcome["code"] for outcome in closed["outcomes"]] == ["WorkerCrashed"]
    codes = [(line["action"], line["Code"]) for line in lines(capsys)]
    assert codes == [("open_part", "ok"), *[("decode", "WorkerCrashed")] * 2, ("close_part", "ok")]


SURVEY = {"action": "survey", "job": "s3://results/run/", "chunk": 2}
FOUND = {"chunk": 2, "videos": 250, "failed": 1, "passing": 0, "seconds": 9.5}


@pytest.mark.parametrize("attempt", [0, 1])
def test_a_survey_reaches_the_worker_by_halves_once_it_crashes(attempt: int) -> None:
    crash = WorkerCrashed("the process that did the work has died")
    worker = Worker([crash, FOUND | {"passing": 1}, FOUND])
    assert answer({**SURVEY, "attempt": attempt}, worker) == FOUND
    asked = [cast("dict[str, Any]", event) for event, _ in worker.asked]
    assert [(event["start"], event["stop"]) for event in asked] == [(0, 250), (0, 125), (125, 250)]
    assert all((event["action"], event["chunk"]) == ("survey_range", 2) for event in asked)
    assert {event["again"] for event in asked} == {attempt > 0}


def test_a_survey_is_retryable_while_failures_may_pass_and_attempts_are_left() -> None:
    found = FOUND | {"passing": 1}
    for attempt in range(4):
        with pytest.raises(SourceUnavailable, match="1 of 250 videos cannot be surveyed for now") as raised:
            answer({**SURVEY, "attempt": attempt}, Worker([found]))
        assert raised.value.retryable
    assert answer({**SURVEY, "attempt": 4}, Worker([found])) == found


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"part": -1}, "part: must be greater than or equal to 0"),
        ({"offset": "0"}, "offset: must be an integer, not a string"),
        ({"job": "run"}, "job: must be like s3://bucket/key"),
        ({"attempts": 1}, "attempts: is not a known field; did you mean 'attempt'?"),
    ],
)
def test_a_malformed_part_is_refused_and_logged_without_the_worker(
    change: dict[str, Any], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    worker = Worker([])
    with pytest.raises(BadRequest) as raised:
        answer(PART | change, worker)
    assert problem in raised.value.message
    (line,) = lines(capsys)
    assert (line["action"], line["Code"]) == ("part", "BadRequest")
