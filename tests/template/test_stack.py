"""The template and the state machine in an emulated AWS, which makes the stack and runs jobs with a stand-in function.

It ignores MaxConcurrencyPath, ToleratedFailurePercentagePath and ResultWriter: one part that fails is one too many.
"""

from __future__ import annotations

import io
import json
import os
import time
import urllib.request
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import pytest

from local.stack import DIRECT, Stack, aws_client
from tests.template.stack import DEPLOY, NEEDED, Resolved, translated
from tests.unit.function.deliveries import event_bridge

DEFINITION: Final = (DEPLOY / "frames.asl.json").read_text().replace("${Partition}", "aws")
ROLE: Final = "arn:aws:iam::000000000000:role/frames"
BUCKET: Final = "results"


@dataclass(frozen=True)
class Emulator(Stack):
    """The emulated AWS alone."""

    def up(self, seconds: float = 60) -> None:
        self.compose("up", "--detach", "cloud")
        self.wait(seconds, f"{self.cloud}/_ministack/health")
        self._set({"stepfunctions._SFN_WAIT_SCALE": 0})

    def client(self, service: str) -> Any:
        return aws_client(service, self.cloud)

    @cached_property
    def states(self) -> Any:
        return self.client("stepfunctions")

    def _set(self, config: dict[str, object]) -> None:
        address = f"{self.cloud}/_ministack/config"
        DIRECT.open(urllib.request.Request(address, json.dumps(config).encode(), method="POST"), timeout=10).close()  # noqa: S310


@dataclass(frozen=True)
class Ended:
    """An execution, and what its Maps' executions got and answered."""

    status: str
    error: str
    output: Any
    entered: list[str]
    children: list[dict[str, Any]]

    def outputs(self) -> list[dict[str, Any]]:
        return [json.loads(child["output"]) for child in self.children if child["status"] == "SUCCEEDED"]


@dataclass(frozen=True)
class Machine:
    emulator: Emulator
    arn: str

    def run(self, name: str) -> Ended:
        """The job of this name, whose lists of events lie where the function says."""
        job = {"videos": "s3://films/", "output": f"s3://{BUCKET}/{name}/"}
        surveys = [{"action": "survey", "job": job["output"], "chunk": 0}]
        parts = [
            {"action": "part", "job": job["output"], "part": part, "offset": 100 * part, "length": 100}
            for part in range(3)
        ]
        for key, items in (("surveys", surveys), ("parts", parts)):
            self.emulator.s3.put_object(Bucket=BUCKET, Key=f"{name}/_job/{key}.json", Body=json.dumps(items).encode())
        states = self.emulator.states
        execution = states.start_execution(stateMachineArn=self.arn, name=name, input=json.dumps(job))["executionArn"]
        deadline = time.monotonic() + 60
        while (found := states.describe_execution(executionArn=execution))["status"] == "RUNNING":
            assert time.monotonic() < deadline, self.emulator.logs()
            time.sleep(0.1)
        events = states.get_execution_history(executionArn=execution)["events"]
        return Ended(
            status=found["status"],
            error=found.get("error", ""),
            output=json.loads(found["output"]) if "output" in found else None,
            entered=[entered["name"] for event in events if (entered := event.get("stateEnteredEventDetails"))],
            children=list(self._children(execution)),
        )

    def _children(self, execution: str) -> Iterator[dict[str, Any]]:
        states = self.emulator.states
        for run in states.list_map_runs(executionArn=execution)["mapRuns"]:
            for child in states.list_executions(mapRunArn=run["mapRunArn"])["executions"]:
                yield states.describe_execution(executionArn=child["executionArn"])


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    emulator = Emulator(f"hwang-stack-{os.getpid()}")
    try:
        emulator.up()
        emulator.s3.create_bucket(Bucket=BUCKET)
        yield emulator
    finally:
        emulator.down()


@pytest.fixture(scope="module")
def machine(emulator: Emulator) -> Machine:
    bootstrap = zipfile.ZipInfo("bootstrap")
    bootstrap.external_attr = 0o755 << 16
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(bootstrap, Path(__file__).with_name("actions.py").read_bytes())
    functions = emulator.client("lambda")
    made = functions.create_function(
        FunctionName="stand-in",
        Runtime="provided.al2023",
        Handler="bootstrap",
        Role=ROLE,
        Code={"ZipFile": archive.getvalue()},
    )
    functions.get_waiter("function_active_v2").wait(FunctionName="stand-in")
    definition = DEFINITION.replace("${FunctionArn}", made["FunctionArn"])
    created = emulator.states.create_state_machine(name="jobs", definition=definition, roleArn=ROLE)
    return Machine(emulator, created["stateMachineArn"])


def test_a_job_goes_through_every_step_to_its_summary(machine: Machine) -> None:
    ended = machine.run("whole")
    assert (ended.status, ended.output) == ("SUCCEEDED", {"job": "s3://results/whole/", "complete": True})
    assert ended.entered == ["List", "Survey", "Cut", "Anything to do?", "Decode", "Gather"]
    parts = [answer for answer in ended.outputs() if "part" in answer]
    assert sorted((part["part"], part["offset"], part["length"], part["attempt"]) for part in parts) == [
        (0, 0, 100, 0),
        (1, 100, 100, 0),
        (2, 200, 100, 0),
    ]


def test_a_job_that_is_done_decodes_nothing(machine: Machine) -> None:
    ended = machine.run("done")
    assert ended.status == "SUCCEEDED"
    assert ended.entered == ["List", "Survey", "Cut", "Anything to do?", "Gather"]


def test_a_part_that_fails_in_passing_is_tried_again_and_told_so(machine: Machine) -> None:
    ended = machine.run("passing")
    assert ended.status == "SUCCEEDED"
    assert {part["part"]: part["attempt"] for part in ended.outputs() if "part" in part} == {0: 0, 1: 2, 2: 0}


def test_a_part_that_fails_for_good_is_not_tried_again_and_the_job_ends_incomplete(machine: Machine) -> None:
    ended = machine.run("failing")
    assert (ended.status, ended.error) == ("FAILED", "JobIncomplete")
    assert ended.entered == ["List", "Survey", "Cut", "Anything to do?", "Decode", "Gather"]
    assert [child["error"] for child in ended.children if child["status"] == "FAILED"] == ["CorruptMedia"]


def test_a_survey_that_fails_ends_in_the_report_too(machine: Machine) -> None:
    ended = machine.run("unsurveyed")
    assert (ended.status, ended.error) == ("FAILED", "JobIncomplete")
    assert ended.entered == ["List", "Survey", "Gather"]


def test_a_job_that_is_refused_ends_with_the_functions_own_code(machine: Machine) -> None:
    ended = machine.run("refused")
    assert (ended.status, ended.error, ended.entered) == ("FAILED", "CorruptMedia", ["List"])


@pytest.mark.parametrize(
    ("bucket", "key", "prefix", "heard"),
    [
        ("films", "in/a film.mp4", "in/", True),
        ("films", "out/a.mp4", "in/", False),
        ("films", "a.mp4", "", True),
        ("others", "in/a.mp4", "in/", False),
    ],
)
def test_the_rule_hears_of_the_uploads_it_is_for(
    emulator: Emulator, bucket: str, key: str, prefix: str, heard: bool
) -> None:
    rule = Resolved({"OnUpload": "{}", "VideosPrefix": prefix}).resources["UploadsRule"]["Properties"]
    pattern, event = json.dumps(rule["EventPattern"]), json.dumps(event_bridge(key, bucket))
    assert emulator.client("events").test_event_pattern(EventPattern=pattern, Event=event)["Result"] is heard


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("least", {}),
        (
            "most",
            {
                "AliasOwner": "stack",
                "OnUpload": '{"frames": {"count": 16}, "output": "s3://results/{key}.jpg"}',
                "VideosPrefix": "in/",
                "IndexCache": "beside",
                "Tracing": "on",
                "AlarmTopicArn": "arn:aws:sns:us-east-1:000000000000:alarms",
            },
        ),
    ],
)
def test_the_emulator_makes_the_stack_and_takes_it_away_again(
    emulator: Emulator, name: str, more: dict[str, str]
) -> None:
    emulator.s3.put_object(Bucket=BUCKET, Key="frames.asl.json", Body=DEFINITION.encode())
    given = {**NEEDED, "FunctionName": name, **more}
    stacks = emulator.client("cloudformation")
    stacks.create_stack(
        StackName=name,
        TemplateBody=json.dumps(translated(given, f"s3://{BUCKET}/frames.asl.json")),
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()],
        Capabilities=["CAPABILITY_IAM"],
    )
    stack = settled(stacks, name)
    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.describe_stack_events(StackName=name)["StackEvents"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    alias = ":live" if "AliasOwner" in more else ""
    assert outputs["FunctionArn"].endswith(f":function:{name}{alias}")
    machine = emulator.states.describe_state_machine(stateMachineArn=outputs["StateMachineArn"])
    assert json.loads(machine["definition"]) == json.loads(DEFINITION.replace("${FunctionArn}", outputs["FunctionArn"]))
    mappings = emulator.client("lambda").list_event_source_mappings(FunctionName=f"{name}{alias}")
    assert len(mappings["EventSourceMappings"]) == ("OnUpload" in more)
    stacks.delete_stack(StackName=name)
    assert settled(stacks, stack["StackId"])["StackStatus"] == "DELETE_COMPLETE"


def settled(stacks: Any, name: str) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while True:
        (stack,) = stacks.describe_stacks(StackName=name)["Stacks"]
        if not stack["StackStatus"].endswith("_IN_PROGRESS"):
            found: dict[str, Any] = stack
            return found
        assert time.monotonic() < deadline, stack
        time.sleep(0.1)
