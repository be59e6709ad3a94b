"""The steps of a rollback, and the reasons for which there is none."""

from __future__ import annotations

import pytest

from tests.support.aws import Answer, Change, Fail, Meanwhile
from tests.unit.deploy.release_scenario import NAME, Scenario

DEPLOY = "no other version can run: deploy again"
MISLEAD = Change(lambda answer: answer.update(ExecutedVersion="9"))


@pytest.fixture
def released(scenario: Scenario) -> Scenario:
    """Version 2 is live, after version 1."""
    digest = scenario.image.digest
    scenario.aws.release(NAME, scenario.image, alias="live", description=f"ecr_push {digest}")
    scenario.aws.do("UpdateAlias", FunctionName=NAME, Name="live", Description="versions 2, 1")
    scenario.aws.forget_calls()
    return scenario


def test_a_rollback_asks_the_version_before_and_moves_the_alias_there(released: Scenario) -> None:
    ended = released.rollback("--json")
    assert ended.code == 0, ended
    assert released.alias() == ("1", {})
    assert released.operations("Invoke", "UpdateAlias") == ["Invoke", "UpdateAlias"]
    assert released.asked("Invoke")[0]["Qualifier"] == "1"
    assert ended.document == {
        "function": NAME,
        "alias": "live",
        "version": "1",
        "before": "version 2",
        "changed": True,
    }
    assert ended.steps[0] == ("Read alias live of frames", "at version 2")
    assert ended.steps[1] == ("Look for the version to go back to", f"version 1, {released.first.digest[:19]}…")
    assert [step for step, _ in ended.steps[2:]] == [
        "Ask frames:1",
        "Move alias live to version 1",
        "Read alias live back",
    ]


def test_latest_is_left_alone(released: Scenario) -> None:
    before = released.version()["digest"]
    assert released.rollback().code == 0
    assert released.version()["digest"] == before == released.image.digest


def test_another_version_can_be_named(released: Scenario) -> None:
    third = released.aws.release(NAME, released.aws.put_image(), alias="live")
    assert released.rollback("--to", "1", "--no-smoke").code == 0
    assert released.alias() == ("1", {})
    assert released.operations("Invoke") == []
    assert third == "3"


def test_an_alias_that_is_there_already_is_not_moved(released: Scenario) -> None:
    ended = released.rollback("--to", "2", "--json")
    assert (ended.code, ended.document["changed"]) == (0, False)
    assert released.aws.changes() == []


def test_a_rollback_ends_a_canary(released: Scenario) -> None:
    weights = {"AdditionalVersionWeights": {"1": 0.25}}
    released.aws.do("UpdateAlias", FunctionName=NAME, Name="live", RoutingConfig=weights)
    ended = released.rollback("--json")
    assert ended.code == 0, ended
    assert released.alias() == ("2", {})
    assert ended.document["before"] == "version 2, 25% to version 1"


def test_a_function_without_the_alias_is_refused(released: Scenario) -> None:
    assert released.rollback("--alias", "other").failure == (
        "FunctionNotFound",
        "frames has no alias other",
        "`ecr-push status --function frames` lists aliases",
    )


def test_an_alias_without_a_history_is_refused(released: Scenario) -> None:
    released.aws.do("UpdateAlias", FunctionName=NAME, Name="live", FunctionVersion="1", Description="theirs")
    ended = released.rollback()
    assert ended.failure == (
        "RollbackImpossible",
        "nothing says which version was live before version 1",
        "--to VERSION goes to one that can run: 2",
    )
    assert ended.detail == {"candidates": ["2"]}


def test_a_version_that_is_gone_is_refused(released: Scenario) -> None:
    released.aws.do("DeleteFunction", FunctionName=NAME, Qualifier="1")
    ended = released.rollback()
    assert ended.failure == ("RollbackImpossible", "version 1 of frames does not exist any more", DEPLOY)
    assert ended.detail == {"candidates": []}


def test_a_version_that_has_failed_is_refused(released: Scenario) -> None:
    released.aws.set_state(NAME, "1", State="Failed", StateReasonCode="InvalidImage")
    ended = released.rollback()
    assert ended.failure == ("RollbackImpossible", "version 1 cannot run: it is Failed (InvalidImage)", DEPLOY)


def test_a_version_without_its_image_is_refused(released: Scenario) -> None:
    digest = released.first.digest
    released.aws.do("BatchDeleteImage", repositoryName="app", imageIds=[{"imageDigest": digest}])
    ended = released.rollback()
    reason = f"its image {digest} is no longer in the repository"
    assert ended.failure == ("RollbackImpossible", f"version 1 cannot run: {reason}", DEPLOY)
    assert released.aws.changes() == []


def test_a_version_whose_image_is_archived_is_refused(released: Scenario) -> None:
    archived = Change(lambda answer: answer["imageDetails"][0].update(imageStatus="ARCHIVED"))
    with released.aws.rule(archived, "DescribeImages"):
        ended = released.rollback()
    reason = f"its image {released.first.digest} is archived"
    assert ended.failure == ("RollbackImpossible", f"version 1 cannot run: {reason}", DEPLOY)


def test_ten_versions_that_can_run_are_listed_newest_first(released: Scenario) -> None:
    for number in range(3, 15):
        released.aws.release(NAME, released.aws.put_image(), description=f"number {number}")
    released.aws.do("DeleteFunction", FunctionName=NAME, Qualifier="1")
    released.aws.set_state(NAME, "13", State="Failed")
    ended = released.rollback()
    listed = ["14", "12", "11", "10", "9", "8", "7", "6", "5", "4"]
    assert ended.detail == {"candidates": listed}
    assert ended.failure[2] == f"--to VERSION goes to one that can run: {', '.join(listed)}"


def test_a_version_that_answers_badly_gets_no_traffic(released: Scenario) -> None:
    released.aws.answer(Answer({"errorMessage": "no"}, error="Unhandled"))
    ended = released.rollback()
    assert ended.failure[:2] == ("SmokeFailed", "version 1 answered the smoke event with an error: error: no")
    assert released.operations("UpdateAlias") == []


def test_somebody_elses_move_is_kept(released: Scenario) -> None:
    third = released.aws.release(NAME, released.aws.put_image())
    released.aws.forget_calls()

    def move() -> None:
        released.aws.do("UpdateAlias", FunctionName=NAME, Name="live", FunctionVersion=third, RoutingConfig={})

    with released.aws.rule(Meanwhile(move), "UpdateAlias", times=1):
        ended = released.rollback()
    assert ended.failure[0] == "Conflict"
    assert released.alias() == (third, {})


def test_a_rollback_that_cannot_be_read_back_is_undone(released: Scenario) -> None:
    with released.aws.rule(Fail("AccessDeniedException", "no"), "GetAlias", skip=1, times=1):
        ended = released.rollback()
    assert ended.failure[:2] == (
        "ReleaseUndone",
        "these credentials may not do lambda:GetAlias: no; alias live is back at version 2",
    )
    assert released.alias() == ("2", {})


def test_a_version_that_sleeps_is_woken(released: Scenario) -> None:
    with released.aws.rule(Fail("ResourceNotReadyException"), "Invoke", times=1):
        assert released.rollback().code == 0
    assert len(released.aws.calls("Invoke")) == 2


def test_status_shows_versions_aliases_and_images(released: Scenario) -> None:
    weights = {"AdditionalVersionWeights": {"1": 0.25}}
    released.aws.do("UpdateAlias", FunctionName=NAME, Name="live", RoutingConfig=weights)
    digest = released.first.digest
    released.aws.do("BatchDeleteImage", repositoryName="app", imageIds=[{"imageDigest": digest}])
    ended = released.run("status", "--function", NAME, "--json")
    one, two, latest = ended.document["versions"]
    assert [found["version"] for found in (one, two, latest)] == ["1", "2", "$LATEST"]
    assert [found["aliases"] for found in (one, two, latest)] == [{"live": 0.25}, {"live": 0.75}, {}]
    assert [found["image_status"] for found in (one, two, latest)] == ["GONE", "ACTIVE", "ACTIVE"]
    assert (one["digest"], one["image_bytes"]) == (digest, None)
    assert two["image_bytes"] > 0
    assert two["image"] == released.uri()
    assert two["image_pushed"]
    assert {found["architecture"] for found in (one, two, latest)} == {"x86_64"}
    assert {(found["package_type"], found["state"]) for found in (one, two, latest)} == {("Image", "Active")}
    assert two["description"] == f"ecr_push {two['digest']}"
    shown = released.run("status", "--function", NAME).out
    assert "live 25%" in shown
    assert "✗ gone" in shown
    assert "✓" in shown


def test_status_shows_every_version_if_asked(released: Scenario) -> None:
    released.aws.release(NAME, released.aws.put_image(), description="third")
    some = released.run("status", "--function", NAME, "--json").document["versions"]
    every = released.run("status", "--function", NAME, "--all", "--json").document["versions"]
    assert [found["version"] for found in some] == ["2", "$LATEST"]
    assert [found["version"] for found in every] == ["1", "2", "3", "$LATEST"]
