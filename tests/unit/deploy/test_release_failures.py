"""The ends of a release that fails: the error in whole, and everything as it was."""

from __future__ import annotations

import pytest

from tests.support.aws import Change, Drop, Fail, LoseAnswer, Meanwhile
from tests.support.aws.strict import ROLE
from tests.unit.deploy.release_scenario import BUSY, NAME, STATUS, Scenario, theirs

# The function cannot be used.


def test_a_function_that_is_missing_is_not_made_unasked(scenario: Scenario) -> None:
    scenario.aws.do("DeleteFunction", FunctionName=NAME)
    kind, message, then = scenario.deploy().failure
    assert (kind, message) == ("FunctionNotFound", "function frames is not there")
    assert then == "check --function and --region; deploy --create makes one"
    assert scenario.aws.changes() == []


def test_a_zip_function_is_refused(scenario: Scenario) -> None:
    with scenario.aws.rule(Change(lambda answer: answer["Configuration"].update(PackageType="Zip")), "GetFunction"):
        kind, message, then = scenario.deploy().failure
    assert (kind, message) == ("FunctionUnsuitable", "frames is a Zip function, and that never changes")
    assert "docs/from-the-zip.md" in then
    assert scenario.aws.changes() == []


@pytest.mark.parametrize(("place", "what"), [(3, "region"), (4, "account")])
def test_a_function_elsewhere_is_refused(scenario: Scenario, place: int, what: str) -> None:
    arn = scenario.version()["FunctionArn"].split(":")
    here, there = arn[place], "eu-north-1" if place == 3 else "999999999999"
    arn[place] = there
    with scenario.aws.rule(
        Change(lambda answer: answer["Configuration"].update(FunctionArn=":".join(arn))), "GetFunction"
    ):
        ended = scenario.deploy()
    assert ended.failure == (
        "FunctionUnsuitable",
        f"the repository is in {what} {here}, the function in {what} {there}",
        f"use a repository of the function's {what} (--region, --profile)",
    )
    assert scenario.aws.changes() == []


@pytest.mark.parametrize("state", ["Deleting", "Deactivated"])
def test_a_function_that_is_going_away_is_refused(scenario: Scenario, state: str) -> None:
    with scenario.aws.rule(Change(lambda answer: answer["Configuration"].update(State=state)), "GetFunction"):
        ended = scenario.deploy()
    assert ended.failure == ("FunctionNotReady", f"frames is {state.lower()}", "deploy to another one")


def test_a_function_that_never_becomes_ready_is_given_up(scenario: Scenario) -> None:
    pending = Change(
        lambda answer: answer["Configuration"].update(State="Pending", StateReasonCode="Creating", StateReason="Busy.")
    )
    with scenario.aws.rule(pending, "GetFunction"):
        ended = scenario.deploy("--wait", "7s")
    assert ended.failure == (
        "FunctionNotReady",
        "frames is still not ready after 7 s (state Pending, last update Successful)",
        "wait; --wait SECONDS waits longer",
    )
    assert scenario.pauses == [1] * 6


def test_a_function_that_failed_for_its_own_reasons_is_refused(scenario: Scenario) -> None:
    scenario.aws.set_state(NAME, State="Failed", StateReasonCode="InvalidSubnet", StateReason="No subnet.")
    ended = scenario.deploy()
    assert ended.failure == (
        "UpdateFailed",
        "making frames failed (InvalidSubnet: No subnet)",
        "read Lambda's message, and look at the function's configuration",
    )
    assert ended.detail == {"reason": "InvalidSubnet"}
    assert scenario.aws.changes() == []


@pytest.mark.parametrize("code", ["ImageDeleted", "ImageAccessDenied", "InvalidImage"])
def test_a_function_that_failed_by_its_image_gets_another(scenario: Scenario, code: str) -> None:
    scenario.aws.set_state(NAME, State="Failed", StateReasonCode=code)
    assert scenario.deploy("--no-smoke").code == 0
    assert scenario.alias() == ("2", {})


def test_a_failed_update_to_the_same_image_is_made_again(scenario: Scenario) -> None:
    scenario.aws.set_state(NAME, LastUpdateStatus="Failed", LastUpdateStatusReasonCode="ImageAccessDenied")
    assert scenario.deploy("--no-smoke", "--memory", "2048", digest=scenario.first.digest).code == 0
    assert scenario.operations("UpdateFunctionCode") == ["UpdateFunctionCode"]


@pytest.mark.parametrize("operation", ["UpdateFunctionCode", "UpdateFunctionConfiguration"])
def test_an_update_that_lambda_cannot_carry_out_is_put_back(scenario: Scenario, operation: str) -> None:
    before = scenario.state
    scenario.aws.fail_next(operation, "InvalidImage", "Bad layer.")
    ended = scenario.deploy("--memory", "2048")
    kind, message, _ = ended.failure
    what = "the code" if operation == "UpdateFunctionCode" else "MemorySize"
    assert (kind, message) == (
        "UpdateFailed",
        f"updating {what} of $LATEST failed (InvalidImage: Bad layer)",
    )
    assert scenario.state == before
    assert ended.steps[-1][0] == "Put back the code of $LATEST"


# Others are at work.


@pytest.mark.parametrize(
    ("operation", "what"),
    [
        ("UpdateFunctionCode", "AWS"),
        ("UpdateAlias", theirs("alias live is no longer as it was read")),
    ],
)
def test_a_change_that_meets_another_revision_is_a_conflict(scenario: Scenario, operation: str, what: str) -> None:
    before = scenario.state
    with scenario.aws.rule(Fail("PreconditionFailedException"), operation, times=1):
        ended = scenario.deploy()
    kind, message, then = ended.failure
    assert kind == "Conflict"
    assert message == what or operation == "UpdateFunctionCode"
    assert then == STATUS or operation == "UpdateFunctionCode"
    assert scenario.state == before


def test_an_alias_that_somebody_else_makes_is_theirs(scenario: Scenario) -> None:
    def make() -> None:
        scenario.aws.do("CreateAlias", FunctionName=NAME, Name="next", FunctionVersion="1")

    with scenario.aws.rule(Meanwhile(make), "CreateAlias", times=1):
        ended = scenario.deploy("--alias", "next")
    assert ended.failure == ("Conflict", theirs("alias next is no longer as it was read"), STATUS)
    assert scenario.alias("next") == ("1", {})


def test_a_function_that_somebody_else_makes_is_theirs(scenario: Scenario) -> None:
    scenario.aws.do("DeleteFunction", FunctionName=NAME)
    made = Meanwhile(lambda: scenario.aws.make_function(NAME, scenario.first))
    with scenario.aws.rule(made, "CreateFunction", times=1):
        ended = scenario.deploy("--create", "--role", ROLE)
    assert ended.failure == ("Conflict", theirs("frames was not there, and now is"), STATUS)
    assert scenario.version()["digest"] == scenario.first.digest


def test_a_function_whose_first_answer_was_lost_is_ours(scenario: Scenario) -> None:
    scenario.aws.do("DeleteFunction", FunctionName=NAME)
    with scenario.aws.rule(LoseAnswer(), "CreateFunction", times=1):
        assert scenario.deploy("--create", "--role", ROLE, "--no-smoke").code == 0
    assert scenario.alias() == ("1", {})


def test_code_that_somebody_else_changes_meanwhile_is_kept(scenario: Scenario) -> None:
    other = scenario.aws.put_image(repository="theirs")

    def change() -> None:
        scenario.aws.do("UpdateFunctionCode", FunctionName=NAME, ImageUri=scenario.uri(other))

    with scenario.aws.rule(Meanwhile(change), "UpdateFunctionConfiguration", times=1):
        ended = scenario.deploy("--memory", "2048")
    assert ended.failure[0] == "Conflict"
    assert scenario.version()["digest"] == other.digest
    assert scenario.alias() == ("1", {})
    assert scenario.operations("PublishVersion") == []


def test_settings_that_somebody_else_changes_meanwhile_are_named(scenario: Scenario) -> None:
    def change() -> None:
        scenario.aws.do("UpdateFunctionConfiguration", FunctionName=NAME, Timeout=77)

    with (
        scenario.aws.rule(BUSY, "UpdateFunctionCode", times=1),
        scenario.aws.rule(Meanwhile(change), "GetFunction", skip=2, times=1),
    ):
        ended = scenario.deploy()
    assert ended.failure == ("Conflict", theirs("$LATEST of frames has another Timeout"), STATUS)
    assert scenario.version()["Timeout"] == 77


def test_code_that_is_not_the_one_that_was_sent_is_a_conflict(scenario: Scenario) -> None:
    other = scenario.uri(scenario.aws.put_image())
    edit = Change(lambda answer: answer["Code"].update(ResolvedImageUri=other))
    with scenario.aws.rule(edit, "GetFunction", skip=2):
        ended = scenario.deploy()
    digest = other.partition("@")[2]
    assert ended.failure == ("Conflict", theirs(f"$LATEST of frames runs {digest}"), STATUS)
    assert scenario.operations("PublishVersion") == []


def test_a_version_that_is_not_what_was_deployed_is_a_conflict(scenario: Scenario) -> None:
    edit = Change(lambda answer: answer["Configuration"].update(MemorySize=128))
    before = scenario.state
    with scenario.aws.rule(edit, "GetFunction", {"Qualifier": "2"}):
        ended = scenario.deploy()
    assert ended.failure == ("Conflict", theirs("version 2 of frames is not what was deployed"), STATUS)
    assert scenario.state == before


def test_a_canary_of_another_image_is_left_alone(scenario: Scenario) -> None:
    second = scenario.aws.release(NAME, scenario.aws.put_image())
    weights = {"AdditionalVersionWeights": {second: 0.25}}
    scenario.aws.do("UpdateAlias", FunctionName=NAME, Name="live", RoutingConfig=weights)
    ended = scenario.deploy()
    assert ended.failure == (
        "Conflict",
        "a canary of another image is under way: alias live is at version 1, 25% to version 2",
        "end it: `ecr-push rollback --function frames`",
    )
    assert scenario.aws.changes() == []


def test_an_alias_at_latest_cannot_have_a_canary(scenario: Scenario) -> None:
    scenario.aws.do("UpdateAlias", FunctionName=NAME, Name="live", FunctionVersion="$LATEST", RoutingConfig={})
    ended = scenario.deploy("--canary", "10%")
    assert ended.failure == (
        "Usage",
        "alias live is at $LATEST, which cannot share traffic with a version",
        "deploy without --canary once",
    )
    assert scenario.aws.changes() == []


def test_an_alias_that_is_moved_during_the_last_smoke_test_stays_there(scenario: Scenario) -> None:
    def move() -> None:
        scenario.aws.do("UpdateAlias", FunctionName=NAME, Name="live", FunctionVersion="1", RoutingConfig={})

    with scenario.aws.rule(Meanwhile(move), "Invoke", {"Qualifier": "live"}, times=1):
        ended = scenario.deploy()
    assert ended.failure == (
        "Conflict",
        theirs("alias live, which was sent to version 2, is at version 1"),
        STATUS,
    )


def test_an_alias_that_was_moved_away_and_back_during_the_last_smoke_test_is_a_conflict(scenario: Scenario) -> None:
    def move() -> None:
        for version in ("1", "2"):
            scenario.aws.do("UpdateAlias", FunctionName=NAME, Name="live", FunctionVersion=version, RoutingConfig={})

    with scenario.aws.rule(Meanwhile(move), "Invoke", {"Qualifier": "live"}, times=1):
        assert scenario.deploy().failure[0] == "Conflict"


def test_an_alias_that_is_deleted_during_the_last_smoke_test_is_a_conflict(scenario: Scenario) -> None:
    def delete() -> None:
        scenario.aws.do("DeleteAlias", FunctionName=NAME, Name="live")

    with scenario.aws.rule(Meanwhile(delete), "Invoke", {"Qualifier": "live"}, times=1):
        assert scenario.deploy().failure[0] == "Conflict"


# Busy, lost, throttled.


def test_a_busy_function_is_asked_again(scenario: Scenario) -> None:
    with scenario.aws.rule(BUSY, "UpdateFunctionCode", times=4):
        assert scenario.deploy().code == 0
    first, second, third, fourth = scenario.pauses[:4]
    assert 0.5 <= first <= 1
    assert 1 <= second <= 2
    assert 2 <= third <= 4
    assert 4 <= fourth <= 8


def test_pauses_do_not_grow_beyond_ten_seconds(scenario: Scenario) -> None:
    with scenario.aws.rule(BUSY, "PublishVersion", times=7):
        assert scenario.deploy().code == 0
    assert 5 <= scenario.pauses[6] <= 10


def test_a_function_that_stays_busy_is_given_up(scenario: Scenario) -> None:
    before = scenario.state
    with scenario.aws.rule(BUSY, "UpdateFunctionCode"):
        ended = scenario.deploy("--wait", "30s")
    assert ended.failure == ("FunctionNotReady", "frames was still busy after 30 s", "--wait TIME waits longer")
    assert 30 <= sum(scenario.pauses) < 41
    assert scenario.state == before
    assert ended.failed_steps == ["Update the code of $LATEST"]


@pytest.mark.parametrize("operation", ["UpdateFunctionCode", "UpdateFunctionConfiguration", "UpdateAlias"])
@pytest.mark.parametrize("times", [1, 4])
def test_a_change_whose_answers_are_lost_is_found(scenario: Scenario, operation: str, times: int) -> None:
    with scenario.aws.rule(LoseAnswer(), operation, times=times):
        ended = scenario.deploy("--memory", "2048")
    assert ended.code == 0, ended
    assert scenario.alias() == ("2", {})


@pytest.mark.parametrize("operation", ["UpdateFunctionCode", "UpdateFunctionConfiguration", "PublishVersion"])
def test_a_change_that_never_gets_through_leaves_everything(scenario: Scenario, operation: str) -> None:
    before = scenario.state
    with scenario.aws.rule(Drop(), operation):
        ended = scenario.deploy("--memory", "2048")
    assert ended.failure[0] == "AwsUnavailable"
    assert scenario.state == before


def test_an_alias_that_may_have_moved_is_put_back(scenario: Scenario) -> None:
    before = scenario.state
    with (
        scenario.aws.rule(LoseAnswer(), "UpdateAlias", times=4),
        scenario.aws.rule(Drop(), "GetAlias", skip=1, times=4),
    ):
        ended = scenario.deploy()
    assert ended.failure[0] == "AwsUnavailable"
    assert scenario.state == before
    assert ("Put back alias live", "") in ended.steps


def test_what_a_refused_change_has_not_done_is_not_put_back(scenario: Scenario) -> None:
    with scenario.aws.rule(Fail("InvalidParameterValueException", "No."), "UpdateFunctionCode"):
        ended = scenario.deploy()
    assert ended.failure[0] == "AwsRefused"
    assert not [step for step, _ in ended.steps if step.startswith("Put back")]
    assert len(scenario.aws.calls("UpdateFunctionCode")) == 1
