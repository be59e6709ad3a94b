"""deploy/frames.asl.json: what is tried again, what may grow, and what goes to the function."""

from __future__ import annotations

import re
from typing import Any, Final

import pytest

from function import errors
from function.models.job_steps import JobStep, Part, Survey
from tests.template.stack import DEFINITION, DEPLOY, source, tasks

MAPS: Final = {name: state for name, state in DEFINITION["States"].items() if state["Type"] == "Map"}
# What Step Functions says of Lambda, not of the function: https://docs.aws.amazon.com/step-functions/latest/dg/sfn-best-practices.html
OF_LAMBDA: Final = {
    "Lambda.AWSLambdaException",
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.SdkClientException",
    "Lambda.ServiceException",
    "Lambda.TooManyRequestsException",
}
LOST_ENVIRONMENT: Final = {
    "Lambda.Unknown",
    "Runtime.ExitError",
    "Runtime.OutOfMemory",
    "Sandbox.Timedout",
    "States.Timeout",
}


def retried() -> set[str]:
    return {error for retrier in tasks()["Part"]["Retry"] for error in retrier["ErrorEquals"]}


def test_exactly_the_retryable_codes_are_tried_again() -> None:
    retryable = {kind.__name__ for kind in errors.FunctionError.__subclasses__() if kind.retryable}
    # a part that is begun again does what is missing, so a crash is worth another try too
    assert {error for error in retried() if "." not in error} == retryable | {errors.WorkerCrashed.__name__}


def test_what_is_lambdas_own_fault_is_tried_again() -> None:
    assert {error for error in retried() if "." in error} == OF_LAMBDA | LOST_ENVIRONMENT


def test_every_step_tries_again_in_the_same_way_and_never_without_end() -> None:
    retries = [task["Retry"] for task in tasks().values()]
    assert all(retry == retries[0] for retry in retries)
    for retrier in retries[0]:
        assert retrier["BackoffRate"] > 1
        assert retrier["MaxDelaySeconds"] <= 60
        assert retrier["JitterStrategy"] == "FULL"
        assert 1 <= retrier["MaxAttempts"] <= 12


def test_every_step_is_an_action_of_the_function_and_gives_up_after_lambda_does() -> None:
    assert set(tasks()) == {"List", "Index", "Cut", "Part", "Gather"}
    for task in tasks().values():
        assert task["Resource"] == "arn:${Partition}:states:::lambda:invoke"
        assert task["Parameters"]["FunctionName"] == "${FunctionArn}"
        assert task["OutputPath"] == "$.Payload"
        assert task["TimeoutSeconds"] > 900


@pytest.mark.parametrize(("name", "model"), [("Index", Survey), ("Part", Part)])
def test_surveys_and_parts_are_told_which_attempt_it_is(name: str, model: type[JobStep]) -> None:
    payload: dict[str, Any] = dict(tasks()[name]["Parameters"]["Payload"])
    assert payload.pop("attempt.$") == "$$.State.RetryCount"
    assert payload == {f"{field}.$": f"$.{field}" for field in model.model_fields if field != "attempt"}


def test_the_results_of_a_map_never_enter_the_state() -> None:
    assert set(MAPS) == {"Survey", "Decode"}
    for state in MAPS.values():
        assert state["ResultWriter"]["Resource"] == "arn:${Partition}:states:::s3:putObject"
        assert state["ResultPath"] is None
        assert state["ItemProcessor"]["ProcessorConfig"]["Mode"] == "DISTRIBUTED"


def test_a_map_that_fails_still_ends_in_the_report() -> None:
    for state in MAPS.values():
        (catcher,) = state["Catch"]
        assert catcher["ErrorEquals"] == ["States.ExceedToleratedFailureThreshold"]
        assert catcher["Next"] == "Gather"
        assert catcher["ResultPath"] != "$", "Gather needs the job"


def test_what_the_definition_leaves_open_the_template_fills_in() -> None:
    open_names = set(re.findall(r"\$\{(\w+)\}", (DEPLOY / "frames.asl.json").read_text()))
    assert open_names == set(source()["Resources"]["Jobs"]["Properties"]["DefinitionSubstitutions"])
