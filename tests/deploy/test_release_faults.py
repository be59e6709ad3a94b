"""What Lambda and the way to it may do to a deploy: lost answers, functions that are busy or unfit, failed updates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deploy.errors import (
    AwsRefusedError,
    AwsUnavailableError,
    DeployError,
    FunctionNotFoundError,
    FunctionNotReadyError,
    FunctionUnsuitableError,
    NotRestoredError,
    ReleaseUndoneError,
    UpdateFailedError,
)
from deploy.release.function import REMEDIES
from tests.deploy.each import cases, each
from tests.deploy.scenario import CANARY, CREATE, NAME, WANTED, Scenario, scenario
from tests.support.aws import Answer, Drop, Fail, LoseAnswer, Meanwhile, SampleImage, StrictAws, samples
from tests.support.aws.rules import Action
from tests.support.aws.strict import ROLE

CHANGING = {
    "UpdateFunctionCode": (*WANTED, *CANARY),
    "UpdateFunctionConfiguration": (*WANTED, *CANARY),
    "PublishVersion": (*WANTED, *CANARY),
    "UpdateAlias": (*WANTED, *CANARY),
    "CreateFunction": (*CREATE, *WANTED),
    "CreateAlias": (*CREATE, *WANTED),
}
ONCE: dict[str, Action] = {
    "lost answer": LoseAnswer(),
    "reset": Drop(),
    "throttled": Fail("TooManyRequestsException"),
    "error of AWS": Fail("ServiceException"),
}


def unavailable(operation: str) -> Action:
    return Fail("TooManyRequestsException") if operation == "PublishVersion" else Drop()


# Row 23 and its kin: the way to AWS, and AWS itself.


@pytest.mark.parametrize("fault", ONCE)
@cases("arguments", CHANGING)
def test_a_call_that_fails_on_the_way_is_repeated_and_its_effect_is_found(
    tmp_path: Path, fault: str, name: str, arguments: tuple[str, ...]
) -> None:
    with scenario(tmp_path / name, *arguments, function="--create" not in arguments) as made:
        with made.aws.rule(ONCE[fault], name, times=1) as rule:
            ended = made.run()
        assert rule.hits
        made.require_deployed(ended)


@cases("arguments", CHANGING)
def test_a_call_whose_answers_are_all_lost_is_looked_for(tmp_path: Path, name: str, arguments: tuple[str, ...]) -> None:
    with scenario(tmp_path / name, *arguments, function="--create" not in arguments) as made:
        with made.aws.rule(LoseAnswer(), name, times=4):
            ended = made.run()
        made.require_deployed(ended)


@cases("arguments", CHANGING)
def test_a_call_that_never_gets_through_leaves_everything_as_it_was(
    tmp_path: Path, name: str, arguments: tuple[str, ...]
) -> None:
    with scenario(tmp_path / name, *arguments, function="--create" not in arguments) as made:
        with made.aws.rule(unavailable(name), name, times=4):
            ended = made.run()
        made.require_failed(ended, AwsUnavailableError, kept=name != "CreateAlias")
        assert made.now.alias == made.before.alias
        made.require_convergence()


def test_a_call_that_is_not_allowed_is_named_and_nothing_is_half_done(tmp_path: Path) -> None:
    with scenario(tmp_path / "whole", *WANTED, *CANARY) as made:
        made.require_deployed(made.run())
        calls = [call for call in made.aws.calls() if call.service in {"lambda", "monitoring", "cloudwatch"}]
    names = {call.operation for call in calls}
    assert len(names) >= 9

    def test(name: str, _: None) -> None:
        action = {"Invoke": "lambda:InvokeFunction", "GetMetricData": "cloudwatch:GetMetricData"}
        policy = {
            "Statement": [
                {"Effect": "Allow", "Action": "*", "Resource": "*"},
                {"Effect": "Deny", "Action": action.get(name, f"lambda:{name}"), "Resource": "*"},
            ]
        }
        with scenario(tmp_path / name, *WANTED, *CANARY) as made:
            made.aws.allow(made.aws.deployer, policy)
            ended = made.run()
            undone = name == "GetProvisionedConcurrencyConfig"
            assert ended.code in ({ReleaseUndoneError.exit_code} if undone else {21}), ended
            assert name.removeprefix("Invoke") in ended.err
            assert made.now == made.before
            made.aws.allow(made.aws.deployer, None)
            made.require_convergence()

    each(dict.fromkeys(sorted(names)), test)


# Row 16: ResourceConflictException.


@cases("arguments", {name: CHANGING[name] for name in list(CHANGING)[:3]})
def test_a_busy_function_is_waited_for(tmp_path: Path, name: str, arguments: tuple[str, ...]) -> None:
    with scenario(tmp_path / name, *arguments) as made:
        with made.aws.rule(Fail("ResourceConflictException"), name, times=2) as rule:
            ended = made.run()
        assert len(rule.hits) == 2
        made.require_deployed(ended)


@cases("arguments", {name: CHANGING[name] for name in ("UpdateFunctionConfiguration", "PublishVersion")})
def test_a_function_that_stays_busy_ends_the_deploy_in_time(
    tmp_path: Path, name: str, arguments: tuple[str, ...]
) -> None:
    with scenario(tmp_path / name, *arguments, "--wait", "1s") as made:
        with made.aws.rule(Fail("ResourceConflictException"), name, times=None):
            ended = made.run()
        made.require_failed(ended, FunctionNotReadyError, "busy", kept=name != "UpdateFunctionCode")
        made.require_convergence()


# Row 17: updates that Lambda takes and then cannot carry out.


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        ("UpdateFunctionCode", "ImageAccessDenied"),
        ("UpdateFunctionCode", "InvalidImage"),
        ("UpdateFunctionCode", "FunctionError.InitTimeout"),
        ("UpdateFunctionConfiguration", "EniLimitExceeded"),
        ("PublishVersion", "FunctionError.RuntimeInitError"),
        ("PublishVersion", "InternalError"),
    ],
)
def test_an_update_that_fails_is_told_with_its_reason_and_put_back(tmp_path: Path, operation: str, code: str) -> None:
    with scenario(tmp_path / "it", *WANTED) as made:
        made.aws.fail_next(operation, code, "words of Lambda's own")
        ended = made.run()
        made.require_failed(ended, UpdateFailedError, f"({code}: words of Lambda's own)")
        then = REMEDIES.get(code, "read Lambda's message, and look at the function's configuration")
        assert then.partition("`")[0] in ended.err.splitlines()[-1], "commands in it are completed"
        assert bool(made.aws.calls("PublishVersion")) == (operation == "PublishVersion")
        assert not made.aws.calls("Invoke")
        made.require_convergence()


def test_a_function_that_cannot_be_made_is_told_with_its_reason(tmp_path: Path) -> None:
    with scenario(tmp_path / "it", *CREATE, function=False) as made:
        made.aws.fail_next("CreateFunction", "ImageAccessDenied")
        made.require_failed(made.run(), UpdateFailedError, "ImageAccessDenied", kept=False)
        assert made.now.alias is None
        made.require_convergence()


# Row 13: the image goes away.


def delete(made: Scenario, image: SampleImage) -> None:
    made.aws.do("BatchDeleteImage", repositoryName="app", imageIds=[{"imageDigest": image.digest}])


def test_an_image_that_is_deleted_before_the_update_is_told(tmp_path: Path) -> None:
    with scenario(tmp_path / "it") as made:
        with made.aws.rule(Meanwhile(lambda: delete(made, made.image)), "UpdateFunctionCode", times=1):
            ended = made.run()
        made.require_failed(ended, AwsRefusedError, "does not exist")
        made.aws.put_image(made.image)
        made.require_convergence()


def test_what_cannot_be_put_back_is_named(tmp_path: Path) -> None:
    def code(name: str, _: None) -> None:
        with scenario(tmp_path / name) as made:
            old = made.before.digest
            made.aws.answer(Answer({"errorMessage": "no"}, error="Unhandled"), version="2")
            gone = Meanwhile(
                lambda: made.aws.do("BatchDeleteImage", repositoryName="app", imageIds=[{"imageDigest": old}])
            )
            with made.aws.rule(gone, "Invoke", times=1):
                ended = made.run()
            made.require_failed(ended, NotRestoredError, "could not be put back: the code of $LATEST", kept=False)
            assert (made.now.alias, made.now.weights) == ("1", {})
            assert made.now.digest == made.image.digest

    def alias(name: str, failing: Action) -> None:
        with scenario(tmp_path / name, *WANTED) as made:
            made.aws.answer(Answer({"errorMessage": "no"}, error="Unhandled"), version="2")
            made.aws.answer(Answer({}), version="2", times=1)
            with made.aws.rule(failing, "UpdateAlias", skip=1):
                ended = made.run()
            made.require_failed(ended, NotRestoredError, "could not be put back: alias live", kept=False)
            assert made.now.alias == "2"
            assert (made.now.digest, made.now.settings) == (made.before.digest, made.before.settings)
            again = made.run()
            assert again.code == 0, again
            assert made.now.alias == "2"

    each({"code": None}, code)
    each({"refused": Fail("InvalidParameterValueException"), "reset": Drop(), "error": Fail("ServiceException")}, alias)


@pytest.mark.parametrize("fault", ONCE)
@cases("operation", {name: name for name in ("UpdateAlias", "UpdateFunctionConfiguration", "UpdateFunctionCode")})
def test_a_fault_while_things_are_put_back_is_got_over(tmp_path: Path, fault: str, name: str, operation: str) -> None:
    with scenario(tmp_path / name, *WANTED) as made:
        made.aws.answer(Answer({"errorMessage": "no"}, error="Unhandled"), version="2")
        made.aws.answer(Answer({}), version="2", times=1)
        with made.aws.rule(ONCE[fault], operation, skip=1, times=1) as rule:
            ended = made.run()
        assert rule.hits
        made.require_failed(ended, ReleaseUndoneError)


def test_an_update_that_takes_for_ever_is_told_and_the_alias_stays(tmp_path: Path) -> None:
    with scenario(tmp_path / "it", "--wait", "1s") as made:
        made.aws.takes("UpdateFunctionCode", seconds=6)
        ended = made.run()
        made.require_failed(ended, NotRestoredError, "the code of $LATEST", kept=False)
        assert made.now.alias == "1"
        made.aws.takes("UpdateFunctionCode")
        made.arguments = ("--wait", "20s")
        made.require_convergence()


# Row 14: functions that no deploy fits.


def unsuitable_zip(aws: StrictAws) -> None:
    aws.do("DeleteFunction", FunctionName=NAME)
    code: dict[str, Any] = {"ZipFile": b"zip"}
    aws.do("CreateFunction", FunctionName=NAME, Role=ROLE, Code=code, Runtime="python3.13", Handler="a.b")


def unsuitable_architecture(aws: StrictAws) -> None:
    aws.do("DeleteFunction", FunctionName=NAME)
    aws.make_function(NAME, aws.put_image(samples.make("arm64")))


def unsuitable_region(aws: StrictAws) -> None:
    aws.set_state(NAME, FunctionArn=f"arn:aws:lambda:eu-west-1:123456789012:function:{NAME}")


def unsuitable_account(aws: StrictAws) -> None:
    aws.set_state(NAME, FunctionArn=f"arn:aws:lambda:us-east-1:210987654321:function:{NAME}")


def test_a_function_that_can_never_run_the_image_is_refused_before_any_change(tmp_path: Path) -> None:
    def missing(aws: StrictAws) -> None:
        aws.do("DeleteFunction", FunctionName=NAME)

    def test(name: str, case: tuple[Any, type[DeployError], str]) -> None:
        make, error, words = case
        with scenario(tmp_path / name) as made:
            make(made.aws)
            made.set()
            made.require_failed(made.run(), error, words)
            assert not made.aws.changes()

    cases = {
        "missing": (missing, FunctionNotFoundError, NAME),
        "zip": (unsuitable_zip, FunctionUnsuitableError, "Zip"),
        "architecture": (unsuitable_architecture, FunctionUnsuitableError, "arm64"),
        "region": (unsuitable_region, FunctionUnsuitableError, "eu-west-1"),
        "account": (unsuitable_account, FunctionUnsuitableError, "210987654321"),
    }
    each(cases, test)


# Row 15: states.


def test_a_state_that_passes_is_waited_for_and_one_that_can_be_mended_is_mended(tmp_path: Path) -> None:
    def pending(aws: StrictAws) -> None:
        aws.do("DeleteFunction", FunctionName=NAME)
        image = aws.image_uri(aws.put_image())
        aws.do("CreateFunction", FunctionName=NAME, Role=ROLE, PackageType="Image", Code={"ImageUri": image})

    def updating(aws: StrictAws) -> None:
        aws.do("UpdateFunctionConfiguration", FunctionName=NAME, Timeout=9)

    def inactive(aws: StrictAws) -> None:
        aws.set_state(NAME, State="Inactive", StateReasonCode="Idle", StateReason="The function is idle.")

    def update_failed(aws: StrictAws) -> None:
        aws.set_state(NAME, LastUpdateStatus="Failed", LastUpdateStatusReasonCode="InvalidImage")

    def without_image(aws: StrictAws) -> None:
        aws.set_state(NAME, State="Failed", StateReasonCode="ImageDeleted")

    def test(name: str, make: Any) -> None:
        with scenario(tmp_path / name) as made:
            make(made.aws)
            made.require_deployed(made.run())

    each({make.__name__: make for make in (pending, updating, inactive, update_failed, without_image)}, test)


def test_a_state_that_does_not_pass_ends_the_deploy_before_any_change(tmp_path: Path) -> None:
    cases: dict[str, tuple[dict[str, str], type[DeployError], str]] = {
        "pending": ({"State": "Pending", "StateReasonCode": "Creating"}, FunctionNotReadyError, "after 1 s"),
        "updating": ({"LastUpdateStatus": "InProgress"}, FunctionNotReadyError, "after 1 s"),
        "failed": ({"State": "Failed", "StateReasonCode": "EniLimitExceeded"}, UpdateFailedError, "EniLimitExceeded"),
        "deleting": ({"State": "Deleting"}, FunctionNotReadyError, "deleting"),
    }

    def test(name: str, case: tuple[dict[str, str], type[DeployError], str]) -> None:
        members, error, words = case
        with scenario(tmp_path / name, "--wait", "1s") as made:
            made.aws.set_state(NAME, **members)
            made.set()
            made.require_failed(made.run(), error, words)
            assert not made.aws.changes()

    each(cases, test)
