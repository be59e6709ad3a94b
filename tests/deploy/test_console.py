"""What is shown and recorded, whatever becomes of the terminal, the disk and the words of others."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.errors import JournalError, ReleaseUndoneError, SmokeFailedError, StoppedError
from tests.deploy import onterminal
from tests.deploy.tool import MAX_SECONDS, ROOT, Tool
from tests.deploy.trial import Trial, traffic
from tests.support.aws import Answer, StrictAws

DEPLOY = ("deploy", "--repository", "app", "--function", "frames")
BROKEN = Answer({"errorType": "Broken", "errorMessage": "line one\nline \x1b[2Jtwo"}, error="Unhandled")


@pytest.fixture
def digest(aws: StrictAws) -> str:
    """Of an image that is not deployed; version 1 of `frames` is another."""
    aws.make_function("frames")
    return aws.put_image().digest


def latest(aws: StrictAws) -> str:
    return aws.store.functions["frames"].latest.digest


# The journal.


def test_the_journal_has_every_step_and_call(aws: StrictAws, trial: Trial, digest: str) -> None:
    shown = trial.succeeds(*DEPLOY, "--digest", digest, "--env", "TOKEN=secret")
    lines = trial.lines
    steps = [(line["event"], line["step"]) for line in lines if line["event"] in ("begin", "done")]
    assert steps == [(event, step) for _, step in steps[::2] for event in ("begin", "done")]
    lines_of_steps = [line for line in shown.err.splitlines() if not line.startswith(" ")]
    assert [line.partition("  ")[0][2:] for line in lines_of_steps] == [step for _, step in steps[::2]]
    assert sum(line["event"] == "call" for line in lines) == len(
        [c for c in aws.calls() if c.service in ("ecr", "lambda")]
    )
    assert lines[-1]["event"] == "result"
    assert lines[-1]["result"]["version"] == "2"
    assert len({line["run"] for line in lines}) == 1
    assert "secret" not in trial.journal.read_text()


def test_a_failure_is_in_the_journal_with_the_step_that_failed(aws: StrictAws, trial: Trial, digest: str) -> None:
    aws.answer(BROKEN)
    trial.fails(SmokeFailedError, *DEPLOY, "--digest", digest)
    failed = [line for line in trial.lines if line["event"] == "failed"]
    assert [(line["step"], line["error"]) for line in failed] == [("Ask frames:2", "SmokeFailedError")]
    assert [line["step"] for line in trial.lines if line["event"] == "begin"][-1] == "Put back the code of $LATEST"


@pytest.mark.parametrize("path", ["/nowhere/journal", "/dev/full"])
def test_without_a_journal_nothing_is_begun(aws: StrictAws, tool: Tool, digest: str, path: str) -> None:
    ended = tool.run(*DEPLOY, "--digest", digest, "--journal", path)
    assert (ended.code, ended.error) == (JournalError.exit_code, "Journal")
    assert "the journal cannot be written" in ended.err
    assert aws.calls() == []


@pytest.mark.parametrize("blocks", [3, 6, 9])
def test_a_disk_that_gets_full_ends_the_deploy_and_all_is_put_back(
    aws: StrictAws, tool: Tool, tmp_path: Path, digest: str, blocks: int
) -> None:
    before = traffic(aws), latest(aws)
    command = [sys.executable, str(ROOT / "ecr_push.py"), *DEPLOY, "--digest", digest, "--journal", "journal"]
    limited = ["sh", "-c", f"ulimit -f {blocks}; exec {shlex.join(command)}"]
    ended = subprocess.run(
        limited, cwd=tmp_path, env={**os.environ, **tool.environment}, capture_output=True, text=True
    )
    assert ended.returncode in (JournalError.exit_code, ReleaseUndoneError.exit_code), ended.stderr
    assert "the journal cannot be written: File too large" in ended.stderr
    assert (traffic(aws), latest(aws)) == before
    assert all(json.loads(line) for line in (tmp_path / "journal").read_text().splitlines()[:-1])


def test_a_journal_may_be_a_pipe(trial: Trial, digest: str) -> None:
    ended = trial.tool.run(*DEPLOY, "--digest", digest, "--journal", "/dev/stdout", "--json")
    assert ended.code == 0
    assert json.loads(ended.out.splitlines()[0])["event"] == "call"


# Who reads it.


@pytest.mark.parametrize("fails", [False, True])
def test_a_deploy_goes_on_when_nobody_reads_what_it_says(aws: StrictAws, tool: Tool, digest: str, fails: bool) -> None:
    if fails:
        aws.answer(BROKEN)
    reading, writing = os.pipe()
    process = tool.start(*DEPLOY, "--digest", digest, "--verbose", output=writing)
    os.close(writing)
    os.close(reading)
    assert process.wait(MAX_SECONDS) == (SmokeFailedError.exit_code if fails else 0)
    assert traffic(aws) == {"frames:live": ("1" if fails else "2", {})}
    assert (latest(aws) == digest) is not fails


def test_streams_that_know_no_unicode_are_no_obstacle(trial: Trial, digest: str) -> None:
    tool = Tool({**trial.tool.environment, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}, trial.tool.home)
    ended = tool.run(*DEPLOY, "--digest", digest)
    assert ended.code == 0
    assert "\\u2713 Read function frames" in ended.err


def test_words_of_others_are_shown_in_one_line_and_not_obeyed(aws: StrictAws, trial: Trial, digest: str) -> None:
    aws.answer(BROKEN)
    ended = trial.fails(SmokeFailedError, *DEPLOY, "--digest", digest)
    assert "\x1b" not in ended.out + ended.err
    assert "Broken: line one line \\x1b[2Jtwo" in ended.err.splitlines()[-2]


def test_a_terminal_gets_colours_and_a_step_a_line(aws: StrictAws, tool: Tool, digest: str) -> None:
    screen = onterminal.run(tool, *DEPLOY, "--digest", digest)
    assert screen.code == 0
    assert "\x1b[32m✓\x1b[0m Move alias live to version 2" in screen.text
    plain = onterminal.run(tool, *DEPLOY, "--digest", digest, more={"NO_COLOR": "1"})
    assert "\x1b[32m" not in plain.text
    assert traffic(aws) == {"frames:live": ("2", {})}


def test_verbose_shows_every_call_and_no_secret(aws: StrictAws, trial: Trial, digest: str) -> None:
    shown = trial.succeeds(*DEPLOY, "--digest", digest, "--env", "TOKEN=secret", "--verbose").err
    assert shown.count("  lambda:") + shown.count("  ecr:") == len(
        [c for c in aws.calls() if c.service in ("ecr", "lambda")]
    )
    assert "Environment={'Variables': {'TOKEN': '…'}}" in shown
    assert "secret" not in shown


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("deploy", "--repository", "app", "--function", "frames", "--digest", "DIGEST"), 0),
        (("deploy", "--repository", "none", "--function", "frames", "--digest", "DIGEST"), 30),
        (("deploy", "--repository", "app", "--function", "none", "--digest", "DIGEST"), 40),
        (("rollback", "--function", "frames"), 60),
        (("status", "--function", "frames"), 0),
        (("status", "--function", "none"), 40),
        (("prune", "--repository", "app", "--keep", "0"), 0),
        (("logs", "--function", "frames"), 40),
        (("policy", "deploy"), 0),
        (("check", "no-such-image.tar"), 11),
    ],
)
def test_programs_get_one_document_however_it_ends(
    trial: Trial, digest: str, arguments: tuple[str, ...], code: int
) -> None:
    asked = [digest if argument == "DIGEST" else argument for argument in arguments]
    ended = trial.run(*asked, "--json")
    assert ended.code == code, ended
    assert ("error" in ended.document) is (code != 0)
    if code:
        assert ended.document["error"]["exit_code"] == code
        assert ended.document["error"]["next"]


def test_a_question_that_is_stopped_deletes_nothing(aws: StrictAws, tool: Tool, digest: str) -> None:
    screen = onterminal.run(tool, "prune", "--repository", "app", "--keep", "0", "--younger", "0s", stop_at="[y/N]")
    assert screen.code == StoppedError.exit_code
    assert "Stopped: stopped by SIGINT" in screen.text
    assert digest in aws.ecr_state.repositories["app"].manifests
