"""What is broken on command breaks as it was told, and everything that is asked is seen."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError

from tests.deploy.aws_requests import refused, registry
from tests.support.aws import Change, Delay, Drop, Fail, Hang, LoseAnswer, Meanwhile, StrictAws


def test_requests_that_no_client_makes_are_refused_and_told() -> None:
    with StrictAws() as aws:
        functions = aws.client("lambda")
        functions.meta.events.register("before-parameter-build.lambda.ListFunctions", _no_validation)
        functions.meta.events.register("before-sign.lambda.ListFunctions", _with_typo)
        with refused("ValidationException", "Typo"):
            functions.list_functions()
        assert len(aws.violations) == 1
        assert "Typo" in aws.violations[0]


def _no_validation(**_: object) -> None:
    """botocore would not send it."""


def _with_typo(request: Any, **_: object) -> None:
    request.url += "?Typo=1"


def test_answers_that_aws_never_gives_are_told() -> None:
    with StrictAws() as aws:
        aws.make_function("frames")
        functions = aws.client("lambda")
        with aws.rule(Change(lambda answer: answer.update(Surprise=1))), refused("InternalFailure"):
            functions.get_function(FunctionName="frames")
        with aws.rule(Fail("ImageNotFoundException")), refused("ImageNotFoundException"):
            functions.get_function(FunctionName="frames")
        assert len(aws.violations) == 2


def test_rules_act_on_the_calls_that_they_are_for(aws: StrictAws) -> None:
    aws.make_function("frames")
    functions = aws.client("lambda")
    with aws.rule(Fail("TooManyRequestsException"), "GetAlias", {"Name": "live"}, skip=1, times=1) as rule:
        functions.get_alias(FunctionName="frames", Name="live")
        with refused("TooManyRequestsException"):
            functions.get_alias(FunctionName="frames", Name="live")
        functions.get_alias(FunctionName="frames", Name="live")
    assert [(call.status, call.code) for call in rule.hits] == [(429, "TooManyRequestsException")]
    assert [call.status for call in aws.calls("GetAlias")] == [200, 429, 200]
    assert aws.changes() == []


def test_a_lost_answer_has_had_its_effect_and_a_dropped_call_has_not(aws: StrictAws) -> None:
    aws.make_function("frames")
    functions = aws.client("lambda")
    for action, memory in ((Drop(), 128), (LoseAnswer(), 256)):
        with aws.rule(action), pytest.raises(ConnectionClosedError):
            functions.update_function_configuration(FunctionName="frames", MemorySize=256)
        assert aws.do("GetFunctionConfiguration", FunctionName="frames")["MemorySize"] == memory
    assert [call.outcome for call in aws.changes()] == ["broken off"] * 2


def test_a_hanging_call_ends_with_the_account() -> None:
    with StrictAws() as aws:
        functions = aws.client("lambda")
        functions.meta.config.read_timeout = 1
        ended: list[Exception] = []

        def ask() -> None:
            try:
                functions.list_functions()
            except (ConnectionClosedError, ReadTimeoutError) as error:
                ended.append(error)

        with aws.rule(Hang()) as rule:
            thread = threading.Thread(target=ask)
            thread.start()
            _until(lambda: bool(rule.hits))
    thread.join(10)
    assert isinstance(ended[0], ConnectionClosedError)


def _until(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_somebody_else_can_be_quicker(aws: StrictAws) -> None:
    aws.make_function("frames")
    aws.release("frames", aws.put_image())
    functions = aws.client("lambda")
    known = functions.get_alias(FunctionName="frames", Name="live")["RevisionId"]
    theirs = Meanwhile(lambda: aws.do("UpdateAlias", FunctionName="frames", Name="live", Description="theirs"))
    with aws.rule(theirs, "UpdateAlias"), refused("PreconditionFailedException"):
        functions.update_alias(FunctionName="frames", Name="live", FunctionVersion="2", RevisionId=known)
    assert aws.do("GetAlias", FunctionName="frames", Name="live")["Description"] == "theirs"


def test_answers_can_be_changed_and_delayed(aws: StrictAws) -> None:
    aws.put_image(tag="v1")
    other = "sha256:" + "1" * 64
    with aws.rule(Change(lambda headers: headers.update({"Docker-Content-Digest": other})), "HeadManifest"):
        assert registry(aws, "HEAD", "/v2/app/manifests/v1")[1]["Docker-Content-Digest"] == other
    start = time.monotonic()
    with aws.rule(Delay(0.2), "DescribeRepositories"):
        aws.client("ecr").describe_repositories()
    assert time.monotonic() - start >= 0.2


_UPDATE = """
import boto3, sys
functions = boto3.client("lambda")
functions.get_function(FunctionName="frames")
functions.update_function_configuration(FunctionName="frames", MemorySize=256)
"""


@pytest.mark.parametrize(("after", "memory"), [(False, 128), (True, 256)])
def test_a_process_can_be_killed_at_the_border_of_a_call(aws: StrictAws, after: bool, memory: int) -> None:
    aws.make_function("frames")
    with aws.hold(skip=1, after=after) as held:
        process = subprocess.Popen([sys.executable, "-c", _UPDATE], env=aws.environment())
        call = held.arrived(process=process)
        assert call is not None
        assert call.operation == "UpdateFunctionConfiguration"
        process.kill()
        process.wait()
    assert aws.do("GetFunctionConfiguration", FunctionName="frames")["MemorySize"] == memory


def test_a_call_that_never_comes_is_not_waited_for(aws: StrictAws) -> None:
    aws.make_function("frames")
    with aws.hold(skip=2) as held:
        process = subprocess.Popen([sys.executable, "-c", _UPDATE], env=aws.environment())
        assert held.arrived(process=process) is None
        assert process.returncode == 0
