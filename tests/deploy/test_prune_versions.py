"""Versions that `deploy` published and nobody needs are deleted, with the images that they alone kept; no others."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from deploy.errors import UsageError
from deploy.registry import ecr
from tests.deploy.test_prune import DAY, PRUNE, left, put
from tests.deploy.trial import Trial
from tests.support.aws import Meanwhile, SampleImage, StrictAws
from tests.support.aws.store import stamp

NOW = ("--yes", "--json")


def age(aws: StrictAws, name: str = "frames") -> None:
    """All versions are ten days old."""
    for number in aws.store.functions[name].versions:
        aws.set_state(name, number, LastModified=stamp(aws.ecr_state.shared_state.now() - 10 * DAY))


@pytest.fixture
def images(aws: StrictAws) -> list[SampleImage]:
    """Of versions 1 to 6 of `frames`, deployed one after the other; `live` is at 6, and everything is old."""
    pushed = [put(aws, 90 - number) for number in range(6)]
    for number, image in enumerate(pushed):
        mark = f"ecr_push {image.digest}"
        if number:
            aws.release("frames", image, "live", mark)
        else:
            aws.make_function("frames", image)
            aws.set_state("frames", "1", Description=mark)
    age(aws)
    return pushed


def versions(aws: StrictAws, name: str = "frames") -> list[str]:
    return list(aws.store.functions[name].versions)


def test_old_versions_go_first_and_then_their_images(aws: StrictAws, trial: Trial, images: list[SampleImage]) -> None:
    found = trial.succeeds(*PRUNE, "--keep", "2", *NOW).document
    assert versions(aws) == ["5", "6"]
    assert left(aws) == {image.digest for image in images[4:]}
    assert [item["version"] for item in found["deleted_versions"]] == ["1", "2", "3", "4"]
    assert set(found["deleted"]) == {image.digest for image in images[:4]}
    changes = [call.operation for call in aws.changes()]
    assert changes == ["DeleteFunction"] * 4 + ["BatchDeleteImage"]
    assert all(call.parameters["Qualifier"].isdecimal() for call in aws.calls("DeleteFunction"))


def test_a_dry_run_shows_both_and_deletes_neither(aws: StrictAws, trial: Trial, images: list[SampleImage]) -> None:
    found = trial.succeeds(*PRUNE, "--keep", "2", "--dry-run", "--json").document
    assert not aws.changes()
    assert len(found["deleted_versions"]) == 4
    assert set(found["deleted"]) == {image.digest for image in images[:4]}
    shown = trial.succeeds(*PRUNE, "--keep", "2", "--dry-run").out
    assert "version 3 of frames" in shown
    assert "would lambda:DeleteFunction FunctionName=frames Qualifier=3" in shown


def of_another_tool(aws: StrictAws) -> None:
    aws.set_state("frames", "2", Description="somebody else's ecr_push sha256:0")


def of_an_alias(aws: StrictAws) -> None:
    aws.do("CreateAlias", FunctionName="frames", Name="blue", FunctionVersion="2")


def in_a_canary(aws: StrictAws) -> None:
    weights = {"AdditionalVersionWeights": {"2": 0.1}}
    aws.do("UpdateAlias", FunctionName="frames", Name="live", RoutingConfig=weights)


def of_a_trigger(aws: StrictAws) -> None:
    queue = "arn:aws:sqs:us-east-1:123456789012:q"
    aws.do("CreateEventSourceMapping", FunctionName="frames:2", EventSourceArn=queue)


def provisioned(aws: StrictAws) -> None:
    aws.do("PutProvisionedConcurrencyConfig", FunctionName="frames", Qualifier="2", ProvisionedConcurrentExecutions=1)


def permission_of(principal: str) -> Callable[[StrictAws], Any]:
    asked = {"StatementId": "x", "Action": "lambda:InvokeFunction", "Principal": principal}
    return lambda aws: aws.do("AddPermission", FunctionName="frames", Qualifier="2", **asked)


def of_a_way_back(aws: StrictAws) -> None:
    aws.do("CreateAlias", FunctionName="frames", Name="blue", FunctionVersion="6", Description="versions 6, 2, 1")


def of_a_moment_ago(aws: StrictAws) -> None:
    aws.set_state("frames", "2", LastModified=stamp(aws.ecr_state.shared_state.now() - 60))


NEEDS: dict[str, Callable[[StrictAws], Any]] = {
    "another tool's": of_another_tool,
    "an alias's": of_an_alias,
    "a canary's": in_a_canary,
    "a trigger's": of_a_trigger,
    "provisioned": provisioned,
    "another account's": permission_of("210987654321"),
    "a service's": permission_of("s3.amazonaws.com"),
    "a way back": of_a_way_back,
    "young": of_a_moment_ago,
}


@pytest.mark.parametrize("need", NEEDS)
def test_a_version_that_somebody_needs_stays_with_its_image(
    aws: StrictAws, trial: Trial, images: list[SampleImage], need: str
) -> None:
    NEEDS[need](aws)
    trial.succeeds(*PRUNE, "--keep", "1", *NOW)
    assert versions(aws) == ["2", "6"]
    assert images[1].digest in left(aws)


@pytest.mark.parametrize("need", ["an alias's", "a canary's", "a trigger's", "provisioned", "another account's"])
def test_a_version_that_comes_into_use_meanwhile_stays(
    aws: StrictAws, trial: Trial, images: list[SampleImage], need: str
) -> None:
    """Between the plan and the deletion: the second reading sees it."""
    with aws.rule(Meanwhile(lambda: NEEDS[need](aws)), "ListEventSourceMappings", skip=1, times=1) as rule:
        trial.succeeds(*PRUNE, "--keep", "1", *NOW)
    assert rule.hits
    assert versions(aws) == ["2", "6"]
    assert images[1].digest in left(aws)


def test_an_alias_that_comes_at_the_last_moment_keeps_its_version(
    aws: StrictAws, trial: Trial, images: list[SampleImage]
) -> None:
    with aws.rule(Meanwhile(lambda: of_an_alias(aws)), "DeleteFunction", {"Qualifier": "2"}, times=1):
        trial.succeeds(*PRUNE, "--keep", "1", *NOW)
    assert versions(aws) == ["2", "6"]
    assert images[1].digest in left(aws)


@pytest.mark.usefixtures("images")
def test_versions_of_other_repositories_images_stay(aws: StrictAws, trial: Trial) -> None:
    other = aws.put_image(repository="other")
    for _ in range(3):
        aws.release("frames", other, "live", f"ecr_push {other.digest}")
        other = aws.put_image(repository="other")
    age(aws)
    trial.succeeds(*PRUNE, "--keep", "0", *NOW)
    assert versions(aws) == ["7", "8", "9"]


def test_an_account_whose_functions_do_not_name_digests_is_asked_for_each(
    aws: StrictAws, trial: Trial, images: list[SampleImage]
) -> None:
    """CodeSha256 is no image's digest in an emulator."""
    for number in ("$LATEST", *versions(aws)):
        aws.set_state("frames", number, CodeSha256="")
    trial.succeeds(*PRUNE, "--keep", "6", *NOW)
    assert left(aws) == {image.digest for image in images}
    assert len(aws.calls("GetFunction")) >= 7


# Other accounts.

PULL = {"Effect": "Allow", "Action": list(ecr.PULL_ACTIONS)}
ORGANIZATION = {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}
OTHERS: dict[str, tuple[dict[str, Any], str]] = {
    "an account": ({**PULL, "Principal": {"AWS": "arn:aws:iam::210987654321:root"}}, "210987654321"),
    "a number": ({**PULL, "Principal": {"AWS": ["210987654321", "123456789012"]}}, "210987654321"),
    "everybody": ({**PULL, "Principal": "*", "Action": "ecr:*"}, "any account"),
    "an organization": ({**PULL, "Principal": {"AWS": "*"}, "Condition": ORGANIZATION}, "any account"),
    "functions": (
        {
            **PULL,
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Condition": {"StringLike": {"aws:sourceArn": "arn:aws:lambda:us-east-1:210987654321:function:*"}},
        },
        "210987654321",
    ),
}


def allow(aws: StrictAws, *statements: dict[str, Any]) -> None:
    aws.ecr_state.repositories["app"].policy = json.dumps({"Version": "2012-10-17", "Statement": statements})


@pytest.mark.parametrize("who", OTHERS)
def test_what_other_accounts_may_run_is_deleted_only_if_they_were_looked_at(
    aws: StrictAws, trial: Trial, who: str
) -> None:
    statement, named = OTHERS[who]
    put(aws, 9)
    allow(aws, statement)
    ended = trial.fails(UsageError, *PRUNE, "--keep", "0", "--yes")
    assert f"lets {named} pull" in ended.err
    assert len(left(aws)) == 1
    trial.succeeds(*PRUNE, "--keep", "0", "--yes", "--other-accounts", "checked")
    assert not left(aws)


def test_rights_of_this_account_and_rights_that_are_no_pull_do_not_matter(aws: StrictAws, trial: Trial) -> None:
    put(aws, 9)
    own = {**PULL, "Principal": {"AWS": "arn:aws:iam::123456789012:root"}}
    describing = {"Effect": "Allow", "Action": "ecr:DescribeImages", "Principal": {"AWS": "210987654321"}}
    denied = {**PULL, "Effect": "Deny", "Principal": "*"}
    allow(aws, own, describing, denied, *ecr.pull_policy(aws.ecr_state.repositories["app"].arn)["Statement"])
    trial.succeeds(*PRUNE, "--keep", "0", "--yes")
    assert not left(aws)


# Calls.


def test_a_large_account_is_planned_with_few_calls(aws: StrictAws, trial: Trial) -> None:
    """300 functions of 20 versions, 20 of them on this repository."""
    aws.put_image(repository="other")
    for number in range(300):
        repository = "app" if number < 20 else "other"
        name = f"f{number}"
        image = aws.put_image(repository=repository)
        aws.make_function(name, image)
        for release in range(19):
            again = aws.put_image(repository=repository) if number < 20 else image
            aws.do("UpdateFunctionConfiguration", FunctionName=name, Description=f"release {release}")
            latest = aws.store.functions[name].latest
            latest.settling = None
            latest.configuration |= {"LastUpdateStatus": "Successful"}
            aws.release(name, again, "live", f"ecr_push {again.digest}")
        age(aws, name)
    for manifest in aws.ecr_state.repositories["app"].manifests.values():
        manifest.pushed -= 10 * DAY
    aws.forget_calls()
    found = trial.succeeds(*PRUNE, "--keep", "10", "--dry-run", "--json").document
    assert len(found["unneeded_versions"]) == 20 * 9, "the first of each is not the tool's"
    planned = [call.operation for call in aws.calls()]
    planning = planned[: planned.index("GetRepositoryPolicy")]
    print(f"{len(planning)} calls: { {name: planning.count(name) for name in sorted(set(planning))} }")
    assert len(planning) <= 700
