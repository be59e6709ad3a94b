"""Back to a version that can run, or nothing is changed and the versions that can run are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.errors import (
    AwsUnavailableError,
    ConflictError,
    FunctionNotFoundError,
    NotRestoredError,
    ReleaseUndoneError,
    RollbackImpossibleError,
    SmokeFailedError,
)
from tests.deploy.trial import Trial, traffic
from tests.support.aws import Answer, Fail, Meanwhile, SampleImage, StrictAws

BACK = ("rollback", "--function", "frames")


@pytest.fixture
def images(aws: StrictAws) -> list[SampleImage]:
    """Of versions 1, 2 and 3 of `frames`, each deployed after the other; `live` is at 3."""
    pushed = [aws.put_image() for _ in range(3)]
    aws.make_function("frames", pushed[0])
    for image in pushed[1:]:
        aws.release("frames", image, "live", f"ecr_push {image.digest}")
    aws.do("UpdateAlias", FunctionName="frames", Name="live", Description="versions 3, 2, 1")
    return pushed


def live(aws: StrictAws) -> tuple[str, dict[str, float]]:
    return traffic(aws)["frames:live"]


def start_canary(aws: StrictAws, version: str = "2", other: str = "3") -> None:
    weights = {"AdditionalVersionWeights": {other: 0.1}}
    aws.do("UpdateAlias", FunctionName="frames", Name="live", FunctionVersion=version, RoutingConfig=weights)


def delete_image(aws: StrictAws, image: SampleImage) -> None:
    aws.do("BatchDeleteImage", repositoryName="app", imageIds=[{"imageDigest": image.digest}])


@pytest.mark.usefixtures("images")
def test_each_rollback_goes_to_the_version_that_was_live_before_until_there_is_none(
    aws: StrictAws, trial: Trial
) -> None:
    assert "is at version 2 again; it was at version 3" in trial.succeeds(*BACK).out
    assert live(aws) == ("2", {})
    assert trial.succeeds(*BACK, "--json").document == {
        "function": "frames",
        "alias": "live",
        "version": "1",
        "before": "version 2",
        "changed": True,
    }
    assert live(aws) == ("1", {})
    ended = trial.fails(RollbackImpossibleError, *BACK)
    assert "nothing says which version was live before version 1" in ended.err
    assert "--to VERSION goes to one that can run: 3, 2" in ended.err


@pytest.mark.usefixtures("images")
def test_a_rollback_to_a_version_goes_there_once(aws: StrictAws, trial: Trial) -> None:
    trial.succeeds(*BACK, "--to", "1")
    assert live(aws) == ("1", {})
    aws.forget_calls()
    assert "nothing to do" in trial.succeeds(*BACK, "--to", "1").out
    assert aws.changes() == []


@pytest.mark.usefixtures("images")
def test_a_rollback_ends_a_canary(aws: StrictAws, trial: Trial) -> None:
    start_canary(aws)
    assert "it was at version 2, 10% to version 3" in trial.succeeds(*BACK).out
    assert live(aws) == ("2", {})


@pytest.mark.usefixtures("images")
def test_the_version_is_asked_before_it_gets_traffic(aws: StrictAws, trial: Trial) -> None:
    aws.answer(Answer({"errorType": "Broken", "errorMessage": "no"}, error="Unhandled"), version="2")
    ended = trial.fails(SmokeFailedError, *BACK)
    assert "version 2 answered the smoke event with an error: Broken: no" in ended.err
    assert [call.operation for call in aws.changes()] == ["Invoke"]
    trial.succeeds(*BACK, "--no-smoke")
    assert live(aws) == ("2", {})


@pytest.mark.usefixtures("images")
def test_the_answer_must_be_as_expected(aws: StrictAws, trial: Trial, tmp_path: Path) -> None:
    (tmp_path / "event.json").write_text('{"video": "s3://films/a.mp4"}')
    (tmp_path / "expected.json").write_text('{"frames": 3}')
    asked = ("--smoke", str(tmp_path / "event.json"), "--expect", str(tmp_path / "expected.json"))
    aws.answer(Answer({"frames": 4}), version="2")
    assert "answer.frames is 4, not 3" in trial.fails(SmokeFailedError, *BACK, *asked).err
    aws.answer(Answer({"frames": 3, "seconds": 1}), version="2")
    trial.succeeds(*BACK, *asked)
    assert aws.calls("Invoke")[-1].parameters["Payload"] == b'{"video": "s3://films/a.mp4"}'


# What there is no way back to.


def test_a_version_whose_image_is_deleted_is_refused(aws: StrictAws, trial: Trial, images: list[SampleImage]) -> None:
    delete_image(aws, images[1])
    ended = trial.fails(RollbackImpossibleError, *BACK)
    assert f"version 2 cannot run: its image {images[1].digest} is no longer in the repository" in ended.err
    assert "one that can run: 1" in ended.err.splitlines()[-1]
    assert aws.changes() == []
    trial.succeeds(*BACK, "--to", "1")


def test_a_version_whose_repository_is_deleted_is_refused(
    aws: StrictAws, trial: Trial, images: list[SampleImage]
) -> None:
    aws.do("DeleteRepository", repositoryName="app", force=True)
    ended = trial.fails(RollbackImpossibleError, *BACK)
    assert f"{images[1].digest} is no longer in the repository" in ended.err
    assert "no other version can run: deploy again" in ended.err


def test_a_version_whose_image_is_archived_is_refused(aws: StrictAws, trial: Trial, images: list[SampleImage]) -> None:
    aws.ecr_state.repositories["app"].manifests[images[1].digest].archived = True
    assert f"its image {images[1].digest} is archived" in trial.fails(RollbackImpossibleError, *BACK).err


@pytest.mark.usefixtures("images")
def test_a_version_that_is_deleted_is_refused(aws: StrictAws, trial: Trial) -> None:
    aws.do("DeleteFunction", FunctionName="frames", Qualifier="2")
    ended = trial.fails(RollbackImpossibleError, *BACK, "--json")
    assert "version 2 of frames does not exist any more" in ended.err
    assert ended.document["error"]["detail"] == {"candidates": ["1"]}


@pytest.mark.usefixtures("images")
def test_a_version_that_failed_is_refused(aws: StrictAws, trial: Trial) -> None:
    aws.set_state("frames", "2", State="Failed", StateReasonCode="InvalidImage")
    ended = trial.fails(RollbackImpossibleError, *BACK)
    assert "version 2 cannot run: it is Failed (InvalidImage)" in ended.err
    assert "one that can run: 1" in ended.err.splitlines()[-1]


@pytest.mark.usefixtures("images")
def test_a_version_that_never_was_is_refused(trial: Trial) -> None:
    ended = trial.fails(RollbackImpossibleError, *BACK, "--to", "99")
    assert "version 99 of frames does not exist any more" in ended.err
    assert "one that can run: 2, 1" in ended.err


@pytest.mark.usefixtures("images")
@pytest.mark.parametrize("arguments", [("--alias", "blue"), ("--function", "films")])
def test_an_alias_or_a_function_that_is_missing_is_told(trial: Trial, arguments: tuple[str, str]) -> None:
    assert "has no alias" in trial.fails(FunctionNotFoundError, *BACK, *arguments).err


def test_a_zip_function_goes_back_too(aws: StrictAws, trial: Trial) -> None:
    code = {"ZipFile": b"PK"}
    role = "arn:aws:iam::123456789012:role/r"
    aws.takes("CreateFunction", looks=0)
    aws.do("CreateFunction", FunctionName="frames", Role=role, Runtime="python3.13", Handler="a.b", Code=code)
    aws.do("GetFunction", FunctionName="frames")
    aws.do("PublishVersion", FunctionName="frames")
    aws.do("CreateAlias", FunctionName="frames", Name="live", FunctionVersion="$LATEST")
    trial.succeeds(*BACK, "--to", "1")
    assert live(aws) == ("1", {})


# What comes between.


@pytest.mark.usefixtures("images")
def test_somebody_elses_move_is_kept(aws: StrictAws, trial: Trial) -> None:
    theirs = Meanwhile(lambda: aws.do("UpdateAlias", FunctionName="frames", Name="live", FunctionVersion="1"))
    with aws.rule(theirs, "UpdateAlias", times=1):
        ended = trial.fails(ConflictError, *BACK, after={"frames:live": ("1", {})})
    assert "that change is kept" in ended.err


@pytest.mark.usefixtures("images")
def test_a_move_by_somebody_else_after_ours_is_kept(aws: StrictAws, trial: Trial) -> None:
    theirs = Meanwhile(lambda: aws.do("UpdateAlias", FunctionName="frames", Name="live", FunctionVersion="1"))
    with aws.rule(theirs, "GetAlias", skip=1, times=1):
        trial.fails(ConflictError, *BACK, after={"frames:live": ("1", {})})


@pytest.mark.usefixtures("images")
def test_a_rollback_that_cannot_be_verified_is_undone(aws: StrictAws, trial: Trial) -> None:
    start_canary(aws)
    with aws.rule(Fail("TooManyRequestsException"), "GetAlias", skip=1, times=4):
        ended = trial.fails(ReleaseUndoneError, *BACK)
    assert "alias live is back at version 2, 10% to version 3" in ended.err
    trial.succeeds(*BACK)
    assert live(aws) == ("2", {})


@pytest.mark.usefixtures("images")
def test_what_cannot_be_undone_is_said(aws: StrictAws, trial: Trial) -> None:
    with aws.rule(Fail("TooManyRequestsException"), "GetAlias", skip=1):
        ended = trial.fails(NotRestoredError, *BACK, after={"frames:live": ("2", {})})
    assert "this could not be put back: alias live" in ended.err


@pytest.mark.usefixtures("images")
def test_a_move_that_is_refused_for_good_leaves_the_alias(aws: StrictAws, trial: Trial) -> None:
    with aws.rule(Fail("ServiceException"), "UpdateAlias"):
        trial.fails(AwsUnavailableError, *BACK)
    trial.succeeds(*BACK)
    assert live(aws) == ("2", {})


# The history of an alias.


def test_a_rollback_goes_to_what_the_alias_was_at_whatever_the_versions_descriptions_say(
    aws: StrictAws, trial: Trial, images: list[SampleImage]
) -> None:
    """Version 3 was published after version 2, but is deployed again after version 1."""
    deploy = ("deploy", "--repository", "app", "--function", "frames", "--digest")
    trial.succeeds(*BACK, "--to", "1")
    trial.succeeds(*deploy, images[2].digest)
    assert live(aws) == ("3", {})
    trial.succeeds(*BACK)
    assert live(aws) == ("1", {})


def test_a_move_by_somebody_else_is_a_part_of_the_history(aws: StrictAws, trial: Trial) -> None:
    deploy = ("deploy", "--repository", "app", "--function", "frames", "--digest")
    aws.make_function("frames")
    aws.do("UpdateAlias", FunctionName="frames", Name="live", Description="traffic of the web")
    trial.succeeds(*deploy, aws.put_image().digest)
    trial.succeeds(*deploy, aws.put_image().digest)
    assert (
        aws.do("GetAlias", FunctionName="frames", Name="live")["Description"] == "traffic of the web; versions 3, 2, 1"
    )
    aws.do("UpdateAlias", FunctionName="frames", Name="live", FunctionVersion="1")
    trial.succeeds(*deploy, aws.put_image().digest)
    assert live(aws) == ("4", {})
    for expected in ("1", "3", "2"):
        trial.succeeds(*BACK)
        assert live(aws) == (expected, {})
    assert aws.do("GetAlias", FunctionName="frames", Name="live")["Description"] == "traffic of the web; versions 2, 1"


def test_a_deploy_that_fails_leaves_the_history_as_it_was(aws: StrictAws, trial: Trial) -> None:
    aws.make_function("frames")
    aws.do("UpdateAlias", FunctionName="frames", Name="live", Description="mine; versions 1, 7")
    aws.answer(lambda asked: Answer({}, error="Unhandled" if asked.qualifier == "live" else ""))
    digest = aws.put_image().digest
    trial.fails(ReleaseUndoneError, "deploy", "--repository", "app", "--function", "frames", "--digest", digest)
    assert aws.do("GetAlias", FunctionName="frames", Name="live")["Description"] == "mine; versions 1, 7"


def test_a_long_history_forgets_its_oldest_and_a_long_description_stays(aws: StrictAws, trial: Trial) -> None:
    aws.make_function("frames")
    text = f"versions 1, {', '.join(str(number) for number in range(900, 1100))}"[:250].rpartition(",")[0]
    aws.do("UpdateAlias", FunctionName="frames", Name="live", Description=text)
    deploy = ("deploy", "--repository", "app", "--function", "frames", "--digest")
    trial.succeeds(*deploy, aws.put_image().digest)
    found = aws.do("GetAlias", FunctionName="frames", Name="live")["Description"]
    assert found.startswith("versions 2, 1, 900, 901")
    assert len(found) <= 256
    aws.do("UpdateAlias", FunctionName="frames", Name="live", Description="x" * 250)
    trial.succeeds(*deploy, aws.put_image().digest)
    assert aws.do("GetAlias", FunctionName="frames", Name="live")["Description"] == "x" * 250


def test_a_rollback_needs_no_look_at_the_images(aws: StrictAws, trial: Trial, images: list[SampleImage]) -> None:
    assert images
    allowed = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    denied = {"Effect": "Deny", "Action": "ecr:*", "Resource": "*"}
    aws.allow(aws.deployer, {"Statement": [allowed, denied]})
    assert "could not be seen: that takes ecr:DescribeImages" in trial.succeeds(*BACK).err
    assert live(aws) == ("2", {})
