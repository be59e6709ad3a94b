"""An event is sent as it is, and the answer is shown as it is, error or not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deploy.errors import AwsRefusedError, FunctionFailedError, FunctionNotFoundError, UsageError
from tests.deploy.trial import Trial
from tests.support.aws import Answer, StrictAws

INVOKE = ("invoke", "--function", "frames")


@pytest.fixture(autouse=True)
def frames(aws: StrictAws) -> None:
    aws.make_function("frames")


@pytest.fixture
def event(tmp_path: Path) -> str:
    path = tmp_path / "event.json"
    path.write_text('{"video": "s3://films/ä.mp4", "frames": [0, 100]}')
    return str(path)


def test_the_answer_is_shown(aws: StrictAws, trial: Trial, event: str) -> None:
    aws.answer(lambda asked: Answer({"asked": json.loads(asked.payload), "by": asked.qualifier}))
    shown = json.loads(trial.succeeds(*INVOKE, event).out)
    assert shown == {"asked": {"video": "s3://films/ä.mp4", "frames": [0, 100]}, "by": "live"}


def test_programs_get_the_answer_with_the_version_and_the_end_of_the_log(
    aws: StrictAws, trial: Trial, event: str
) -> None:
    aws.answer(Answer([1, None], log="decoded 2 frames"))
    found = trial.succeeds(*INVOKE, event, "--json").document
    assert (found["payload"], found["function_error"], found["version"]) == ([1, None], None, "1")
    assert "decoded 2 frames" in found["log"]


def test_an_event_comes_from_standard_input_too(aws: StrictAws, trial: Trial) -> None:
    assert trial.run(*INVOKE, "-", stdin="[1, 2]").code == 0
    assert aws.calls("Invoke")[0].parameters["Payload"] == b"[1, 2]"


def test_another_version_can_be_asked(aws: StrictAws, trial: Trial, event: str) -> None:
    aws.release("frames", aws.put_image())
    aws.answer(Answer("second"), version="2")
    assert trial.succeeds(*INVOKE, event, "--qualifier", "2").out == '"second"\n'
    assert trial.succeeds(*INVOKE, event).out == "null\n"


def test_an_error_of_the_function_is_shown_with_the_end_of_its_log(aws: StrictAws, trial: Trial, event: str) -> None:
    answer = {"errorType": "CorruptMedia", "errorMessage": "no moov"}
    aws.answer(Answer(answer, error="Unhandled", log="Traceback \x1b[31m\nCorruptMedia"))
    ended = trial.fails(FunctionFailedError, *INVOKE, event)
    assert ended.code == 43
    assert '"errorType": "CorruptMedia"' in ended.out
    assert "Traceback \\x1b[31m\nCorruptMedia\n" in ended.out
    assert "version 1 failed (Unhandled)" in ended.err


def test_programs_get_an_error_of_the_function_in_one_document(aws: StrictAws, trial: Trial, event: str) -> None:
    aws.answer(Answer({"errorType": "Broken"}, error="Handled"))
    found = trial.fails(FunctionFailedError, *INVOKE, event, "--json").document
    assert found["payload"] == {"errorType": "Broken"}
    assert found["function_error"] == "Handled"
    assert found["error"]["code"] == "FunctionFailed"


def test_an_answer_that_is_no_json_is_shown_as_text(aws: StrictAws, trial: Trial, event: str) -> None:
    aws.answer(Answer(b"<html>\x1b[2J"))
    assert json.loads(trial.succeeds(*INVOKE, event).out) == "<html>\x1b[2J"


def test_what_is_missing_is_told(trial: Trial, event: str) -> None:
    assert "frames has no blue" in trial.fails(FunctionNotFoundError, *INVOKE, event, "--qualifier", "blue").err
    assert "films has no live" in trial.fails(FunctionNotFoundError, "invoke", "--function", "films", event).err


@pytest.mark.parametrize("content", [None, "", "{", b"\xff\xfe"])
def test_an_event_that_is_no_json_is_refused_before_any_call(
    aws: StrictAws, trial: Trial, tmp_path: Path, content: str | bytes | None
) -> None:
    path = tmp_path / "event.json"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert "is no JSON" in trial.fails(UsageError, *INVOKE, str(path)).err
    assert aws.calls() == []


def test_an_event_that_lambda_does_not_take_is_told(trial: Trial, tmp_path: Path) -> None:
    path = tmp_path / "event.json"
    path.write_text(json.dumps("x" * (6 * 1024 * 1024)))
    assert "RequestTooLargeException" in trial.fails(AwsRefusedError, *INVOKE, str(path)).err


def test_a_dry_run_asks_nobody(aws: StrictAws, trial: Trial, event: str) -> None:
    shown = trial.succeeds(*INVOKE, event, "--dry-run").out
    assert "would lambda:InvokeFunction FunctionName=frames Qualifier=live" in shown
    assert aws.calls() == []
