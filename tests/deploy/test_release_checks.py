"""What a deploy looks at before it says that it is done: answers, errors in a share of the traffic, concurrency."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deploy.errors import (
    AwsUnavailableError,
    CanaryFailedError,
    DeployError,
    FunctionNotReadyError,
    ReleaseUndoneError,
    SmokeFailedError,
    StoppedError,
    UpdateFailedError,
    UsageError,
)
from tests.deploy.each import cases, each
from tests.deploy.scenario import AT_ONCE, CANARY, NAME, WANTED, Scenario, scenario
from tests.support.aws import Answer, Change, Drop, Fail, Invocation, LoseAnswer, samples
from tests.support.aws.rules import Action

ERROR = Answer({"errorType": "ImportError", "errorMessage": "no libavcodec"}, error="Unhandled", log="Traceback\nlast")
TIMED_OUT = Answer({"errorMessage": "Task timed out after 7.00 seconds"}, error="Unhandled")
MISLEAD = Change(lambda answer: answer.update(ExecutedVersion="9"))


# Rows 19 and 20: the smoke test, of the version and then of the alias.

BAD_ANSWERS: dict[str, tuple[Answer | Action, str]] = {
    "error": (ERROR, "ImportError: no libavcodec"),
    "time-out": (TIMED_OUT, "Task timed out"),
    "wrong answer": (Answer({"frames": 4, "more": 1}), "answer.frames is 4, not 3"),
    "missing answer": (Answer({"more": 1}), "answer.frames is missing"),
    "no JSON": (Answer(b"\xff"), "not {"),
    "other version": (MISLEAD, "version 9 answered"),
    "no answer": (Drop(), "not answered"),
    "lost answer": (LoseAnswer(), "not answered"),
    "too many": (Fail("TooManyRequestsException"), "TooManyRequestsException"),
    "refused": (Fail("InvalidParameterValueException"), "InvalidParameterValueException"),
}


def ask(made: Scenario, qualifier: str, bad: Answer | Action) -> Any:
    """Runs the deploy with a bad answer for this qualifier, and good ones else."""
    made.arguments = (
        *made.arguments,
        "--smoke",
        made.file("event", {"frame": 3}),
        "--expect",
        made.file("answer", {"frames": 3}),
    )
    if isinstance(bad, Answer):
        made.aws.answer(lambda asked: bad if asked.qualifier == qualifier else Answer({"frames": 3, "more": 1}))
        return made.run()
    made.aws.answer(Answer({"frames": 3}))
    with made.aws.rule(bad, "Invoke", {"Qualifier": qualifier}):
        return made.run()


@pytest.mark.parametrize("of", ["version", "alias"])
@cases("case", BAD_ANSWERS)
def test_a_bad_answer_ends_the_deploy_and_everything_is_as_it_was(
    tmp_path: Path, of: str, name: str, case: tuple[Answer | Action, str]
) -> None:
    bad, words = case
    with scenario(tmp_path / name, *WANTED) as made:
        ended = ask(made, "2" if of == "version" else "live", bad)
        made.require_failed(ended, SmokeFailedError if of == "version" else ReleaseUndoneError, words)
        moves = made.aws.calls("UpdateAlias")
        assert len(moves) == (0 if of == "version" else 2)
        if of == "alias":
            assert "alias live is back at version 1" in ended.err
            last = [call.operation for call in made.aws.calls() if call.parameters.get("Name") == "live"][-2:]
            assert last == ["UpdateAlias", "GetAlias"], "it is read back"
        assert made.version("2")["Configuration"]["State"] == "Active", "it stays, for a look"
        made.aws.answer(Answer({"frames": 3}))
        made.require_convergence()


def test_a_function_that_never_answers_is_given_up_after_its_own_time(tmp_path: Path) -> None:
    with scenario(tmp_path / "it", "--timeout", "1") as made:
        made.aws.answer(Answer(hang=True))
        start = time.monotonic()
        ended = made.run()
        assert 30 < time.monotonic() - start < 45
        made.require_failed(ended, SmokeFailedError, "not answered")


def test_a_function_that_never_answers_can_be_stopped(tmp_path: Path) -> None:
    with scenario(tmp_path / "it") as made:
        made.aws.answer(Answer(hang=True))
        with made.aws.hold("Invoke") as held:
            process = made.start()
            assert held.arrived(process=process)
            held.release()
            ended = made.wait(process, signal.SIGINT)
        made.require_failed(ended, StoppedError)


def test_a_function_that_is_busy_for_a_moment_is_asked_again(tmp_path: Path) -> None:
    def test(name: str, fault: Action) -> None:
        with scenario(tmp_path / name) as made, made.aws.rule(fault, "Invoke", times=2) as rule:
            made.require_deployed(made.run())
            assert len(rule.hits) == 2

    codes = ("TooManyRequestsException", "ServiceException", "ResourceNotReadyException", "ResourceConflictException")
    each({**{code: Fail(code) for code in codes}, "alias not there yet": MISLEAD}, test)


def test_the_event_is_the_users_or_the_images_or_one_for_any_function(tmp_path: Path) -> None:
    heard: dict[str, list[bytes]] = {}

    def test(name: str, case: tuple[dict[str, str], tuple[str, ...], bytes | None]) -> None:
        labels, arguments, event = case
        with scenario(tmp_path / name, *arguments) as made:
            made.image = made.aws.put_image(samples.make(labels=labels))
            if name == "user's":
                made.arguments = ("--smoke", made.file("event", {"frame": 3}))

            def listen(asked: Invocation) -> Answer:
                heard.setdefault(name, []).append(asked.payload)
                return Answer({})

            made.aws.answer(listen)
            made.require_deployed(made.run())
            assert heard.get(name, []) == ([event, event] if event else [])

    label = {"hwang-lambda.smoke": '{"action": "self-test"}'}
    probe = b'{"Service": "Amazon S3", "Event": "s3:TestEvent"}'
    cases: dict[str, tuple[dict[str, str], tuple[str, ...], bytes | None]] = {
        "user's": (label, (), b'{"frame": 3}'),
        "image's": (label, (), b'{"action": "self-test"}'),
        "any": ({}, (), probe),
        "none": (label, ("--no-smoke",), None),
    }
    each(cases, test)


def test_an_inherited_event_is_not_sent_to_another_handler_and_nothing_is_changed(tmp_path: Path) -> None:
    inherited = {"hwang-lambda.smoke": '{"action": "selftest"}'}
    with scenario(tmp_path / "it") as made:
        made.image = made.aws.put_image(samples.make(labels=inherited))
        ended = made.run()
        assert ended.code == 12, ended.err
        assert "the image's smoke event is for function.handler.handler, and its handler is" in ended.err
        assert "--no-smoke" in ended.err
        assert made.aws.calls("UpdateFunctionCode") == made.aws.calls("PublishVersion") == []
        made.arguments = ("--no-smoke",)
        made.require_deployed(made.run())


# Canaries.


def test_a_canary_without_errors_is_promoted(tmp_path: Path) -> None:
    with scenario(tmp_path / "it", *WANTED, "--canary", "25%", "--for", "2s", *AT_ONCE) as made:
        made.require_deployed(made.run())
        first, last = made.aws.calls("UpdateAlias")
        assert first.parameters["FunctionVersion"] == "1"
        assert first.parameters["RoutingConfig"] == {"AdditionalVersionWeights": {"2": 0.25}}
        assert last.parameters["FunctionVersion"] == "2"
        assert len(made.aws.calls("GetMetricData")) >= 4


def erring(made: Scenario, errors: int) -> Callable[[dict[str, Any]], None]:
    """Users of the version under watch get errors, from the first look on."""

    def count(_: dict[str, Any]) -> None:
        dimensions = {"FunctionName": NAME, "Resource": f"{NAME}:live", "ExecutedVersion": "2"}
        made.aws.metrics.count("Invocations", 50, dimensions)
        made.aws.metrics.count("Errors", errors, dimensions)

    return count


@cases("more", {"none allowed": (), "three allowed": ("--canary-errors", "3")})
def test_a_canary_with_errors_is_taken_back(tmp_path: Path, name: str, more: tuple[str, ...]) -> None:
    with scenario(tmp_path / name, *WANTED, "--canary", "10%", "--for", "4s", *AT_ONCE, *more) as made:
        with made.aws.rule(Change(erring(made, 3)), "GetMetricData", times=1):
            ended = made.run()
        if more:
            made.require_deployed(ended)
            return
        made.require_failed(ended, CanaryFailedError, "3 errors in 50 invocations")
        assert not made.aws.calls("Invoke", Qualifier="live")


def test_a_canary_whose_errors_cannot_be_read_is_taken_back(tmp_path: Path) -> None:
    with scenario(tmp_path / "it", *CANARY) as made:
        with made.aws.rule(Fail("InternalFailure"), "GetMetricData"):
            ended = made.run()
        assert ended.code == 22, ended
        assert made.now == made.before
        made.require_convergence()


@cases("arguments", {"at once": WANTED, "canary": (*WANTED, *CANARY)})
def test_an_own_canary_that_was_left_under_way_is_taken_over(
    tmp_path: Path, name: str, arguments: tuple[str, ...]
) -> None:
    with scenario(tmp_path / name, *WANTED, *CANARY) as made:
        with made.aws.hold("GetMetricData") as held:
            process = made.start()
            assert held.arrived(process=process)
            made.wait(process, signal.SIGKILL)
        assert (made.now.alias, made.now.weights) == ("1", {"2": 0.1})
        made.arguments = arguments
        made.require_convergence()
        assert made.now.alias == "2"


def test_an_own_canary_that_fails_when_taken_over_is_ended(tmp_path: Path) -> None:
    with scenario(tmp_path / "it", *CANARY) as made:
        made.aws.release(NAME, made.image)
        made.aws.do(
            "UpdateAlias", FunctionName=NAME, Name="live", RoutingConfig={"AdditionalVersionWeights": {"2": 0.1}}
        )
        with made.aws.rule(Change(erring(made, 1)), "GetMetricData", times=1):
            made.arguments = ("--canary", "10%", "--for", "4s", *AT_ONCE)
            ended = made.run()
        made.require_failed(ended, CanaryFailedError, kept=False)
        assert (made.now.alias, made.now.weights) == ("1", {})


def test_a_canary_beside_latest_is_refused(tmp_path: Path) -> None:
    with scenario(tmp_path / "it", *WANTED, *CANARY) as made:
        made.aws.do("UpdateAlias", FunctionName=NAME, Name="live", FunctionVersion="$LATEST")
        made.set()
        made.require_failed(made.run(), UsageError, "$LATEST")
        assert not made.aws.changes()
        made.arguments = WANTED
        made.require_convergence()


def test_the_shares_follow_each_other(tmp_path: Path) -> None:
    with scenario(tmp_path / "it", "--canary", "5%,25%,50%", "--for", "0s", *AT_ONCE) as made:
        made.require_deployed(made.run())
        weights = [
            call.parameters["RoutingConfig"]["AdditionalVersionWeights"] for call in made.aws.calls("UpdateAlias")
        ]
        assert weights == [{"2": 0.05}, {"2": 0.25}, {"2": 0.5}, {}]


def test_a_canary_that_nobody_used_is_no_success(tmp_path: Path) -> None:
    with scenario(tmp_path / "it", *WANTED, "--canary", "10%", "--for", "0s", "--metrics-lag", "0s") as made:
        made.require_failed(made.run(), CanaryFailedError, "0 invocations, of at least 1 (--canary-invocations)")
        with made.aws.rule(Change(erring(made, 0)), "UpdateAlias", times=1):
            made.require_convergence()


def test_errors_whose_metrics_come_late_are_counted(tmp_path: Path) -> None:
    """The time is over when CloudWatch has them, but not the lag."""
    more = ("--canary", "10%", "--for", "0s", "--metrics-lag", "40s", "--canary-invocations", "0")
    with scenario(tmp_path / "it", *more) as made, made.aws.rule(Change(erring(made, 1)), "GetMetricData", times=1):
        made.require_failed(made.run(), CanaryFailedError, "1 errors in 50 invocations")


def test_metrics_of_which_a_part_is_missing_are_no_success(tmp_path: Path) -> None:
    def edit(answer: dict[str, Any]) -> None:
        answer["MetricDataResults"][1]["StatusCode"] = "InternalError"

    with scenario(tmp_path / "it", *CANARY) as made:
        with made.aws.rule(Change(edit), "GetMetricData"):
            made.require_failed(made.run(), AwsUnavailableError, "InternalError")
        made.require_convergence()


def alarm(made: Scenario, state: str) -> None:
    made.aws.do("SetAlarmState", AlarmName="latency", StateValue=state, StateReason="5 s is more than 3 s")


def test_an_alarm_ends_a_canary(tmp_path: Path) -> None:
    with scenario(tmp_path / "it", *WANTED, *CANARY, "--alarm", "latency") as made:
        made.require_failed(made.run(), UsageError, "no alarm latency")
        assert not made.aws.changes()
        alarm(made, "ALARM")
        made.require_failed(made.run(), CanaryFailedError, "the alarm latency has gone off: 5 s is more than 3 s")
        assert not made.aws.changes()
        alarm(made, "INSUFFICIENT_DATA")
        with made.aws.rule(Change(lambda _: alarm(made, "ALARM")), "UpdateAlias", times=1):
            made.require_failed(made.run(), CanaryFailedError, "latency")
        assert not made.aws.calls("Invoke", Qualifier="live")
        alarm(made, "OK")
        made.require_convergence()


# Row 26: provisioned concurrency.


def provisioned(made: Scenario, qualifier: str) -> None:
    made.aws.do(
        "PutProvisionedConcurrencyConfig", FunctionName=NAME, Qualifier=qualifier, ProvisionedConcurrentExecutions=2
    )
    for _ in range(3):
        made.aws.client("lambda").get_provisioned_concurrency_config(FunctionName=NAME, Qualifier=qualifier)
    made.aws.forget_calls()


def test_provisioned_concurrency_of_the_alias_is_waited_for(tmp_path: Path) -> None:
    with scenario(tmp_path / "it") as made:
        provisioned(made, "live")
        made.aws.takes("UpdateAlias", looks=2)
        ended = made.run()
        made.require_deployed(ended)
        assert "2 ready" in ended.err
        assert len(made.aws.calls("GetProvisionedConcurrencyConfig")) == 3


def test_provisioned_concurrency_that_fails_or_takes_too_long_undoes_the_release(tmp_path: Path) -> None:
    def failed(made: Scenario) -> None:
        made.aws.fail_next("UpdateAlias", "FUNCTION_ERROR_INIT_FAILURE", "it does not start")

    def slow(made: Scenario) -> None:
        made.aws.takes("UpdateAlias", looks=100)

    def test(name: str, fault: Callable[[Scenario], None]) -> None:
        with scenario(tmp_path / name, *WANTED, "--wait", "2s") as made:
            provisioned(made, "live")
            fault(made)
            ended = made.run()
            made.require_failed(ended, ReleaseUndoneError, "provisioned concurrency")
            made.aws.takes("UpdateAlias")
            made.require_convergence()

    each({"failed": failed, "slow": slow}, test)


def test_provisioned_concurrency_of_a_version_stays_where_it_is(tmp_path: Path) -> None:
    with scenario(tmp_path / "it") as made:
        provisioned(made, "1")
        made.require_deployed(made.run())
        found = made.aws.do("GetProvisionedConcurrencyConfig", FunctionName=NAME, Qualifier="1")
        assert found["Status"] == "READY"


# Versions that cannot be woken, and errors that nobody reads.


def test_a_version_that_sleeps_is_woken_by_being_asked(tmp_path: Path) -> None:
    with scenario(tmp_path / "it") as made:
        asleep = Change(lambda _: made.aws.set_state(NAME, "2", State="Inactive", StateReasonCode="Idle"))
        with made.aws.rule(asleep, "GetFunction", {"Qualifier": "2"}, skip=2, times=1) as rule:
            ended = made.run()
        assert rule.hits
        made.require_deployed(ended)


def test_the_errors_used_here_have_exit_codes_of_their_own() -> None:
    kinds: list[type[DeployError]] = [
        CanaryFailedError, FunctionNotReadyError, ReleaseUndoneError, SmokeFailedError, StoppedError, UpdateFailedError,
    ]  # fmt: skip
    assert len({kind.exit_code for kind in kinds}) == len(kinds)
