"""The printed policies are the least: with them everything works, and without any one action something does not.

The account enforces them, for its own calls and for the registry's. What fails for want of a right says which, and
leaves nothing half done.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeAlias

import pytest

from deploy.errors import (
    DeployError,
    NotRestoredError,
    PermissionDeniedError,
    ReleaseUndoneError,
    RollbackImpossibleError,
    UsageError,
)
from deploy.policy import POLICIES, Scope
from deploy.registry import ecr
from deploy.registry.attach import SBOM
from tests.deploy.images import digest_of, good, layout_of, write_directory
from tests.deploy.scenario import CANARY
from tests.deploy.tool import Ended
from tests.deploy.trial import Trial, traffic
from tests.support.aws import Answer, Identity, Invocation, SampleImage, StrictAws
from tests.support.aws.rights import repository_arn
from tests.support.aws.shared_state import ACCOUNT, REGION
from tests.support.aws.strict import ROLE

Policy: TypeAlias = Mapping[str, Any]
SCOPE: Final = {"repository": "app", "function": "frames", "region": REGION, "account": ACCOUNT}
DEPLOY: Final = ("deploy", "--repository", "app", "--function", "frames")


def repository(aws: StrictAws) -> None:
    """As `push --create` makes it: Lambda may pull."""
    aws.do("CreateRepository", repositoryName="app")
    aws.do("SetRepositoryPolicy", repositoryName="app", policyText=json.dumps(ecr.pull_policy(repository_arn("app"))))


def creation_cut_short(aws: StrictAws) -> None:
    """As `push --create` leaves it that is killed after its first call."""
    scanning = {"scanOnPush": True}
    aws.do(
        "CreateRepository",
        repositoryName="app",
        imageTagMutability="IMMUTABLE",
        imageScanningConfiguration=scanning,
    )


def without_function(aws: StrictAws) -> None:
    repository(aws)
    aws.put_image(tag="three")


def function(aws: StrictAws) -> None:
    """Two versions of `frames`, the second live, and another image that is not deployed."""
    repository(aws)
    aws.make_function("frames", aws.put_image(tag="one"))
    image = aws.put_image(tag="two")
    aws.release("frames", image, "live", f"ecr_push {image.digest}")
    aws.do("UpdateAlias", FunctionName="frames", Name="live", Description="versions 2, 1")
    aws.put_image(tag="three")


def digest(aws: StrictAws, tag: str = "three") -> str:
    return aws.ecr_state.repositories["app"].tags[tag]


def fails_when_live(invocation: Invocation) -> Answer:
    return Answer({"errorType": "Broken"}, error="Unhandled" if invocation.qualifier == "blue" else "")


@dataclass(frozen=True)
class Scenario:
    """Something that the documentation says the tool does. `ends_in`: where it is a failure that is looked for."""

    prepare: Callable[[StrictAws], object]
    arguments: Callable[[StrictAws, Path], tuple[str, ...]]
    ends_in: type[DeployError] | None = None

    def run(self, aws: StrictAws, trial: Trial, tmp_path: Path) -> Ended:
        return trial.run(*self.arguments(aws, tmp_path))


def layout(tmp_path: Path) -> str:
    """Of a good image with a bill of materials in it."""
    path = tmp_path / "layout"
    built = good({SBOM.lstrip("/"): b"{}"})
    return f"oci:{path if path.exists() else write_directory(layout_of(built), path)}"


def pushed_of_another_build(aws: StrictAws) -> None:
    """The image of the layout, built another day: the same content in another configuration."""
    repository(aws)
    built = replace(good({SBOM.lstrip("/"): b"{}"}), config={"created": "2026-01-01T00:00:00Z"})
    blobs = {digest_of(data): data for data in built.blobs[1:]}
    aws.put_image(SampleImage(built.manifest_bytes, built.manifest_type, blobs), tag="v1")


def event(tmp_path: Path) -> str:
    (tmp_path / "event.json").write_text("{}")
    return str(tmp_path / "event.json")


def without_version_1(aws: StrictAws) -> None:
    function(aws)
    aws.do("DeleteFunction", FunctionName="frames", Qualifier="1")


def with_a_scan(aws: StrictAws) -> None:
    """Nothing was found in the image, and it is signed."""
    function(aws)
    repository = aws.ecr_state.repositories["app"]
    repository.scans[digest(aws)] = {"imageScanStatus": {"status": "COMPLETE"}, "imageScanFindings": {}}
    aws.put_image(tag=f"{digest(aws).replace(':', '-')}.sig")


def with_an_alarm(aws: StrictAws) -> None:
    function(aws)
    aws.do("SetAlarmState", AlarmName="errors", StateValue="OK", StateReason="few")


def with_old_versions(aws: StrictAws) -> None:
    """The function of `function`, with version 3 live."""
    function(aws)
    aws.release("frames", aws.put_image(), "live")


def with_a_bad_answer(aws: StrictAws) -> None:
    function(aws)
    aws.answer(fails_when_live)


def asked(aws: StrictAws) -> None:
    function(aws)
    aws.client("lambda").invoke(FunctionName="frames", Qualifier="live")


SCENARIOS: Final[dict[str, dict[str, Scenario]]] = {
    "push": {
        "create": Scenario(lambda _: None, lambda _, tmp: ("push", layout(tmp), "--repository", "app", "--create")),
        "cut short": Scenario(
            creation_cut_short, lambda _, tmp: ("push", layout(tmp), "--repository", "app", "--create")
        ),
        "push": Scenario(repository, lambda _, tmp: ("push", layout(tmp), "--repository", "app")),
        "rebuilt": Scenario(
            pushed_of_another_build, lambda _, tmp: ("push", layout(tmp), "--repository", "app", "--tag", "v1")
        ),
        "attach": Scenario(repository, lambda _, tmp: ("push", layout(tmp), "--repository", "app", "--attach")),
        "there": Scenario(repository, lambda _, tmp: ("push", layout(tmp), "--repository", "app", "--create")),
    },
    "deploy": {
        "digest": Scenario(function, lambda aws, _: (*DEPLOY, "--digest", digest(aws), "--memory", "512")),
        "create": Scenario(
            without_function,
            lambda aws, _: (*DEPLOY, "--digest", digest(aws), "--create", "--role", ROLE),
        ),
        "canary": Scenario(
            with_an_alarm, lambda aws, _: (*DEPLOY, "--digest", digest(aws), *CANARY, "--alarm", "errors")
        ),
        "gates": Scenario(
            with_a_scan,
            lambda aws, _: (*DEPLOY, "--digest", digest(aws), "--max-severity", "low", "--require-signature"),
        ),
        "rollback": Scenario(function, lambda *_: ("rollback", "--function", "frames")),
        "no way back": Scenario(
            without_version_1, lambda *_: ("rollback", "--function", "frames"), RollbackImpossibleError
        ),
        "undone": Scenario(
            with_a_bad_answer,
            lambda aws, _: (*DEPLOY, "--digest", digest(aws), "--alias", "blue"),
            ReleaseUndoneError,
        ),
        "tags undone": Scenario(
            with_a_bad_answer,
            lambda aws, _: (*DEPLOY, "--digest", digest(aws), "--alias", "blue", "--function-tag", "a=b"),
            ReleaseUndoneError,
        ),
    },
    "prune": {
        "prune": Scenario(
            with_old_versions, lambda _, __: ("prune", "--repository", "app", "--keep", "0", "--younger", "0s", "--yes")
        )
    },
    "observe": {
        "status": Scenario(function, lambda _, __: ("status", "--function", "frames")),
        "all": Scenario(function, lambda _, __: ("status", "--function", "frames", "--all")),
        "logs": Scenario(asked, lambda _, __: ("logs", "--function", "frames")),
        "invoke": Scenario(function, lambda _, tmp: ("invoke", "--function", "frames", event(tmp))),
    },
}
# For each action, the scenario that misses it; and how that ends, where it is not before anything was changed.
MISSED: Final[dict[str, dict[str, str]]] = {
    "push": {
        "ecr:BatchCheckLayerAvailability": "push",
        "ecr:BatchGetImage": "push",
        "ecr:CompleteLayerUpload": "push",
        "ecr:CreateRepository": "create",
        "ecr:DescribeRepositories": "push",
        "ecr:GetAuthorizationToken": "push",
        "ecr:DescribeImages": "cut short",
        "ecr:GetDownloadUrlForLayer": "rebuilt",
        "ecr:GetLifecyclePolicy": "cut short",
        "ecr:GetRepositoryPolicy": "cut short",
        "ecr:InitiateLayerUpload": "push",
        "ecr:PutImage": "push",
        "ecr:PutLifecyclePolicy": "create",
        "ecr:SetRepositoryPolicy": "create",
        "ecr:UploadLayerPart": "push",
    },
    "deploy": {
        "cloudwatch:DescribeAlarms": "canary",
        "cloudwatch:GetMetricData": "canary",
        "ecr:BatchGetImage": "digest",
        "ecr:DescribeImageScanFindings": "gates",
        "ecr:DescribeImages": "rollback",
        "ecr:DescribeRepositories": "digest",
        "ecr:GetAuthorizationToken": "digest",
        "ecr:ListImageReferrers": "gates",
        "ecr:GetDownloadUrlForLayer": "digest",
        "iam:PassRole": "create",
        "lambda:CreateAlias": "create",
        "lambda:CreateFunction": "create",
        "lambda:DeleteAlias": "undone",
        "lambda:GetAlias": "digest",
        "lambda:GetFunction": "digest",
        "lambda:GetProvisionedConcurrencyConfig": "digest",
        "lambda:InvokeFunction": "digest",
        "lambda:ListTags": "tags undone",
        "lambda:ListVersionsByFunction": "no way back",
        "lambda:PublishVersion": "digest",
        "lambda:TagResource": "tags undone",
        "lambda:UntagResource": "tags undone",
        "lambda:UpdateAlias": "digest",
        "lambda:UpdateFunctionCode": "digest",
        "lambda:UpdateFunctionConfiguration": "digest",
    },
    "prune": {
        "ecr:BatchDeleteImage": "prune",
        "ecr:BatchGetImage": "prune",
        "ecr:DescribeImages": "prune",
        "ecr:DescribeRepositories": "prune",
        "ecr:GetRepositoryPolicy": "prune",
        "lambda:DeleteFunction": "prune",
        "lambda:GetFunction": "prune",
        "lambda:GetPolicy": "prune",
        "lambda:ListAliases": "prune",
        "lambda:ListEventSourceMappings": "prune",
        "lambda:ListFunctions": "prune",
        "lambda:ListProvisionedConcurrencyConfigs": "prune",
    },
    "observe": {
        "ecr:DescribeImages": "status",
        "lambda:GetFunction": "status",
        "lambda:InvokeFunction": "invoke",
        "lambda:ListAliases": "status",
        "lambda:ListVersionsByFunction": "all",
        "logs:FilterLogEvents": "logs",
    },
}
ENDS: Final[dict[str, type[DeployError]]] = {
    "lambda:DeleteAlias": NotRestoredError,
    "lambda:GetProvisionedConcurrencyConfig": ReleaseUndoneError,
    "lambda:UntagResource": NotRestoredError,
}


def printed(of: str) -> Policy:
    scope = Scope(**SCOPE, role=ROLE, create=True)
    return POLICIES[of](scope)


def actions(policy: Policy) -> set[str]:
    return {action for statement in policy["Statement"] for action in statement["Action"]}


def without(policy: Policy, action: str) -> Policy:
    statements = [
        {**statement, "Action": [one for one in statement["Action"] if one != action]}
        for statement in policy["Statement"]
    ]
    return {**policy, "Statement": [statement for statement in statements if statement["Action"]]}


def state(aws: StrictAws) -> dict[str, Any]:
    """What a failure must leave: aliases, $LATEST, and images."""
    latest = {
        name: (found.latest.digest, found.latest.configuration["MemorySize"])
        for name, found in aws.store.functions.items()
    }
    images = {name: (set(found.manifests), dict(found.tags)) for name, found in aws.ecr_state.repositories.items()}
    return {"traffic": traffic(aws), "latest": latest, "images": images}


CASES = [(of, name) for of, scenarios in SCENARIOS.items() for name in scenarios]


@pytest.mark.parametrize(("of", "name"), CASES)
def test_a_policy_suffices(aws: StrictAws, trial: Trial, tmp_path: Path, of: str, name: str) -> None:
    scenario = SCENARIOS[of][name]
    scenario.prepare(aws)
    ended = scenario.run(aws, trial.by(aws.identity("somebody", printed(of))), tmp_path)
    assert ended.code == (scenario.ends_in.exit_code if scenario.ends_in else 0), ended
    assert not [call for call in aws.calls() if call.code in ("AccessDeniedException", "DENIED")]


@pytest.mark.parametrize("of", list(POLICIES))
def test_every_action_has_a_scenario_that_misses_it(of: str) -> None:
    assert actions(printed(of)) == set(MISSED[of])


@pytest.mark.parametrize(("of", "action"), [(of, action) for of, missed in MISSED.items() for action in missed])
def test_without_an_action_it_is_named_and_nothing_is_half_done(
    aws: StrictAws, trial: Trial, tmp_path: Path, of: str, action: str
) -> None:
    scenario = SCENARIOS[of][MISSED[of][action]]
    scenario.prepare(aws)
    somebody = aws.identity("somebody", without(printed(of), action))
    before = state(aws)
    ended = scenario.run(aws, trial.by(somebody), tmp_path)
    if action == "ecr:DescribeImages" and of in {"deploy", "observe"}:
        assert ended.code == 0, "what can be done without it is done"
        assert action in ended.out + ended.err
        return
    trial.require_failure(ended, ENDS.get(action, PermissionDeniedError))
    assert action in ended.err
    denied = [call for call in aws.calls() if call.code in ("AccessDeniedException", "DENIED")]
    assert denied or action == "lambda:ListTags", "whose refusal is a part of GetFunction's answer"
    if action == "lambda:DeleteAlias":
        return  # what is left is in the message
    if scenario is not SCENARIOS["deploy"]["create"] and scenario is not SCENARIOS["push"]["create"]:
        assert state(aws) == before
    require_rerun(aws, trial, tmp_path, scenario, somebody, of)


def require_rerun(
    aws: StrictAws, trial: Trial, tmp_path: Path, scenario: Scenario, somebody: Identity, of: str
) -> None:
    """With the right that was missing, the same command does it."""
    aws.allow(somebody, printed(of))
    ended = scenario.run(aws, trial.by(somebody), tmp_path)
    assert ended.code == (scenario.ends_in.exit_code if scenario.ends_in else 0), ended


def test_the_policies_of_push_and_deploy_together_suffice_for_an_image_of_this_machine(
    aws: StrictAws, trial: Trial, tmp_path: Path
) -> None:
    function(aws)
    both = {"Statement": [*printed("push")["Statement"], *printed("deploy")["Statement"]]}
    arguments = (*DEPLOY, layout(tmp_path), "--no-smoke")
    trial.by(aws.identity("somebody", both)).succeeds(*arguments)
    assert traffic(aws) == {"frames:live": ("3", {})}


def test_the_command_prints_the_policy(trial: Trial) -> None:
    options = [part for name, value in SCOPE.items() for part in (f"--{name}", value)]
    for of in POLICIES:
        ended = trial.succeeds("policy", of, *options, "--create", "--role", ROLE)
        assert json.loads(ended.out) == printed(of)
        assert trial.succeeds("policy", of, *options, "--create", "--role", ROLE, "--json").document == printed(of)


def test_a_repository_that_lambda_may_not_pull_from_is_explained(aws: StrictAws, trial: Trial) -> None:
    function(aws)
    aws.do("DeleteRepositoryPolicy", repositoryName="app")
    somebody = aws.identity("somebody", printed("deploy"))
    ended = trial.by(somebody).fails(PermissionDeniedError, *DEPLOY, "--digest", digest(aws))
    assert "Lambda may not pull the image" in ended.err
    assert "ecr:SetRepositoryPolicy" in ended.err.splitlines()[-1]


# Partitions.

PARTITIONS = {
    "eu-west-1": "aws", "cn-north-1": "aws-cn", "us-gov-west-1": "aws-us-gov", "us-iso-east-1": "aws-iso",
    "us-isob-east-1": "aws-iso-b", "eusc-de-east-1": "aws-eusc",
}  # fmt: skip


@pytest.mark.parametrize("region", PARTITIONS)
def test_every_arn_is_of_the_regions_partition(trial: Trial, region: str) -> None:
    place = ("--region", region, "--account", ACCOUNT, "--function", "frames", "--create")
    for of in POLICIES:
        arns = re.findall(r"arn:[^\"]+", trial.succeeds("policy", of, *place).out)
        assert arns
        assert {arn.split(":")[1] for arn in arns} == {PARTITIONS[region]}


def test_a_region_that_is_none_is_refused(trial: Trial) -> None:
    assert "moon is no region" in trial.fails(UsageError, "policy", "push", "--region", "moon").err
