"""Repositories and images of ECR, through botocore's own client."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from deploy.errors import AwsRefusedError, DigestMismatchError, RepositoryNotFoundError
from deploy.image import oci
from deploy.registry import ecr
from deploy.registry.address import Address
from tests.support.aws import Change, Drop, Fail, StrictAws, samples
from tests.support.aws.shared_state import ACCOUNT, REGION

NAME = "frames"


def settings(aws: StrictAws) -> dict[str, Any]:
    return dict(aws.do("DescribeRepositories", repositoryNames=[NAME])["repositories"][0])


def test_a_repository_that_is_missing_is_an_error_that_says_how_to_make_it(aws: StrictAws) -> None:
    with pytest.raises(RepositoryNotFoundError) as caught:
        ecr.find(aws.client("ecr"), NAME)
    assert "--create" in caught.value.then
    assert not aws.changes()


def test_a_repository_is_found_in_one_call(aws: StrictAws) -> None:
    aws.do("CreateRepository", repositoryName=NAME)
    found = ecr.find(aws.client("ecr"), NAME)
    assert (found.name, found.arn) == (NAME, settings(aws)["repositoryArn"])
    assert [call.operation for call in aws.calls()] == ["DescribeRepositories"]


def test_a_repository_is_made_as_lambda_needs_it(aws: StrictAws) -> None:
    made = ecr.create(aws.client("ecr"), NAME)
    assert made == ecr.find(aws.client("ecr"), NAME)
    assert settings(aws)["imageTagMutability"] == "IMMUTABLE"
    assert settings(aws)["imageScanningConfiguration"] == {"scanOnPush": True}
    policy = json.loads(aws.do("GetRepositoryPolicy", repositoryName=NAME)["policyText"])
    (statement,) = policy["Statement"]
    assert statement["Principal"] == {"Service": "lambda.amazonaws.com"}
    assert statement["Action"] == ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    functions = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:*"
    assert statement["Condition"] == {"StringLike": {"aws:sourceArn": functions}}
    rules = json.loads(aws.do("GetLifecyclePolicy", repositoryName=NAME)["lifecyclePolicyText"])["rules"]
    assert [rule["selection"]["tagStatus"] for rule in rules] == ["untagged"]


def test_a_repository_of_ours_is_used_as_it_is(aws: StrictAws) -> None:
    ecr.create(aws.client("ecr"), NAME)
    aws.forget_calls()
    again = ecr.create(aws.client("ecr"), NAME)
    assert again == ecr.find(aws.client("ecr"), NAME)
    assert aws.changes() == []


@pytest.mark.parametrize("lost", ["SetRepositoryPolicy", "PutLifecyclePolicy"])
def test_a_creation_that_was_cut_short_is_finished_by_the_next(aws: StrictAws, lost: str) -> None:
    with aws.rule(Drop(), lost), pytest.raises(BotoCoreError):
        ecr.create(aws.client("ecr"), "app")
    ecr.create(aws.client("ecr"), "app")
    assert (
        json.loads(aws.do("GetLifecyclePolicy", repositoryName="app")["lifecyclePolicyText"]) == ecr.lifecycle_policy()
    )
    assert "lambda.amazonaws.com" in aws.do("GetRepositoryPolicy", repositoryName="app")["policyText"]


def test_a_repository_with_images_gets_no_rule_that_deletes_some(aws: StrictAws) -> None:
    aws.do(
        "CreateRepository",
        repositoryName="app",
        imageTagMutability="IMMUTABLE",
        imageScanningConfiguration={"scanOnPush": True},
    )
    aws.put_image()
    ecr.create(aws.client("ecr"), "app")
    assert aws.changes() == []


def test_a_repository_of_another_kind_is_not_changed(aws: StrictAws) -> None:
    aws.do("CreateRepository", repositoryName=NAME)
    selection = {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 5}
    deletes_tagged = {"rulePriority": 1, "selection": selection, "action": {"type": "expire"}}
    aws.do("PutLifecyclePolicy", repositoryName=NAME, lifecyclePolicyText=json.dumps({"rules": [deletes_tagged]}))
    before = settings(aws)
    ecr.create(aws.client("ecr"), NAME)
    assert settings(aws) == before
    assert aws.changes() == []


def test_the_registry_is_where_the_repository_says(aws: StrictAws) -> None:
    aws.do("CreateRepository", repositoryName=NAME)
    host = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
    aws.ecr_state.host = host
    found = ecr.find(aws.client("ecr"), NAME)
    assert found.uri == f"{host}/{NAME}"
    assert found.address == Address.of_url(aws.url)  # the API's endpoint is on this machine


def test_what_lets_a_push_in_is_not_shown(aws: StrictAws) -> None:
    aws.do("CreateRepository", repositoryName=NAME)
    repository = ecr.find(aws.client("ecr"), NAME)
    token = repository.login()
    assert base64.b64decode(token).startswith(b"AWS:")
    assert token not in repr(repository)


@pytest.mark.parametrize("by_digest", [False, True])
def test_a_manifest_is_given_as_it_was_put(aws: StrictAws, by_digest: bool) -> None:
    image = aws.put_image(repository=NAME, tag="tag")
    found = ecr.find(aws.client("ecr"), NAME).manifest(image.digest if by_digest else "tag")
    assert found == oci.StoredManifest(image.manifest, image.media_type)


def test_an_index_is_given_as_such(aws: StrictAws) -> None:
    images = [aws.put_image(samples.make(name), NAME) for name in ("amd64", "arm64")]
    aws.put_image(samples.index(*images), NAME, "both")
    found = ecr.find(aws.client("ecr"), NAME).manifest("both")
    assert found
    assert found.is_index


@pytest.mark.parametrize("reference", ["absent", f"sha256:{64 * '0'}"])
def test_an_image_that_is_absent_is_none(aws: StrictAws, reference: str) -> None:
    aws.put_image(repository=NAME)
    assert ecr.find(aws.client("ecr"), NAME).manifest(reference) is None
    assert ecr.image(aws.client("ecr"), f"host/{NAME}@sha256:{64 * '0'}") is None
    assert ecr.image(aws.client("ecr"), f"host/elsewhere@sha256:{64 * '0'}") is None


def test_a_manifest_of_other_bytes_is_an_error(aws: StrictAws) -> None:
    aws.put_image(repository=NAME, tag="tag")
    repository = ecr.find(aws.client("ecr"), NAME)

    def spoil(answer: dict[str, Any]) -> None:
        answer["images"][0]["imageManifest"] += " "

    with aws.rule(Change(spoil), "BatchGetImage"), pytest.raises(DigestMismatchError):
        repository.manifest("tag")


def test_an_image_that_cannot_be_given_is_an_error(aws: StrictAws) -> None:
    aws.put_image(repository=NAME, tag="tag")
    repository = ecr.find(aws.client("ecr"), NAME)

    def fail(answer: dict[str, Any]) -> None:
        failure = {"imageId": {"imageTag": "tag"}, "failureCode": "KmsError", "failureReason": "the key is gone"}
        answer.update(images=[], failures=[failure])

    with aws.rule(Change(fail), "BatchGetImage"), pytest.raises(AwsRefusedError, match="the key is gone"):
        repository.manifest("tag")


def test_manifests_come_a_hundred_at_a_time(aws: StrictAws) -> None:
    images = [aws.put_image(repository=NAME) for _ in range(103)]
    repository = ecr.find(aws.client("ecr"), NAME)
    found = {manifest.digest for manifest in repository.manifests([image.digest for image in images])}
    assert found == {image.digest for image in images}
    assert len(aws.calls("BatchGetImage")) == 2


def test_all_images_are_listed_with_what_matters(aws: StrictAws) -> None:
    images = [aws.put_image(repository=NAME, tag=f"tag{number}" if number else "") for number in range(103)]
    archived = images[7]
    aws.ecr_state.repositories[NAME].manifests[archived.digest].archived = True
    repository = ecr.find(aws.client("ecr"), NAME)
    found = {image.digest: image for image in repository.images()}
    assert list(found) == [image.digest for image in images]
    assert found[images[0].digest].tags == ()
    assert found[images[5].digest].tags == ("tag5",)
    assert found[images[5].digest].size_bytes > 0
    assert {image.digest for image in found.values() if image.status != "ACTIVE"} == {archived.digest}
    assert ecr.image(aws.client("ecr"), f"{repository.uri}@{images[5].digest}") == found[images[5].digest]


def test_what_aws_refuses_is_left_to_be_explained(aws: StrictAws) -> None:
    with aws.rule(Fail("AccessDeniedException")), pytest.raises(ClientError):
        ecr.find(aws.client("ecr"), NAME)
    with aws.rule(Fail("AccessDeniedException")), pytest.raises(ClientError):
        ecr.create(aws.client("ecr"), NAME)
