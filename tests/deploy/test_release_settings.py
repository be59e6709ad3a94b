"""Settings, tags and architectures: set, put back, never written over what is unreadable, and drift that is seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deploy.errors import AwsRefusedError, FunctionUnsuitableError, PermissionDeniedError, SmokeFailedError, UsageError
from tests.deploy.each import cases
from tests.deploy.scenario import CREATE, NAME, WANTED, Scenario, scenario
from tests.support.aws import Answer, Change, samples

KEY = "arn:aws:kms:us-east-1:123456789012:key/1"
FAILING = Answer({"errorMessage": "no"}, error="Unhandled")
MORE = (
    *("--command", "app.other", "--workdir", "/srv", "--kms-key", KEY, "--ephemeral-storage", "1024"),
    *("--function-tag", "team=frames", "--function-tag", "stage=prod"),
)


def encrypted(made: Scenario, *denied: str) -> None:
    """The variables are under a key; these rights are missing."""
    made.aws.do("UpdateFunctionConfiguration", FunctionName=NAME, KMSKeyArn=KEY)
    for _ in range(3):
        made.aws.client("lambda").get_function(FunctionName=NAME)
    made.aws.do("PublishVersion", FunctionName=NAME)
    made.aws.do("UpdateAlias", FunctionName=NAME, Name="live", FunctionVersion="2")
    made.aws.forget_calls()
    deny(made, *denied)
    made.set()


def deny(made: Scenario, *actions: str) -> None:
    statements = [{"Effect": "Allow", "Action": "*", "Resource": "*"}]
    statements += [{"Effect": "Deny", "Action": action, "Resource": "*"} for action in actions]
    made.aws.allow(made.aws.deployer, {"Statement": statements})


# What Lambda's answer leaves out.


@cases("arguments", {"set": ("--env", "A1=x"), "unset": ("--unset-env", "KEPT"), "live": ("--settings-from", "live")})
def test_variables_that_cannot_be_decrypted_are_never_written(
    tmp_path: Path, name: str, arguments: tuple[str, ...]
) -> None:
    with scenario(tmp_path / name, *arguments) as made:
        encrypted(made, "kms:Decrypt")
        made.require_failed(made.run(), PermissionDeniedError, "KMS access was denied")
        assert not made.aws.changes()
        deny(made)
        made.require_convergence()


def test_variables_that_cannot_be_decrypted_stay_if_nothing_is_asked_of_them(tmp_path: Path) -> None:
    with scenario(tmp_path / "it", "--memory", "2048") as made:
        encrypted(made, "kms:Decrypt")
        assert made.run().code == 0
        live = made.version(made.now.alias or "")["Configuration"]
        assert live["Environment"] == {"Variables": {"KEPT": "yes"}}
        made.aws.forget_calls()
        assert "nothing to do" in made.run().out


def test_variables_that_could_not_be_read_are_as_they_were_after_a_failure(tmp_path: Path) -> None:
    with scenario(tmp_path / "it", "--memory", "2048") as made:
        encrypted(made, "kms:Decrypt")
        made.aws.answer(FAILING)
        made.require_failed(made.run(), SmokeFailedError)


def test_an_image_configuration_that_lambda_does_not_return_is_not_written_over(tmp_path: Path) -> None:
    def edit(answer: dict[str, Any]) -> None:
        answer["Configuration"]["ImageConfigResponse"] = {"Error": {"ErrorCode": "Internal", "Message": "not now"}}

    with scenario(tmp_path / "it", "--command", "app.other") as made:
        with made.aws.rule(Change(edit), "GetFunction"):
            made.require_failed(made.run(), AwsRefusedError, "ImageConfig of frames")
        assert not made.aws.changes()
        made.require_convergence()


def test_a_function_whose_image_lambda_does_not_return_is_not_changed(tmp_path: Path) -> None:
    def edit(answer: dict[str, Any]) -> None:
        answer["Code"] = {"Error": {"ErrorCode": "AccessDenied", "Message": "no"}}

    with scenario(tmp_path / "it") as made:
        with made.aws.rule(Change(edit), "GetFunction"):
            made.require_failed(made.run(), AwsRefusedError, "could not be put back")
        assert not made.aws.changes()


def test_tags_that_cannot_be_seen_are_not_changed(tmp_path: Path) -> None:
    with scenario(tmp_path / "it", "--function-tag", "a=b") as made:
        deny(made, "lambda:ListTags")
        made.require_failed(made.run(), PermissionDeniedError, "tags of frames")
        assert not made.aws.changes()
        made.arguments = ()
        made.require_convergence()


# Settings of every kind.


def require_more(made: Scenario) -> None:
    now = made.version(made.now.alias or "")
    configuration = now["Configuration"]
    assert configuration["ImageConfigResponse"] == {
        "ImageConfig": {"Command": ["app.other"], "WorkingDirectory": "/srv"}
    }
    assert (configuration["KMSKeyArn"], configuration["EphemeralStorage"]) == (KEY, {"Size": 1024})
    assert now["Tags"] == {"team": "frames", "stage": "prod"}


def test_everything_that_can_be_set_is_set_and_set_once(tmp_path: Path) -> None:
    with scenario(tmp_path / "it", *WANTED, *MORE) as made:
        made.require_deployed(made.run())
        require_more(made)
        made.aws.forget_calls()
        made.require_deployed(made.run())
        assert not made.aws.changes()
        made.arguments = ("--command", "", "--kms-key", "")
        made.require_deployed(made.run())
        live = made.version("3")["Configuration"]
        assert live["ImageConfigResponse"] == {"ImageConfig": {"WorkingDirectory": "/srv"}}
        assert live["KMSKeyArn"] == ""


def test_a_new_function_gets_them_too(tmp_path: Path) -> None:
    with scenario(tmp_path / "it", *CREATE, *WANTED, *MORE, function=False) as made:
        made.require_deployed(made.run())
        require_more(made)
        assert [call.operation for call in made.aws.changes()][:2] == ["CreateFunction", "PublishVersion"]


def test_all_of_them_are_put_back(tmp_path: Path) -> None:
    with scenario(tmp_path / "it", *WANTED, *MORE) as made:
        arn = made.aws.do("GetFunction", FunctionName=NAME)["Configuration"]["FunctionArn"]
        made.aws.do("TagResource", Resource=arn, Tags={"team": "others", "x": "y"})
        made.set()
        made.aws.answer(FAILING)
        made.require_failed(made.run(), SmokeFailedError)
        assert made.now.settings["Tags"] == {"team": "others", "x": "y"}


def test_variables_come_from_a_file_and_are_not_shown(tmp_path: Path) -> None:
    with scenario(tmp_path / "it") as made:
        file = made.tool.home / "variables"
        file.write_text("# comment\n\nPHRASE=it is=secret\nMODE=file\n", encoding="utf-8-sig")
        made.arguments = ("--env-file", str(file), "--env", "MODE=argument")
        ended = made.run()
        made.require_deployed(ended)
        assert made.version("2")["Configuration"]["Environment"] == {
            "Variables": {"KEPT": "yes", "PHRASE": "it is=secret", "MODE": "argument"}
        }
        assert "secret" not in ended.err + ended.out + made.journal.read_text()
        file.write_text('{"PHRASE": "other"}')
        assert made.run().code == 0
        assert made.version("3")["Configuration"]["Environment"]["Variables"]["PHRASE"] == "other"
        file.write_text("secret")
        ended = made.run()
        assert ended.code == UsageError.exit_code
        assert "secret" not in ended.err.partition("error:")[2].replace("secret…", "")


def test_an_architecture_changes_in_place_if_it_is_named(tmp_path: Path) -> None:
    with scenario(tmp_path / "it") as made:
        made.image = made.aws.put_image(samples.make("arm64"))
        made.require_failed(made.run(), FunctionUnsuitableError, "arm64")
        made.arguments = ("--architecture", "arm64")
        made.aws.answer(FAILING)
        made.require_failed(made.run(), SmokeFailedError)
        made.aws.answer(Answer({}))
        made.require_convergence()
        assert made.version(made.now.alias or "")["Configuration"]["Architectures"] == ["arm64"]


# Drift.


def drifted(made: Scenario) -> None:
    """The image is live, and then a template changes $LATEST."""
    made.require_deployed(made.run())
    made.aws.do("UpdateFunctionConfiguration", FunctionName=NAME, MemorySize=4096, TracingConfig={"Mode": "Active"})
    for _ in range(3):
        made.aws.client("lambda").get_function(FunctionName=NAME)
    made.aws.forget_calls()
    made.set()


def test_what_a_template_changed_is_published_by_the_same_image(tmp_path: Path) -> None:
    with scenario(tmp_path / "it") as made:
        drifted(made)
        ended = made.run()
        made.require_deployed(ended)
        assert "changes from version 2: MemorySize, TracingConfig" in ended.err
        assert made.now.alias == "3"
        assert made.version("3")["Configuration"]["MemorySize"] == 4096


def test_the_settings_of_the_live_version_are_deployed_if_that_is_asked_for(tmp_path: Path) -> None:
    with scenario(tmp_path / "it", "--settings-from", "live") as made:
        drifted(made)
        assert "nothing to do" in made.run().out
        assert not made.aws.changes()
        made.image = made.aws.put_image()
        made.require_deployed(made.run())
        live = made.version("3")["Configuration"]
        assert (live["MemorySize"], live["TracingConfig"]) == (1024, {"Mode": "PassThrough"})


def test_force_publishes_another_version_though_nothing_differs(tmp_path: Path) -> None:
    with scenario(tmp_path / "it") as made:
        made.require_deployed(made.run())
        made.arguments = ("--force",)
        made.require_deployed(made.run())
        assert made.now.alias == "3"
        assert made.now.settings["Description"] == made.before.settings["Description"]


def test_settings_of_a_live_version_that_is_not_there_cannot_be_taken(tmp_path: Path) -> None:
    with scenario(tmp_path / "it", "--settings-from", "live", alias="") as made:
        made.require_failed(made.run(), UsageError, "at no version")


@pytest.mark.parametrize("role", ["arn:aws:iam::123456789012:role/another"])
def test_a_role_that_differs_is_said(tmp_path: Path, role: str) -> None:
    with scenario(tmp_path / "it", "--create", "--role", role) as made:
        ended = made.run()
        made.require_deployed(ended)
        assert "--role is for a new function: frames keeps" in ended.err
