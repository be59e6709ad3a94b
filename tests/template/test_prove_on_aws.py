"""`make prove-on-aws` against a simulated account: what it proves, and that it removes everything whatever happens."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator

import boto3
import numpy as np
import pytest

from local.prove_on_aws import __main__ as program
from local.prove_on_aws import account as accounts
from local.prove_on_aws import checks
from local.prove_on_aws.account import Account, template
from local.stack import ROOT, aws_client
from tests.support import tree
from tests.support.aws import StrictAws
from tests.support.aws.messages import Reply
from tests.template.simulated_account import Emulator, Front, denied
from tests.template.test_template import findings

PYTHON = ROOT / ".venv/bin/python"
BUILT = "hwang-lambda:latest"


@pytest.fixture(scope="module")
def front() -> Iterator[Front]:
    tree.require(BUILT)
    stack = Emulator(f"hwang-prove-{os.getpid()}")
    try:
        stack.up()
        with Front(stack) as front:
            yield front
    finally:
        stack.down()


@pytest.fixture(autouse=True)
def _nothing_is_left(front: Front) -> Iterator[None]:
    front.calls.clear()
    yield
    assert remaining(front) == []


def remaining(front: Front) -> list[str]:
    """Names of all that the emulated account holds.

    Not of log groups: the stack deletes its own, but ministack lets an invocation that still runs make one without the
    right to do so.
    """

    def listed(service: str, operation: str, members: str, name: str) -> list[str]:
        found = getattr(aws_client(service, front.stack.cloud), operation)()[members]
        return [one[name] for one in found if one.get("StackStatus") != "DELETE_COMPLETE"]

    return [
        *listed("cloudformation", "list_stacks", "StackSummaries", "StackName"),
        *listed("s3", "list_buckets", "Buckets", "Name"),
        *listed("lambda", "list_functions", "Functions", "FunctionName"),
        *listed("stepfunctions", "list_state_machines", "stateMachines", "name"),
        *listed("iam", "list_roles", "Roles", "RoleName"),
        *listed("ecr", "describe_repositories", "repositories", "repositoryName"),
    ]


def started(environment: dict[str, str], *options: str) -> subprocess.Popen[str]:
    command = [str(PYTHON), "-m", "local.prove_on_aws", "--image", BUILT, *options]
    both = {**os.environ, **environment}
    return subprocess.Popen(command, cwd=ROOT, env=both, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def test_a_proof_pushes_runs_compares_reports_and_removes(front: Front) -> None:
    """The real program and image; ECR is the strict account, which takes the whole push."""
    with StrictAws() as ecr:
        places = {**ecr.environment(), "AWS_ENDPOINT_URL": front.environment["AWS_ENDPOINT_URL"]}
        proof = started({**places, "AWS_ENDPOINT_URL_ECR": ecr.url}, "--yes")
        text, _ = proof.communicate(timeout=600)
        assert proof.returncode == 0, text
        assert ecr.calls("PutManifest")
        assert not ecr.ecr_state.repositories
        assert ecr.violations == []
    report = text.partition("## Proof on an emulator, NOT on AWS")[2]
    assert report.startswith(": passed")
    assert re.findall(r"^\| (.*?) \| \[", report, re.MULTILINE) == [
        *checks.EVENTS,
        *(f"job, video {number}" for number in range(checks.JOB_VIDEOS)),
    ]
    assert report.count("| equal |") == len(checks.EVENTS) + checks.JOB_VIDEOS
    assert int(re.findall(r"(\d+) parts", report)[0]) > 1
    assert "Everything was removed" in report
    assert "000000000000" not in report


def test_ctrl_c_in_the_middle_removes_everything(front: Front) -> None:
    """A signal to the real program while the function works; a second one does not stop the removal."""
    with StrictAws() as ecr:
        places = {**ecr.environment(), "AWS_ENDPOINT_URL": front.environment["AWS_ENDPOINT_URL"]}
        proof = started({**places, "AWS_ENDPOINT_URL_ECR": ecr.url}, "--yes")

        def interrupt() -> None:
            proof.send_signal(signal.SIGINT)

        with front.broken("Invoke", interrupt), front.broken("DeleteStack", interrupt):
            text, _ = proof.communicate(timeout=600)
        assert proof.returncode == 1, text
        assert "stopped by SIGINT" in text
        assert "Everything was removed" in text
        assert not ecr.ecr_state.repositories


def test_a_terminal_that_closes_removes_everything(front: Front) -> None:
    with StrictAws() as ecr:
        places = {**ecr.environment(), "AWS_ENDPOINT_URL": front.environment["AWS_ENDPOINT_URL"]}
        proof = started({**places, "AWS_ENDPOINT_URL_ECR": ecr.url}, "--yes")
        assert proof.stdout

        def close() -> None:
            os.close(output)
            proof.send_signal(signal.SIGHUP)

        output = os.dup(proof.stdout.fileno())
        proof.stdout.close()
        with front.broken("CreateStack", close):
            proof.wait(timeout=600)
        assert not ecr.ecr_state.repositories
    assert "stopped by SIGHUP" in program.REPORT.read_text()


@pytest.fixture
def proof(front: Front, monkeypatch: pytest.MonkeyPatch) -> program.Proof:
    """A proof in this process that pushes nothing, and expects other values than there will be."""
    for name, value in front.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(accounts, "POLL_SECONDS", 0.1)
    monkeypatch.setattr(checks, "run_here", lambda *_: (np.zeros(1), 0.0))
    proof = program.Proof(Account(boto3.Session(region_name="us-east-1"), "000000000000", "hwang-prove-test"))
    uri = f"000000000000.dkr.ecr.us-east-1.amazonaws.com/{proof.account.name}@sha256:{'1' * 64}"
    monkeypatch.setattr(accounts, "output", lambda *_: json.dumps({"uri": uri}))
    return proof


def test_what_lambda_bills_is_read_from_its_log(proof: program.Proof, front: Front) -> None:
    report = b"REPORT RequestId: 1\tDuration: 812.33 ms\tBilled Duration: 1234 ms\tMemory Size: 3008 MB\t"
    report += b"Max Memory Used: 211 MB\tInit Duration: 402.17 ms\t\n"
    reply = Reply(200, {"X-Amz-Log-Result": base64.b64encode(report).decode()}, b"{}")
    with front.broken("Invoke", lambda: reply):
        _, figures = proof.account.invoke({})
    assert figures["Billed Duration"] == 1234
    assert figures["Init Duration"] == 402.17
    assert figures["Max Memory Used"] == 211


def test_an_error_of_the_function_ends_the_proof(proof: program.Proof, front: Front) -> None:
    reply = Reply(200, {"X-Amz-Function-Error": "Unhandled"}, b'{"errorMessage": "Task timed out after 60.00 seconds"}')
    with front.broken("Invoke", lambda: reply):
        program.prove_and_remove(proof, BUILT)
    assert "Unhandled" in proof.failure
    assert "Task timed out" in proof.report()


def test_another_result_than_here_is_no_proof(proof: program.Proof) -> None:
    program.prove_and_remove(proof, BUILT)
    assert (proof.failure, proof.left, proof.status) == ("", [], 1)
    assert "up to inf apart" in proof.report()
    assert ": FAILED" in proof.report()


STEPS = ("CreateRepository", "CreateStack", "PutObject", "Invoke", "StartExecution", "DescribeExecution", "GetObject")


@pytest.mark.parametrize("call", STEPS)
def test_a_failure_in_any_step_is_reported_and_everything_removed(
    proof: program.Proof, front: Front, call: str
) -> None:
    with front.broken(call, denied):
        program.prove_and_remove(proof, BUILT)
    assert call in front.calls
    assert "AccessDenied" in proof.failure
    assert (proof.left, proof.status) == ([], 1)


@pytest.mark.parametrize(
    ("call", "number"), [*((step, signal.SIGINT) for step in STEPS[::2]), ("Invoke", signal.SIGTERM)]
)
def test_a_signal_in_any_step_removes_everything(
    proof: program.Proof, front: Front, call: str, number: signal.Signals
) -> None:
    with front.broken(call, lambda: os.kill(os.getpid(), number)):
        program.prove_and_remove(proof, BUILT)
    assert proof.failure == f"stopped by {number.name}"
    assert (proof.left, proof.status) == ([], 1)


def test_a_stack_that_cannot_be_made_says_why_and_is_removed(
    proof: program.Proof, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = "Resources:\n  Refused: {Type: AWS::Logs::ResourcePolicy, Properties: {PolicyDocument: '{}'}}\n"
    broken = template().replace("Resources:\n", refused, 1)
    monkeypatch.setattr(accounts, "template", lambda: broken)
    program.prove_and_remove(proof, BUILT)
    assert "the stack could not be made\nRefused: " in proof.failure
    assert (proof.left, proof.status) == ([], 1)


def test_what_cannot_be_removed_is_named_with_the_commands_for_it(proof: program.Proof, front: Front) -> None:
    with front.broken("DeleteStack", denied), front.broken("DeleteRepository", denied):
        program.prove_and_remove(proof, BUILT)
    assert proof.status == 3
    stack, repository = proof.left
    name = proof.account.name
    assert f"aws cloudformation delete-stack --stack-name {name} --region us-east-1" in stack
    assert f"aws ecr delete-repository --repository-name {name} --force --region us-east-1" in repository
    assert "LEFT SOMETHING BEHIND" in proof.report()
    run = started(front.environment, "--remove", name)
    assert (run.communicate(timeout=60)[0], run.returncode) == ("nothing is left\n", 0)


def test_nothing_is_made_without_a_yes(front: Front) -> None:
    run = started(front.environment)
    text, _ = run.communicate(timeout=60)
    assert run.returncode == 1
    assert "It costs at most 0.05 USD" in text
    assert set(front.calls) == {"GetCallerIdentity"}


def test_only_names_of_proofs_are_removed(front: Front) -> None:
    run = started(front.environment, "--remove", "production")
    run.communicate(timeout=60)
    assert (run.returncode, front.calls) == (2, [])


def test_cloudformation_takes_the_template_with_its_bucket() -> None:
    assert len(template().encode()) < 51_200  # CloudFormation's limit for a body
    assert findings(template()) == []
