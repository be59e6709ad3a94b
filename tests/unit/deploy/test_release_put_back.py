"""The end of a release whose smoke test fails, and how the alias and the function are put back."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.aws import Answer, Change, Drop, Fail, LoseAnswer, Meanwhile
from tests.support.aws.rules import Action
from tests.unit.deploy.release_scenario import BUSY, MISLEAD, NAME, Scenario

# The smoke test.

ERROR = Answer({"errorType": "ImportError", "errorMessage": "no libavcodec"}, error="Unhandled", log="Traceback\nlast")
CASES: dict[str, tuple[Answer | Action, str, str]] = {
    "error": (
        ERROR,
        "version 2 answered the smoke event with an error: ImportError: no libavcodec",
        "the version is kept: `ecr-push invoke --qualifier 2 --function frames EVENT`",
    ),
    "no type": (
        Answer({"errorMessage": "Task timed out"}, error="Unhandled"),
        "version 2 answered the smoke event with an error: error: Task timed out",
        "the version is kept: `ecr-push invoke --qualifier 2 --function frames EVENT`",
    ),
    "no object": (
        Answer("x" * 400, error="Unhandled"),
        f"version 2 answered the smoke event with an error: {'x' * 300}",
        "the version is kept: `ecr-push invoke --qualifier 2 --function frames EVENT`",
    ),
    "wrong": (
        Answer({"frames": 4}),
        "version 2 did not answer the smoke event as expected: answer.frames is 4, not 3",
        "compare the answer with the file of --expect",
    ),
    "misled": (
        MISLEAD,
        "version 9 answered the smoke event instead of version 2",
        "look at `ecr-push status --function frames`",
    ),
    "throttled": (
        Fail("TooManyRequestsException", "Rate exceeded"),
        "the smoke event could not be delivered: "
        "AWS kept refusing lambda:InvokeFunction (TooManyRequestsException): Rate exceeded",
        "the concurrency of the account or the function is used up: wait, or ask for more",
    ),
}


def ask(scenario: Scenario, qualifier: str, bad: Answer | Action) -> Any:
    """A deploy with a bad answer for this qualifier."""
    event, expected = scenario.file("event", {"frame": 3}), scenario.file("expected", {"frames": 3})
    more = ("--smoke", event, "--expect", expected)
    good = Answer({"frames": 3})
    if isinstance(bad, Answer):
        scenario.aws.answer(lambda asked: bad if asked.qualifier == qualifier else good)
        return scenario.deploy(*more)
    scenario.aws.answer(good)
    with scenario.aws.rule(bad, "Invoke", {"Qualifier": qualifier}):
        return scenario.deploy(*more)


@pytest.mark.parametrize("name", CASES)
def test_a_bad_answer_of_the_version_leaves_the_alias(scenario: Scenario, name: str) -> None:
    bad, message, then = CASES[name]
    before = scenario.state
    ended = ask(scenario, "2", bad)
    assert ended.failure == ("SmokeFailed", message, then)
    assert (scenario.state, scenario.operations("UpdateAlias")) == (before, [])


@pytest.mark.parametrize("name", ["error", "misled"])
def test_a_bad_answer_of_the_alias_moves_it_back(scenario: Scenario, name: str) -> None:
    bad, message, then = CASES[name]
    before = scenario.state
    ended = ask(scenario, "live", bad)
    assert ended.failure == ("ReleaseUndone", f"{message}; alias live is back at version 1", then)
    assert scenario.state == before
    undone = [step for step, _ in ended.steps if step.startswith("Put back")]
    assert undone == ["Put back alias live", "Put back the code of $LATEST"]


def test_a_bad_answer_of_a_new_alias_takes_it_away(scenario: Scenario) -> None:
    with scenario.aws.rule(MISLEAD, "Invoke", {"Qualifier": "next"}):
        ended = scenario.deploy("--alias", "next")
    assert ended.failure[1] == "version 9 answered the smoke event instead of version 2; alias next is gone again"
    assert scenario.operations("DeleteAlias") == ["DeleteAlias"]


def test_the_end_of_the_log_is_kept_for_programs(scenario: Scenario) -> None:
    short = ask(scenario, "2", ERROR).detail["log"]
    assert short[1:3] == ["Traceback", "last"]
    log = "\n".join(map(str, range(20)))
    long = ask(scenario, "2", Answer({"errorMessage": "no"}, error="Unhandled", log=log)).detail["log"]
    assert len(long) == 12
    assert long[-3] == "19"


def test_a_wrong_answer_is_kept_for_programs(scenario: Scenario) -> None:
    assert ask(scenario, "2", Answer({"frames": 4})).detail == {"answer": '{"frames": 4}'}
    assert ask(scenario, "2", Answer("x" * 3000)).detail == {"answer": "x" * 2000}


@pytest.mark.parametrize("fault", [Drop(), LoseAnswer()])
def test_an_event_without_an_answer_is_not_sent_again(scenario: Scenario, fault: Action) -> None:
    ended = ask(scenario, "2", fault)
    kind, message, then = ended.failure
    assert kind == "SmokeFailed"
    assert message.startswith("the smoke event was not answered: ")
    assert then == "look at `ecr-push logs --function frames`, and at --timeout"
    assert len(scenario.aws.calls("Invoke")) == 1


def test_a_right_that_is_missing_is_named(scenario: Scenario) -> None:
    ended = ask(scenario, "2", Fail("AccessDeniedException", "not authorized to perform: lambda:InvokeFunction"))
    assert ended.failure[0] == "PermissionDenied"
    assert len(scenario.aws.calls("Invoke")) == 1


@pytest.mark.parametrize(
    "code", ["TooManyRequestsException", "ServiceException", "SnapStartNotReadyException", "ResourceNotReadyException"]
)
def test_a_version_that_is_not_ready_for_a_moment_is_asked_again(scenario: Scenario, code: str) -> None:
    with scenario.aws.rule(Fail(code), "Invoke", {"Qualifier": "2"}, times=4):
        assert scenario.deploy().code == 0
    first, second, third, fourth = scenario.pauses[:4]
    assert 0.25 <= first <= 0.5
    assert 0.5 <= second <= 1
    assert 1 <= third <= 2
    assert 2 <= fourth <= 4


@pytest.mark.parametrize(("code", "looks"), [("ResourceNotReadyException", 1), ("TooManyRequestsException", 0)])
def test_only_a_version_that_sleeps_is_waited_for(scenario: Scenario, code: str, looks: int) -> None:
    with scenario.aws.rule(Fail(code), "Invoke", {"Qualifier": "2"}, times=1):
        assert scenario.deploy().code == 0
    operations = scenario.operations("Invoke", "GetFunction")
    first = operations.index("Invoke")
    assert operations[first + 1 :].index("Invoke") == looks


def test_five_attempts_are_enough(scenario: Scenario) -> None:
    assert ask(scenario, "2", Fail("ServiceException")).code == 52
    assert len(scenario.aws.calls("Invoke")) == 5


# Putting back.


def test_what_cannot_be_put_back_is_named_with_the_cause(scenario: Scenario) -> None:
    with (
        scenario.aws.rule(Fail("AccessDeniedException", "no"), "UpdateFunctionCode", skip=1),
        scenario.aws.rule(MISLEAD, "Invoke", {"Qualifier": "2"}),
    ):
        ended = scenario.deploy()
    kind, message, then = ended.failure
    assert kind == "NotRestored"
    assert message == (
        "version 9 answered the smoke event instead of version 2; and this could not be put back: "
        "the code of $LATEST (these credentials may not do lambda:UpdateFunctionCode: no)"
    )
    assert then == "look at `ecr-push status --function frames`; `ecr-push rollback --function frames` moves the alias"
    assert ended.detail == {
        "not_restored": ["the code of $LATEST (these credentials may not do lambda:UpdateFunctionCode: no)"]
    }


def test_everything_else_is_put_back_if_one_thing_cannot_be(scenario: Scenario) -> None:
    with (
        scenario.aws.rule(Fail("AccessDeniedException", "no"), "UpdateFunctionConfiguration", skip=1),
        scenario.aws.rule(MISLEAD, "Invoke", {"Qualifier": "live"}),
    ):
        ended = scenario.deploy("--memory", "2048")
    assert ended.failure[0] == "NotRestored"
    assert ended.detail["not_restored"][0].startswith("MemorySize of $LATEST (")
    assert scenario.alias() == ("1", {})
    assert scenario.version()["digest"] == scenario.first.digest
    assert scenario.version()["MemorySize"] == 2048


def test_putting_back_waits_for_a_busy_function(scenario: Scenario) -> None:
    before = scenario.state
    with (
        scenario.aws.rule(BUSY, "UpdateFunctionCode", skip=1, times=3),
        scenario.aws.rule(MISLEAD, "Invoke", {"Qualifier": "live"}),
    ):
        ended = scenario.deploy()
    assert ended.failure[0] == "ReleaseUndone"
    assert scenario.state == before
    assert all(0.5 <= pause <= 1 for pause in scenario.pauses[-3:])


def test_putting_back_ends_when_a_function_stays_busy(scenario: Scenario) -> None:
    with (
        scenario.aws.rule(BUSY, "UpdateFunctionCode", skip=1),
        scenario.aws.rule(MISLEAD, "Invoke", {"Qualifier": "2"}),
    ):
        ended = scenario.deploy("--wait", "20s")
    assert ended.failure[0] == "NotRestored"
    assert sum(scenario.pauses) < 40


def test_an_alias_whose_move_back_is_refused_is_named(scenario: Scenario) -> None:
    with (
        scenario.aws.rule(Fail("AccessDeniedException", "no"), "UpdateAlias", skip=1),
        scenario.aws.rule(MISLEAD, "Invoke", {"Qualifier": "live"}),
    ):
        ended = scenario.deploy()
    assert ended.failure[0] == "NotRestored"
    assert ended.detail == {"not_restored": ["alias live (these credentials may not do lambda:UpdateAlias: no)"]}
    assert scenario.alias() == ("2", {})
    assert scenario.version()["digest"] == scenario.first.digest


def test_an_alias_whose_answer_to_the_move_back_is_lost_is_back(scenario: Scenario) -> None:
    before = scenario.state
    with (
        scenario.aws.rule(LoseAnswer(), "UpdateAlias", skip=1, times=4),
        scenario.aws.rule(MISLEAD, "Invoke", {"Qualifier": "live"}),
    ):
        ended = scenario.deploy()
    assert ended.failure[1].endswith("; alias live is back at version 1")
    assert scenario.state == before


def test_an_alias_that_somebody_else_moves_before_it_is_put_back_stays(scenario: Scenario) -> None:
    scenario.aws.release(NAME, scenario.aws.put_image())
    theirs_now = {"FunctionVersion": "2", "RoutingConfig": {}}

    def move() -> None:
        scenario.aws.do("UpdateAlias", FunctionName=NAME, Name="live", **theirs_now)

    with (
        scenario.aws.rule(Meanwhile(move), "UpdateAlias", skip=1, times=1),
        scenario.aws.rule(MISLEAD, "Invoke", {"Qualifier": "live"}),
    ):
        ended = scenario.deploy()
    assert ended.failure[1].endswith("; alias live is at version 2, as another caller left it")
    assert scenario.alias() == ("2", {})


def test_provisioned_concurrency_that_fails_undoes_the_release(scenario: Scenario) -> None:
    before = scenario.state
    failed = Change(lambda answer: answer.update(Status="FAILED", StatusReason="no capacity"))
    scenario.aws.do(
        "PutProvisionedConcurrencyConfig", FunctionName=NAME, Qualifier="live", ProvisionedConcurrentExecutions=3
    )
    with scenario.aws.rule(failed, "GetProvisionedConcurrencyConfig"):
        ended = scenario.deploy()
    assert ended.failure == (
        "ReleaseUndone",
        "the provisioned concurrency of live could not be moved: no capacity; alias live is back at version 1",
        "look at the account's concurrency limits and at the function's log",
    )
    assert scenario.state == before


def test_provisioned_concurrency_that_takes_too_long_undoes_the_release(scenario: Scenario) -> None:
    slow = Change(lambda answer: answer.update(Status="IN_PROGRESS"))
    scenario.aws.do(
        "PutProvisionedConcurrencyConfig", FunctionName=NAME, Qualifier="live", ProvisionedConcurrentExecutions=3
    )
    with scenario.aws.rule(slow, "GetProvisionedConcurrencyConfig"):
        ended = scenario.deploy("--wait", "9s")
    assert ended.failure == (
        "ReleaseUndone",
        "the provisioned concurrency of live is still not ready after 9 s; alias live is back at version 1",
        "--wait SECONDS waits longer",
    )
    assert len(scenario.aws.calls("GetProvisionedConcurrencyConfig")) == 6
