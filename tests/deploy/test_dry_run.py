"""A dry run changes nothing, and shows the changes that the real run then makes: all of them, in their order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from deploy.policy import action_of
from tests.deploy.images import good, layout_of, write_directory
from tests.deploy.scenario import AT_ONCE
from tests.deploy.trial import Trial
from tests.support.aws import StrictAws, samples
from tests.support.aws.calls import Call
from tests.support.aws.strict import ROLE

PUSH = "push"
DEPLOY = ("deploy", "--repository", "app", "--function", "frames")


def made(call: Call, version: str) -> Any:
    """A change as a dry run shows it: values known only afterwards have other names there, secrets none."""
    if call.service == "registry":
        return PUSH
    parameters = json.loads(json.dumps(dict(call.parameters), default=lambda data: data.decode()))
    parameters.pop("RevisionId", None)
    if variables := parameters.get("Environment", {}).get("Variables"):
        variables.update(dict.fromkeys(variables, "…"))
    for name in ("Qualifier", "FunctionVersion"):
        if name in parameters and parameters[name] == version:
            parameters[name] = "NEW"
    if version and "Description" in parameters:
        parameters["Description"] = parameters["Description"].replace(f"versions {version}", "versions NEW")
    weights = parameters.get("RoutingConfig", {}).get("AdditionalVersionWeights", {})
    if version in weights:
        weights["NEW"] = weights.pop(version)
    return action_of(call.operation), parameters


def shown(call: dict[str, Any]) -> Any:
    if call["action"].startswith("push "):
        return PUSH
    return call["action"], {name: value for name, value in call["parameters"].items() if name != "RevisionId"}


def compare(aws: StrictAws, trial: Trial, *arguments: str, new: str = "") -> list[str]:
    """Runs it dry, and then really; the actions that change something. `new`: the version that is made."""
    aws.forget_calls()
    rehearsed = trial.succeeds(*arguments, "--dry-run", "--json").document
    assert aws.changes() == []
    assert rehearsed["dry_run"]
    planned = [shown(call) for call in rehearsed["calls"] if not call["made"]]
    aws.forget_calls()
    trial.succeeds(*arguments)
    done = [made(call, new) for call in aws.changes()]
    for number in range(len(done) - 1, 0, -1):
        if done[number] == done[number - 1] == PUSH:
            del done[number]
    assert planned == done
    return [change if isinstance(change, str) else change[0].partition(":")[2] for change in done]


@pytest.fixture
def digest(aws: StrictAws) -> str:
    """Of an image in the repository that is not deployed. Version 1 of `frames` is another."""
    aws.make_function("frames", aws.put_image())
    return aws.put_image().digest


def test_a_deploy(aws: StrictAws, trial: Trial, digest: str) -> None:
    assert compare(aws, trial, *DEPLOY, "--digest", digest, new="2") == [
        "UpdateFunctionCode",
        "PublishVersion",
        "InvokeFunction",
        "UpdateAlias",
        "InvokeFunction",
    ]


def test_a_deploy_of_what_is_live(aws: StrictAws, trial: Trial, digest: str) -> None:
    trial.succeeds(*DEPLOY, "--digest", digest)
    assert compare(aws, trial, *DEPLOY, "--digest", digest) == []


def test_a_deploy_with_settings_and_a_canary(aws: StrictAws, trial: Trial, digest: str) -> None:
    settings = ("--memory", "1024", "--timeout", "60", "--ephemeral-storage", "1024", "--env", "TOKEN=secret")
    canary = ("--canary", "10%,50%", "--for", "1s", *AT_ONCE)
    assert compare(aws, trial, *DEPLOY, "--digest", digest, *settings, *canary, new="2") == [
        "UpdateFunctionCode",
        "UpdateFunctionConfiguration",
        "PublishVersion",
        "InvokeFunction",
        "UpdateAlias",
        "UpdateAlias",
        "UpdateAlias",
        "InvokeFunction",
    ]
    assert "secret" not in trial.succeeds(*DEPLOY, "--digest", digest, "--env", "TOKEN=secret2", "--dry-run").out


def test_a_deploy_that_sets_everything(aws: StrictAws, trial: Trial, digest: str) -> None:
    more = ("--command", "app.other", "--workdir", "/srv", "--function-tag", "a=b", "--settings-from", "live")
    assert compare(aws, trial, *DEPLOY, "--digest", digest, *more, "--no-smoke", new="2") == [
        "UpdateFunctionCode",
        "UpdateFunctionConfiguration",
        "TagResource",
        "PublishVersion",
        "UpdateAlias",
    ]
    arm = aws.put_image(samples.make("arm64")).digest
    compare(aws, trial, *DEPLOY, "--digest", arm, "--architecture", "arm64", "--command", "", "--no-smoke", new="3")


def test_a_deploy_that_makes_the_function(aws: StrictAws, trial: Trial) -> None:
    digest = aws.put_image().digest
    made = ("--create", "--role", ROLE, "--memory", "2048", "--no-smoke", "--command", "app.other")
    assert compare(aws, trial, *DEPLOY, "--digest", digest, *made, new="1") == [
        "CreateFunction",
        "PublishVersion",
        "CreateAlias",
    ]


def test_a_deploy_to_an_alias_that_is_new(aws: StrictAws, trial: Trial, digest: str) -> None:
    compare(aws, trial, *DEPLOY, "--digest", digest, "--alias", "blue", new="2")


@pytest.mark.parametrize("canary", [False, True])
def test_a_rollback(aws: StrictAws, trial: Trial, digest: str, canary: bool) -> None:
    trial.succeeds(*DEPLOY, "--digest", digest)
    if canary:
        routing = {"AdditionalVersionWeights": {"2": 0.1}}
        aws.do("UpdateAlias", FunctionName="frames", Name="live", FunctionVersion="1", RoutingConfig=routing)
    assert compare(aws, trial, "rollback", "--function", "frames") == ["InvokeFunction", "UpdateAlias"]


def test_a_prune(aws: StrictAws, trial: Trial, digest: str) -> None:
    for _ in range(120):
        aws.put_image()
    actions = compare(aws, trial, "prune", "--repository", "app", "--keep", "2", "--younger", "0s", "--yes")
    assert actions == ["BatchDeleteImage", "BatchDeleteImage"]
    assert digest not in aws.ecr_state.repositories["app"].manifests


def test_an_invocation(aws: StrictAws, trial: Trial, digest: str, tmp_path: Path) -> None:
    assert digest
    (tmp_path / "event.json").write_text('{"frames": [1]}')
    arguments = ("invoke", "--function", "frames", str(tmp_path / "event.json"))
    assert compare(aws, trial, *arguments) == ["InvokeFunction"]


# Of an image on this machine.


@pytest.fixture
def layout(tmp_path: Path) -> str:
    return f"oci:{write_directory(layout_of(good()), tmp_path / 'layout')}"


def test_a_push_that_makes_the_repository(aws: StrictAws, trial: Trial, layout: str) -> None:
    push = ("push", layout, "--repository", "app", "--create")
    assert compare(aws, trial, *push) == ["CreateRepository", "SetRepositoryPolicy", "PutLifecyclePolicy", PUSH]
    assert compare(aws, trial, *push) == []


def test_a_push_into_a_repository_that_is_there(aws: StrictAws, trial: Trial, layout: str) -> None:
    aws.put_image()
    assert compare(aws, trial, "push", layout, "--repository", "app", "--create") == [PUSH]


def test_a_deploy_of_an_image_on_this_machine(aws: StrictAws, trial: Trial, layout: str) -> None:
    aws.make_function("frames")
    actions = compare(aws, trial, *DEPLOY, layout, "--no-smoke", new="2")
    assert actions == [PUSH, "UpdateFunctionCode", "PublishVersion", "UpdateAlias"]


def test_people_are_told_that_nothing_was_changed(trial: Trial, digest: str) -> None:
    ended = trial.succeeds(*DEPLOY, "--digest", digest, "--dry-run")
    lines = ended.out.splitlines()
    assert lines[-2] == "nothing was changed; the real run would end like this:"
    assert lines[-1].startswith("alias live of frames is at version NEW, ")
    assert all(line.startswith(("read ", "would ")) for line in lines[:-2])
    assert "✓" not in ended.err
