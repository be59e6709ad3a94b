"""Pushes by a real Docker Engine: into Debian's registry through a proxy that breaks things, and into a strict ECR."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Iterator
from typing import Any

import docker
import docker.errors
import pytest

from deploy.errors import (
    CredentialsError,
    DeployError,
    DigestMismatchError,
    PermissionDeniedError,
    PushFailedError,
    StoppedError,
    TagTakenError,
    UsageError,
)
from deploy.image import open_image
from deploy.image.localimage import Image
from deploy.registry import ecr
from deploy.registry.address import Address, Login
from deploy.registry.client import Registry
from deploy.registry.progress import LayerStatus
from deploy.registry.push import find_pushed, push
from deploy.registry.retry import RetryPolicy
from tests.deploy import archives
from tests.deploy.parts import Heard, index_of
from tests.deploy.targets import RegistryTarget, altered, right, wrong
from tests.support.aws import StrictAws
from tests.support.faults.client import Faults
from tests.support.faults.rules import Answer, CutRequest, Drop, SetHeaders

MakeImage = Callable[..., Image]
SMALL, LARGE = 2_000, 600_000
_seeds = itertools.count(os.getpid() * 1000)


@pytest.fixture(scope="module")
def api(engine: str) -> Iterator[Any]:  # noqa: ARG001
    client = docker.APIClient(version="auto")
    yield client
    client.close()


@pytest.fixture
def make_image(api: Any) -> Iterator[MakeImage]:
    """An image of the engine, of layers that no other has; gone after the test."""
    made: list[Image] = []

    def make(*sizes: int, seed: int | None = None, created: str = "2026-01-01T00:00:00Z") -> Image:
        tars = archives.layers(next(_seeds) if seed is None else seed, *(sizes or (LARGE, SMALL)))
        name = f"push-test-{os.getpid()}-{next(_seeds)}:latest"
        for line in api.load_image(archives.docker_save(tars, archives.config(tars, created=created), name)):
            assert "error" not in line
        made.append(open_image(f"engine:{name}"))
        return made[-1]

    yield make
    for image in made:
        for tag in tags_of(api, image):
            api.remove_image(tag, force=True)
        image.files.close()


@pytest.fixture
def target(address: Address, name: str) -> RegistryTarget:
    return RegistryTarget(address, name)


@pytest.fixture
def retry_policy() -> RetryPolicy:
    """The engine tries a while itself."""
    return RetryPolicy(failures=2, first_pause=0.01, max_pause=0.05, total=120)


def tags_of(api: Any, image: Image) -> list[str]:
    assert image.engine
    try:
        return list(api.inspect_image(image.engine.id)["RepoTags"])
    except docker.errors.ImageNotFound:
        return []


def test_an_image_is_pushed_and_read_back(api: Any, make_image: MakeImage, target: RegistryTarget) -> None:
    image, heard = make_image(), Heard()
    before = tags_of(api, image)
    pushed = push(image, target, progress=heard)
    manifest = target.manifest(pushed.tag)
    assert manifest
    assert pushed.digest == manifest.digest
    assert pushed.uri == f"{target.uri}@{manifest.digest}"
    assert pushed.tag == image.default_tag
    assert not pushed.already_there
    sizes = [layer["size"] for layer in json.loads(manifest.data)["layers"]]
    assert pushed.bytes_uploaded == sum(sizes)
    assert {status for _, status, _, _ in heard.events} >= {"uploading", "uploaded"}
    assert tags_of(api, image) == before


def test_the_same_image_is_not_pushed_again(make_image: MakeImage, target: RegistryTarget, faults: Faults) -> None:
    image = make_image()
    first = push(image, target)
    faults.clear()
    again = push(image, target)
    assert again.already_there
    assert (again.digest, again.uri, again.tag, again.bytes_uploaded) == (first.digest, first.uri, first.tag, 0)
    assert [entry.method for entry in faults.log() if entry.status == 200] == ["GET"]


def test_the_same_content_built_at_another_time_is_the_same_image(
    make_image: MakeImage, target: RegistryTarget
) -> None:
    seed = next(_seeds)
    first = push(make_image(seed=seed), target)
    rebuilt = make_image(seed=seed, created="2026-02-02T00:00:00Z")
    again = push(rebuilt, target)
    assert again.already_there
    assert again.digest == first.digest


def test_layers_that_are_there_are_not_sent(make_image: MakeImage, target: RegistryTarget, address: Address) -> None:
    image, heard = make_image(), Heard()
    push(image, target)
    pushed = push(image, RegistryTarget(address, target.name), "another-tag", progress=heard)
    assert pushed.bytes_uploaded == 0
    assert not pushed.already_there
    assert {status for _, status, _, _ in heard.events} <= {"preparing", "waiting", "there"}


def test_a_tag_that_is_another_images_is_not_moved(
    make_image: MakeImage, target: RegistryTarget, faults: Faults
) -> None:
    first = push(make_image(), target, "tag")
    faults.clear()
    with pytest.raises(TagTakenError) as caught:
        push(make_image(), target, "tag")
    assert caught.value.detail["digest"] == first.digest
    assert {entry.method for entry in faults.log()} <= {"GET", "HEAD"}


@pytest.mark.parametrize("tag", ["", "-x", "a b", "x" * 129, "a/b", "a:b", "é"])
def test_what_is_no_tag_is_refused_before_any_call(
    make_image: MakeImage, target: RegistryTarget, faults: Faults, tag: str
) -> None:
    with pytest.raises(UsageError):
        push(make_image(), target, tag)
    assert not faults.log()


def test_a_wrong_password_ends_in_an_error_after_one_more_login(make_image: MakeImage, address: Address) -> None:
    logins: list[Login] = []

    def login() -> Login:
        logins.append(wrong())
        return logins[-1]

    with pytest.raises(CredentialsError) as caught:
        push(make_image(), RegistryTarget(address, "wrong", login))
    assert len(logins) == 2
    assert wrong().password not in f"{caught.value} {caught.value.then} {caught.value.detail}"


def test_a_login_that_has_expired_is_renewed(make_image: MakeImage, address: Address, name: str) -> None:
    logins = iter([wrong(), right()])
    assert push(make_image(), RegistryTarget(address, name, lambda: next(logins))).digest


# An error inside an answer of status 200.
@pytest.mark.parametrize(
    ("status", "code", "message", "kind"),
    [
        (403, "DENIED", "not authorized to perform: ecr:InitiateLayerUpload", PermissionDeniedError),
        (404, "NAME_UNKNOWN", "The repository with name 'x' does not exist", DeployError),
        (400, "TAG_INVALID", "The image tag cannot be overwritten because the repository is immutable.", TagTakenError),
        (500, "UNKNOWN", "internal", PushFailedError),
    ],
)
def test_an_error_in_the_stream_is_raised(
    api: Any,
    make_image: MakeImage,
    target: RegistryTarget,
    faults: Faults,
    retry_policy: RetryPolicy,
    status: int,
    code: str,
    message: str,
    kind: type[DeployError],
) -> None:
    image = make_image()
    before = tags_of(api, image)
    body = json.dumps({"errors": [{"code": code, "message": message}]})
    answer = Answer(status, body, {"Content-Type": "application/json"})
    with faults.rule(answer, method="PUT", path="/manifests/"), pytest.raises(kind) as caught:
        push(image, target, retry_policy=retry_policy)
    assert caught.value.then
    assert tags_of(api, image) == before
    assert find_pushed(image, target) is None


def test_a_cut_in_a_layer_is_made_good(make_image: MakeImage, target: RegistryTarget, faults: Faults) -> None:
    with faults.rule(CutRequest(LARGE // 2), method="PATCH", times=1) as rule:
        pushed = push(make_image(), target)
        assert rule.hits == 1
    assert target.manifest(pushed.tag)


def test_a_cut_at_the_manifest_is_made_good_without_sending_layers_again(
    make_image: MakeImage, target: RegistryTarget, faults: Faults
) -> None:
    with faults.rule(Drop(), method="PUT", path="/manifests/", times=1) as rule:
        pushed = push(make_image(), target)
        assert rule.hits == 1
    assert target.manifest(pushed.tag)
    assert len([entry for entry in faults.log("PUT", "/blobs/uploads/") if entry.status == 201]) == 3


def test_a_connection_that_is_always_cut_ends_in_an_error(
    api: Any, make_image: MakeImage, target: RegistryTarget, faults: Faults, retry_policy: RetryPolicy
) -> None:
    image = make_image()
    before = tags_of(api, image)
    with faults.rule(Drop(), method="PUT", path="/manifests/"), pytest.raises(PushFailedError) as caught:
        push(image, target, retry_policy=retry_policy)
    assert "again" in caught.value.then
    assert tags_of(api, image) == before


def test_a_registry_that_has_something_else_is_an_error(
    make_image: MakeImage, target: RegistryTarget, address: Address
) -> None:
    """Somebody's push comes between ours and the look at what is there."""
    other = make_image()
    push(other, target, "other")

    class Overtaken(RegistryTarget):
        def manifest(self, reference: str) -> Any:
            return super().manifest("other" if super().manifest(reference) else reference)

    with pytest.raises(DigestMismatchError):
        push(make_image(), Overtaken(address, target.name), "tag")


def test_a_registry_that_names_another_digest_is_an_error(
    make_image: MakeImage, target: RegistryTarget, faults: Faults
) -> None:
    headers = {"Docker-Content-Digest": f"sha256:{64 * '0'}"}
    with faults.rule(SetHeaders(headers), path="/manifests/"), pytest.raises(DigestMismatchError):
        push(make_image(), target)


# The name that the engine needs for a push.


def test_a_name_that_the_image_had_before_stays(api: Any, make_image: MakeImage, target: RegistryTarget) -> None:
    image = make_image()
    assert image.engine
    api.tag(image.engine.id, target.uri, "tag")
    before = tags_of(api, image)
    push(image, target, "tag")
    assert tags_of(api, image) == before


def test_a_name_that_another_image_had_is_given_back(api: Any, make_image: MakeImage, target: RegistryTarget) -> None:
    image, other = make_image(), make_image()
    assert other.engine
    api.tag(other.engine.id, target.uri, "tag")
    push(image, target, "tag")
    assert image.engine
    assert f"{target.uri}:tag" in tags_of(api, other)
    assert f"{target.uri}:tag" not in tags_of(api, image)
    assert not api.inspect_image(image.engine.id)["RepoDigests"]


def test_an_image_without_a_name_is_still_there_afterwards(
    api: Any, make_image: MakeImage, target: RegistryTarget
) -> None:
    image = make_image()
    assert image.engine
    api.tag(image.engine.id, target.uri, "kept")
    for tag in set(tags_of(api, image)) - {f"{target.uri}:kept"}:
        api.remove_image(tag)
    push(image, target, "kept")
    assert tags_of(api, image) == [f"{target.uri}:kept"]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), StoppedError("now", then="again")], ids=repr)
def test_the_name_goes_when_a_push_is_stopped(
    api: Any, make_image: MakeImage, target: RegistryTarget, error: BaseException
) -> None:
    class Stopping(Heard):
        def layer(self, id: str, status: LayerStatus, done: int, total: int) -> None:  # noqa: A002
            super().layer(id, status, done, total)
            if status == "uploading":
                raise error

    image = make_image()
    before = tags_of(api, image)
    with pytest.raises(type(error)):
        push(image, target, progress=Stopping())
    assert tags_of(api, image) == before


# ECR.


def test_an_image_goes_into_ecr_with_as_few_calls_as_possible(aws: StrictAws, make_image: MakeImage) -> None:
    client = aws.client("ecr")
    image, repository = make_image(), ecr.create(client, "frames").repository
    aws.forget_calls()
    pushed = push(image, repository)
    called = [call.operation for call in aws.calls() if call.service == "ecr"]
    assert called == ["BatchGetImage", "GetAuthorizationToken", "BatchGetImage"]
    aws.forget_calls()
    assert push(image, repository).already_there
    assert [call.operation for call in aws.calls()] == ["BatchGetImage"]
    assert ecr.image(client, pushed.uri)


def test_a_token_that_expires_before_the_push_is_renewed(aws: StrictAws, make_image: MakeImage) -> None:
    repository = ecr.create(aws.client("ecr"), "frames").repository
    stale = repository.login()
    aws.expire_passwords()
    logins = iter([stale])
    aws.forget_calls()

    late = altered(repository, login=lambda: next(logins, None) or repository.login())
    assert push(make_image(), late).digest
    assert len(aws.calls("GetAuthorizationToken")) == 1


def test_an_immutable_tag_of_another_image_stays_as_it_is(aws: StrictAws, make_image: MakeImage) -> None:
    repository = ecr.create(aws.client("ecr"), "frames").repository
    first = push(make_image(), repository, "tag")
    with pytest.raises(TagTakenError):
        push(make_image(), repository, "tag")
    found = repository.manifest("tag")
    assert found
    assert found.digest == first.digest


def test_the_same_image_that_came_from_elsewhere_meanwhile_is_no_failure(aws: StrictAws, make_image: MakeImage) -> None:
    repository = ecr.create(aws.client("ecr"), "frames").repository
    image = make_image()
    first = push(image, repository, "tag")
    looks = itertools.count()

    late = altered(repository, manifest=lambda reference: repository.manifest(reference) if next(looks) else None)
    assert push(image, late, "tag").digest == first.digest


def test_a_push_without_a_right_says_which(aws: StrictAws, make_image: MakeImage) -> None:
    repository = ecr.create(aws.client("ecr"), "frames").repository
    allowed = ["ecr:DescribeRepositories", "ecr:BatchGetImage", "ecr:GetAuthorizationToken"]
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": allowed, "Resource": "*"}]}
    poor = ecr.find(aws.client("ecr", aws.identity("poor", policy)), repository.name)
    with pytest.raises(PermissionDeniedError, match="ecr:"):
        push(make_image(), poor)


def test_an_index_that_an_engine_pushed_leads_to_the_image(
    make_image: MakeImage, target: RegistryTarget, address: Address
) -> None:
    """As an engine with containerd's store pushes: the tag is an index, with an attestation beside the image."""
    image = make_image()
    pushed = push(image, target, "alone")
    with Registry(address, target.name, right) as registry:
        alone = registry.manifest("alone")
        assert alone
        registry.put_manifest(index_of((alone, "unknown/unknown"), (alone, "linux/amd64")), "both")
    there = find_pushed(image, target, "both")
    assert there
    assert there.digest == pushed.digest
    assert there.uri.endswith(f"@{pushed.digest}")
