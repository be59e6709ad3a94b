"""The function's log: all of it since then, in order, shown and never obeyed."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from deploy.errors import FunctionNotFoundError, StoppedError
from tests.deploy.tool import MAX_SECONDS
from tests.deploy.trial import Trial
from tests.support.aws import Change, StrictAws

LOGS = ("logs", "--function", "frames")
GROUP = "/aws/lambda/frames"


@pytest.fixture(autouse=True)
def frames(aws: StrictAws) -> None:
    aws.make_function("frames")


def append(aws: StrictAws, *lines: str, seconds_ago: float = 0, stream: str = "one") -> None:
    aws.skew(-seconds_ago)
    aws.logs.append(GROUP, stream, lines)
    aws.skew(0)


def texts(out: str) -> list[str]:
    return [line.partition("  ")[2] for line in out.splitlines()]


def test_lines_of_all_streams_come_in_the_order_of_their_times(aws: StrictAws, trial: Trial) -> None:
    append(aws, "third", seconds_ago=1)
    append(aws, "first", seconds_ago=60, stream="other")
    append(aws, "second", seconds_ago=30)
    assert texts(trial.succeeds(*LOGS).out) == ["first", "second", "third"]


def test_since_is_the_beginning(aws: StrictAws, trial: Trial) -> None:
    append(aws, "long ago", seconds_ago=2 * 86400)
    append(aws, "lately", seconds_ago=900)
    append(aws, "now")
    assert texts(trial.succeeds(*LOGS).out) == ["now"]
    assert texts(trial.succeeds(*LOGS, "--since", "1h").out) == ["lately", "now"]
    assert texts(trial.succeeds(*LOGS, "--since", "99999d").out) == ["long ago", "lately", "now"]


def test_a_filter_is_cloudwatchs(aws: StrictAws, trial: Trial) -> None:
    append(aws, "a frame", "an error of a frame", "an error")
    assert texts(trial.succeeds(*LOGS, "--filter", "frame error").out) == ["an error of a frame"]


def test_more_lines_than_a_page_has_are_all_shown(aws: StrictAws, trial: Trial) -> None:
    append(aws, *(str(number) for number in range(10_050)))
    assert texts(trial.succeeds(*LOGS).out) == [str(number) for number in range(10_050)]


def test_programs_get_a_document_a_line(aws: StrictAws, trial: Trial) -> None:
    append(aws, "one\x1b[2J", "two")
    lines = [json.loads(line) for line in trial.succeeds(*LOGS, "--json").out.splitlines()]
    assert [(line["stream"], line["text"]) for line in lines] == [("one", "one\x1b[2J"), ("one", "two")]
    assert lines[0]["time"].endswith("+00:00")


def test_what_a_terminal_would_obey_is_spelled_out(aws: StrictAws, trial: Trial) -> None:
    append(aws, "\x1b]0;title\x07\x1b[2Jred\r\x9b31m\x00\x7f \u202edlrow", "ünï\tcödé ✓ 🎞")
    assert texts(trial.succeeds(*LOGS).out) == [
        r"\x1b]0;title\x07\x1b[2Jred\r\x9b31m\x00\x7f \u202edlrow",
        "ünï\tcödé ✓ 🎞",
    ]


def test_a_log_group_of_the_functions_own_is_read(aws: StrictAws, trial: Trial) -> None:
    aws.make_function("films", alias="", LoggingConfig={"LogFormat": "JSON", "LogGroup": "/films"})
    aws.logs.append("/films", "s", ["here"])
    assert texts(trial.succeeds("logs", "--function", "films").out) == ["here"]


def test_a_function_that_was_never_asked_has_no_log_yet(trial: Trial) -> None:
    ended = trial.fails(FunctionNotFoundError, *LOGS)
    assert f"there is no log {GROUP}" in ended.err
    assert "when it is first invoked" in ended.err


def test_a_function_that_is_missing_is_told(trial: Trial) -> None:
    assert "function films is not there" in trial.fails(FunctionNotFoundError, "logs", "--function", "films").err


def test_an_emulator_may_leave_the_ids_of_lines_out(aws: StrictAws, trial: Trial) -> None:
    append(aws, "one", "one", "two")

    def forget(answer: dict[str, Any]) -> None:
        for event in answer["events"]:
            del event["eventId"]

    with aws.rule(Change(forget), "FilterLogEvents"):
        assert texts(trial.succeeds(*LOGS).out) == ["one", "one", "two"]


@contextmanager
def following(trial: Trial, *more: str) -> Iterator[tuple[subprocess.Popen[str], Iterator[str]]]:
    """A run that follows the log, and its lines as they come."""
    process = trial.start(*LOGS, "--follow", *more)
    assert process.stdout
    try:
        yield process, map(str.rstrip, process.stdout)
    finally:
        process.kill()
        process.communicate()


def test_following_shows_what_comes_once_until_ctrl_c(aws: StrictAws, trial: Trial) -> None:
    append(aws, "was there", seconds_ago=5)
    with following(trial) as (process, lines):
        assert texts(next(lines)) == ["was there"]
        append(aws, "new")
        assert texts(next(lines)) == ["new"]
        append(aws, "late", seconds_ago=4)
        append(aws, "last")
        assert texts(next(lines)) == ["late"]
        assert texts(next(lines)) == ["last"]
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=MAX_SECONDS)
    assert out == ""
    assert process.returncode == StoppedError.exit_code == 130
    assert err.startswith("Stopped: stopped by SIGINT\n  next: ")


def test_who_has_seen_enough_of_the_log_is_not_told_off(aws: StrictAws, trial: Trial) -> None:
    append(aws, "was there")
    with following(trial) as (process, lines):
        next(lines)
        assert process.stdout
        process.stdout.close()
        append(aws, "nobody reads this")
        assert process.wait(MAX_SECONDS) == 0
        assert process.stderr
        assert process.stderr.read() == ""
        process.stdout = None
