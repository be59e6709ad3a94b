"""The steps of a release that succeeds: calls, their parameters, what is noted, and what is the result."""

from __future__ import annotations

import pytest

from deploy.release import latest
from tests.deploy.scenario import AT_ONCE
from tests.support.aws import Answer, Fail, samples
from tests.support.aws.strict import ROLE
from tests.unit.deploy.release_scenario import NAME, Scenario

CHANGES = (
    "CreateFunction",
    "UpdateFunctionCode",
    "UpdateFunctionConfiguration",
    "PublishVersion",
    "CreateAlias",
    "UpdateAlias",
    "Invoke",
)


def test_a_release_updates_publishes_asks_moves_and_asks_again(scenario: Scenario) -> None:
    ended = scenario.deploy("--memory", "2048", "--env", "MODE=new", "--json")
    assert ended.code == 0, ended
    assert scenario.operations(*CHANGES) == [*CHANGES[1:4], "Invoke", "UpdateAlias", "Invoke"]
    assert scenario.asked("UpdateFunctionCode") == [{"ImageUri": scenario.uri()}]
    variables = {"Variables": {"KEPT": "yes", "MODE": "new"}}
    assert scenario.asked("UpdateFunctionConfiguration") == [{"MemorySize": 2048, "Environment": variables}]
    description = f"ecr_push {scenario.image.digest}"
    assert scenario.asked("PublishVersion") == [{"Description": description}]
    assert scenario.asked("UpdateAlias") == [
        {
            "Name": "live",
            "FunctionVersion": "2",
            "Description": "versions 2, 1",
            "RoutingConfig": {"AdditionalVersionWeights": {}},
        }
    ]
    assert [asked["Qualifier"] for asked in scenario.asked("Invoke")] == ["2", "live"]
    assert scenario.alias() == ("2", {})
    assert ended.document == {
        "function": NAME,
        "alias": "live",
        "version": "2",
        "image": scenario.uri(),
        "before": "version 1",
        "changed": True,
    }
    assert [step for step, _ in ended.steps] == [
        "Read function frames",
        "Update the code of $LATEST",
        "Update MemorySize, Environment of $LATEST",
        "Publish a version",
        "Ask frames:2",
        "Move alias live to version 2",
        "Look at provisioned concurrency",
        "Ask frames:live",
        "Read alias live back",
    ]
    notes = dict(ended.steps)
    assert notes["Read function frames"] == "alias live: version 1"
    assert notes["Publish a version"] == "version 2: 2048 MB, 3 s, /tmp 512 MB, variables: KEPT, MODE"
    assert notes["Look at provisioned concurrency"] == "none on the alias"
    assert notes["Ask frames:2"].startswith("answered in ")


def test_changes_carry_the_revision_that_was_read_last(scenario: Scenario) -> None:
    alias = scenario.aws.do("GetAlias", FunctionName=NAME, Name="live")["RevisionId"]
    latest = scenario.version()["RevisionId"]
    assert scenario.deploy("--memory", "2048").code == 0
    assert scenario.aws.calls("UpdateFunctionCode")[0].parameters["RevisionId"] == latest
    assert scenario.aws.calls("UpdateAlias")[0].parameters["RevisionId"] == alias
    revisions = [call.parameters.get("RevisionId") for call in scenario.aws.calls() if call.operation in CHANGES[1:4]]
    assert None not in revisions
    assert len(set(revisions)) == 3


def test_an_image_that_is_live_is_not_released_again(scenario: Scenario) -> None:
    assert scenario.deploy("--memory", "2048").code == 0
    ended = scenario.deploy("--memory", "2048", "--json")
    assert (ended.code, scenario.operations(*CHANGES)) == (0, [])
    assert (ended.document["changed"], ended.document["version"], ended.document["before"]) == (False, "2", "version 2")


@pytest.mark.parametrize("other", [("--memory", "4096"), ("--env", "MODE=new"), ("--snapstart", "on")])
def test_an_image_that_is_live_with_other_settings_is_released(scenario: Scenario, other: tuple[str, str]) -> None:
    assert scenario.deploy("--memory", "2048").code == 0
    assert scenario.deploy("--memory", "2048", *other).code == 0
    assert scenario.operations("UpdateFunctionCode") == []
    assert scenario.alias() == ("3", {})


def test_an_image_with_a_share_of_the_traffic_only_is_not_live(scenario: Scenario) -> None:
    second = scenario.aws.release(NAME, scenario.image)
    weights = {"AdditionalVersionWeights": {second: 0.5}}
    scenario.aws.do("UpdateAlias", FunctionName=NAME, Name="live", RoutingConfig=weights)
    assert scenario.deploy().code == 0
    assert scenario.alias() == (second, {})


def test_an_alias_at_latest_is_never_live(scenario: Scenario) -> None:
    scenario.aws.do("UpdateAlias", FunctionName=NAME, Name="live", FunctionVersion="$LATEST", RoutingConfig={})
    ended = scenario.deploy(digest=scenario.first.digest)
    assert ended.code == 0, ended
    assert scenario.alias() == ("1", {})
    assert "after" not in scenario.asked("PublishVersion")[0]["Description"]


def test_an_alias_that_is_missing_is_made(scenario: Scenario) -> None:
    ended = scenario.deploy("--alias", "canary", "--json")
    assert ended.document["before"] is None
    assert scenario.asked("CreateAlias") == [{"Name": "canary", "FunctionVersion": "2", "Description": "versions 2"}]
    assert scenario.alias("canary") == ("2", {})
    assert scenario.alias() == ("1", {})
    assert dict(ended.steps)["Read function frames"] == "alias canary: not there yet"


def test_a_function_that_is_missing_is_made_with_settings_for_decoding(scenario: Scenario) -> None:
    scenario.aws.do("DeleteFunction", FunctionName=NAME)
    ended = scenario.deploy("--create", "--role", ROLE, "--timeout", "60", "--json")
    assert ended.code == 0, ended
    assert scenario.operations(*CHANGES) == ["CreateFunction", "PublishVersion", "Invoke", "CreateAlias", "Invoke"]
    assert scenario.asked("CreateFunction") == [
        {
            "Role": ROLE,
            "PackageType": "Image",
            "Code": {"ImageUri": scenario.uri()},
            "Architectures": ["x86_64"],
            "MemorySize": 3008,
            "Timeout": 60,
        }
    ]
    assert ended.steps[0] == ("Read function frames", "it is not there and will be made")
    assert ended.steps[1][0] == "Make function frames"
    assert ended.document["before"] is None


def test_a_role_that_is_not_known_everywhere_yet_is_tried_again(scenario: Scenario) -> None:
    scenario.aws.do("DeleteFunction", FunctionName=NAME)
    fault = Fail("InvalidParameterValueException", "The role defined for the function cannot be assumed by Lambda.")
    with scenario.aws.rule(fault, "CreateFunction", times=2):
        assert scenario.deploy("--create", "--role", ROLE).code == 0
    assert len(scenario.aws.calls("CreateFunction")) == 3
    assert all(1 <= pause <= 3 for pause in scenario.pauses[:2])


@pytest.mark.parametrize("fault", ["The role cannot be assumed", "another reason"])
def test_a_parameter_that_stays_wrong_ends_the_release(
    scenario: Scenario, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(latest, "_ROLE_SECONDS", -1)
    scenario.aws.do("DeleteFunction", FunctionName=NAME)
    with scenario.aws.rule(Fail("InvalidParameterValueException", fault), "CreateFunction"):
        ended = scenario.deploy("--create", "--role", ROLE)
    assert ended.failure[0] == "AwsRefused"
    assert len(scenario.aws.calls("CreateFunction")) == 1


def test_no_smoke_asks_nothing(scenario: Scenario) -> None:
    assert scenario.deploy("--no-smoke").code == 0
    assert scenario.operations("Invoke") == []


def test_all_settings_are_set_and_variables_taken_away(scenario: Scenario) -> None:
    more = ("--timeout", "9", "--ephemeral-storage", "1024", "--snapstart", "on", "--unset-env", "KEPT")
    assert scenario.deploy(*more).code == 0
    assert scenario.asked("UpdateFunctionConfiguration") == [
        {
            "Timeout": 9,
            "EphemeralStorage": {"Size": 1024},
            "Environment": {"Variables": {}},
            "SnapStart": {"ApplyOn": "PublishedVersions"},
        }
    ]


def test_a_version_that_is_published_already_is_used_again(scenario: Scenario) -> None:
    assert scenario.deploy("--no-smoke").code == 0
    assert scenario.rollback("--no-smoke").code == 0
    ended = scenario.deploy("--no-smoke")
    assert ended.code == 0, ended
    assert scenario.operations(*CHANGES) == ["PublishVersion", "UpdateAlias"]
    assert scenario.alias() == ("2", {})


def test_a_failed_version_is_published_again_and_the_description_put_back(scenario: Scenario) -> None:
    assert scenario.deploy("--no-smoke").code == 0
    assert scenario.rollback("--no-smoke").code == 0
    scenario.aws.set_state(NAME, "2", State="Failed", StateReasonCode="InvalidImage")
    before = scenario.version().get("Description")
    ended = scenario.deploy("--no-smoke")
    assert ended.code == 0, ended
    descriptions = [asked["Description"] for asked in scenario.asked("UpdateFunctionConfiguration")]
    assert descriptions == ["without version 2, which failed", before or ""]
    assert scenario.version().get("Description") == before
    assert scenario.alias() == ("3", {})


def test_an_alias_with_provisioned_concurrency_is_waited_for(scenario: Scenario) -> None:
    scenario.aws.do(
        "PutProvisionedConcurrencyConfig", FunctionName=NAME, Qualifier="live", ProvisionedConcurrentExecutions=3
    )
    scenario.aws.takes("UpdateAlias", looks=3)
    ended = scenario.deploy()
    assert ended.code == 0, ended
    assert dict(ended.steps)["Look at provisioned concurrency"] == "3 ready"
    assert len(scenario.aws.calls("GetProvisionedConcurrencyConfig")) > 2
    assert scenario.pauses.count(2) == len(scenario.aws.calls("GetProvisionedConcurrencyConfig")) - 1


def test_a_dry_run_changes_nothing_and_shows_the_calls(scenario: Scenario) -> None:
    before = scenario.state
    ended = scenario.deploy("--memory", "2048", "--canary", "10%", "--dry-run", "--json")
    assert (ended.code, scenario.state, scenario.aws.changes()) == (0, before, [])
    made = [call["action"] for call in ended.document["calls"] if not call["made"]]
    assert made == [
        "lambda:UpdateFunctionCode",
        "lambda:UpdateFunctionConfiguration",
        "lambda:PublishVersion",
        "lambda:InvokeFunction",
        "lambda:UpdateAlias",
        "lambda:UpdateAlias",
        "lambda:InvokeFunction",
    ]
    assert ended.document["version"] == "NEW"
    assert dict(ended.steps)["Ask frames:NEW"] == "not asked in a dry run"


# A canary.


def test_a_canary_gets_its_share_and_then_everything(scenario: Scenario) -> None:
    ended = scenario.deploy("--canary", "10%", "--for", "0s", *AT_ONCE)
    assert ended.code == 0, ended
    routes = [asked["RoutingConfig"]["AdditionalVersionWeights"] for asked in scenario.asked("UpdateAlias")]
    versions = [asked["FunctionVersion"] for asked in scenario.asked("UpdateAlias")]
    assert (versions, routes) == (["1", "2"], [{"2": 0.1}, {}])
    assert dict(ended.steps)["Watch version 2 for 0 s"] == "0 invocations, 0 errors"
    assert "  10% of live goes to version 2\n" in ended.err


@pytest.mark.parametrize(("time", "looks", "pause"), [("40s", 5, 10), ("2m", 9, 15)])
def test_a_canary_is_watched_until_its_time_is_up(scenario: Scenario, time: str, looks: int, pause: int) -> None:
    assert scenario.deploy("--no-smoke", "--canary", "10%", "--for", time, *AT_ONCE).code == 0
    assert len(scenario.aws.calls("GetMetricData")) == looks
    assert scenario.pauses[:-1] == [pause] * (looks - 2)
    assert 0 < scenario.pauses[-1] <= pause


def test_without_another_version_there_is_no_canary(scenario: Scenario) -> None:
    ended = scenario.deploy("--alias", "canary", "--canary", "10%")
    assert ended.code == 0, ended
    assert "  no canary: there is no other version to share the traffic with\n" in ended.err
    assert scenario.operations("GetMetricData") == []


def test_a_canary_of_the_same_image_is_started_again(scenario: Scenario) -> None:
    second = scenario.aws.release(NAME, scenario.image)
    weights = {"AdditionalVersionWeights": {second: 0.5}}
    scenario.aws.do("UpdateAlias", FunctionName=NAME, Name="live", RoutingConfig=weights)
    ended = scenario.deploy("--canary", "10%", "--for", "0s", *AT_ONCE, "--json")
    assert ended.code == 0, ended
    said = "  a canary of this image was left under way (version 1, 50% to version 2): it is started again\n"
    assert said in ended.err
    assert ended.document["before"] == "version 1"
    assert [asked["RoutingConfig"]["AdditionalVersionWeights"] for asked in scenario.asked("UpdateAlias")] == [
        {second: 0.1},
        {},
    ]


@pytest.mark.parametrize(("errors", "allowed", "code"), [(3, "3", 0), (4, "3", 53), (1, "0", 53)])
def test_a_canary_ends_at_more_errors_than_are_tolerated(
    scenario: Scenario, errors: int, allowed: str, code: int
) -> None:
    before = scenario.state
    place = {"FunctionName": NAME, "Resource": f"{NAME}:live", "ExecutedVersion": "2"}
    scenario.aws.metrics.count("Errors", errors, place)
    scenario.aws.metrics.count("Invocations", 9, place)
    ended = scenario.deploy("--no-smoke", "--canary", "10%", "--for", "0s", *AT_ONCE, "--canary-errors", allowed)
    assert ended.code == code, ended
    if code:
        kind, message, then = ended.failure
        assert (kind, message) == ("CanaryFailed", f"version 2 had {errors} errors in 9 invocations")
        assert then == "read `ecr-push logs --since 10m --function frames`"
        assert ended.detail == {"invocations": 9, "errors": errors}
        assert scenario.state == before
    else:
        assert dict(ended.steps)["Watch version 2 for 0 s"] == f"9 invocations, {errors} errors"


# The smoke test.


def test_an_expected_answer_may_have_more_members(scenario: Scenario) -> None:
    scenario.aws.answer(Answer({"frames": 3, "more": 1}))
    event, expected = scenario.file("event", {"frame": 3}), scenario.file("expected", {"frames": 3})
    assert scenario.deploy("--smoke", event, "--expect", expected).code == 0
    assert [asked["Payload"] for asked in scenario.asked("Invoke")] == [b'{"frame": 3}'] * 2


def test_an_architecture_of_an_index_is_chosen(scenario: Scenario) -> None:
    image = scenario.aws.put_image(samples.make("arm64"))
    ended = scenario.deploy(digest=image.digest)
    assert ended.failure == (
        "FunctionUnsuitable",
        "the image is for arm64, the function frames is x86_64",
        "build the image for x86_64, or change the function: --architecture arm64",
    )
    assert scenario.aws.changes() == []
