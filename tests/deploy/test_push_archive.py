"""Pushes without an engine, of archives and layouts: into Debian's registry through a proxy, and into a strict ECR."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import docker
import pytest

from deploy.errors import (
    DigestMismatchError,
    ImageRefusedError,
    PermissionDeniedError,
    PushFailedError,
    RepositoryNotFoundError,
    StoppedError,
    TagTakenError,
)
from deploy.image import open_image
from deploy.image.localimage import Image
from deploy.image.oci import DOCKER_MANIFEST, OCI_MANIFEST
from deploy.registry import LayerStatus, ecr, short
from deploy.registry.address import Address
from deploy.registry.push import find_pushed, push
from deploy.registry.transport import RetryPolicy
from tests.deploy import archives
from tests.deploy.archives import Compression
from tests.deploy.debianregistry import PASSWORD, USER
from tests.deploy.parts import Heard
from tests.deploy.targets import RegistryTarget
from tests.support.aws import Fail, Meanwhile, StrictAws
from tests.support.faults.client import Faults
from tests.support.faults.rules import Answer, CutRequest, Drop, LoseAnswer, SetHeaders

MakeLayout = Callable[..., Image]
SIZES = (300_000, 2_000, 50_000)
_seeds = itertools.count(os.getpid() * 1000 + 500)


@pytest.fixture(autouse=True)
def no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")


@pytest.fixture
def make_layout(tmp_path: Path) -> Iterator[MakeLayout]:
    """An image of an OCI layout, of layers that no other has."""
    with ExitStack() as opened:

        def make(compression: Compression = "gzip", *, attested: bool = False, seed: int | None = None) -> Image:
            tars = archives.layers(next(_seeds) if seed is None else seed, *SIZES)
            directory = tmp_path / f"layout{next(_seeds)}"
            archives.oci_layout(directory, tars, archives.config(tars), compression, attested=attested)
            return opened.enter_context(open_image(f"oci:{directory}"))

        yield make


@pytest.fixture
def make_saved(tmp_path: Path) -> Iterator[Callable[[int], Image]]:
    """An image of a `docker save` archive."""
    with ExitStack() as opened:

        def make(seed: int) -> Image:
            tars = archives.layers(seed, *SIZES)
            path = tmp_path / f"image{next(_seeds)}.tar"
            path.write_bytes(archives.docker_save(tars, archives.config(tars), "frames:latest"))
            return opened.enter_context(open_image(str(path)))

        yield make


@pytest.fixture
def target(address: Address, name: str) -> RegistryTarget:
    return RegistryTarget(address, name)


def test_a_layout_of_gzip_is_pushed_byte_for_byte(make_layout: MakeLayout, target: RegistryTarget) -> None:
    image, heard = make_layout(), Heard()
    assert image.manifest
    pushed = push(image, target, progress=heard)
    assert target.manifest(pushed.tag) == image.manifest
    assert pushed.digest == image.manifest.digest
    layers = {layer["digest"]: layer["size"] for layer in json.loads(image.manifest.data)["layers"]}
    assert pushed.bytes_uploaded == sum(layers.values())
    assert {event[0] for event in heard.events} == set(map(short, layers))
    assert {heard.last(short(digest))[0] for digest in layers} == {"uploaded"}


def test_layers_that_are_not_compressed_are_compressed_the_same_way_each_time(
    make_layout: MakeLayout, target: RegistryTarget
) -> None:
    seed = next(_seeds)
    first = push(make_layout("none", seed=seed), target, "first")
    second = push(make_layout("none", seed=seed), target, "second")
    assert first.digest == second.digest
    assert first.bytes_uploaded > 0
    assert second.bytes_uploaded == 0
    manifest = target.manifest("first")
    assert manifest
    assert all("gzip" in layer["mediaType"] for layer in json.loads(manifest.data)["layers"])


def test_zstd_is_refused_before_anything_is_sent(
    make_layout: MakeLayout, target: RegistryTarget, faults: Faults
) -> None:
    with pytest.raises(ImageRefusedError, match="zstd"):
        push(make_layout("zstd"), target)
    assert {entry.method for entry in faults.log()} <= {"GET", "HEAD"}


def test_of_an_index_the_image_is_pushed_and_not_the_index(make_layout: MakeLayout, target: RegistryTarget) -> None:
    image = make_layout(attested=True)
    assert image.index
    pushed = push(image, target)
    manifest = target.manifest(pushed.tag)
    assert manifest
    assert manifest.media_type == OCI_MANIFEST
    assert target.manifest(image.index.digest) is None


def test_a_saved_image_is_the_same_image_as_the_layout(
    make_layout: MakeLayout, make_saved: Callable[[int], Image], target: RegistryTarget, faults: Faults
) -> None:
    seed = next(_seeds)
    first = push(make_saved(seed), target)
    manifest = target.manifest(first.tag)
    assert manifest
    assert manifest.media_type == DOCKER_MANIFEST
    faults.clear()
    again = push(make_layout(seed=seed), target)
    assert again.already_there
    assert again.digest == first.digest
    assert {entry.method for entry in faults.log()} == {"GET"}


@pytest.mark.parametrize("form", ["gzip", "none", "saved"])
def test_an_engine_can_pull_what_was_pushed(
    make_layout: MakeLayout,
    make_saved: Callable[[int], Image],
    target: RegistryTarget,
    engine: str,  # noqa: ARG001
    monkeypatch: pytest.MonkeyPatch,
    form: str,
) -> None:
    image = make_saved(next(_seeds)) if form == "saved" else make_layout(form)
    pushed = push(image, target)
    monkeypatch.undo()
    api: Any = docker.APIClient(version="auto")
    try:
        credentials = {"username": USER, "password": PASSWORD}
        api.pull(target.uri, pushed.tag, auth_config=credentials)
        found = api.inspect_image(f"{target.uri}:{pushed.tag}")
        assert found["Id"] == image.config_digest
        assert tuple(found["RootFS"]["Layers"]) == image.config.rootfs.diff_ids
        assert f"{target.uri}@{pushed.digest}" in found["RepoDigests"]
        api.remove_image(f"{target.uri}:{pushed.tag}")
    finally:
        api.close()


@pytest.mark.parametrize("action", [Drop(), LoseAnswer(), CutRequest(1000)])
@pytest.mark.parametrize("blob", range(4))
def test_a_cut_at_any_blob_is_made_good(
    make_layout: MakeLayout,
    target: RegistryTarget,
    faults: Faults,
    retry_policy: RetryPolicy,
    action: Drop | LoseAnswer | CutRequest,
    blob: int,
) -> None:
    image = make_layout()
    cut = CutRequest(10) if action == CutRequest(1000) and blob == 3 else action
    with faults.rule(cut, method="PATCH", skip=blob, times=1) as rule:
        pushed = push(image, target, retry_policy=retry_policy)
        assert rule.hits == 1
    assert image.manifest
    assert pushed.digest == image.manifest.digest


@pytest.mark.parametrize("action", [Drop(), LoseAnswer(), Answer(503), Answer(429, headers={"Retry-After": "0"})])
def test_a_cut_at_the_manifest_is_made_good(
    make_layout: MakeLayout,
    target: RegistryTarget,
    faults: Faults,
    retry_policy: RetryPolicy,
    action: Drop | LoseAnswer | Answer,
) -> None:
    with faults.rule(action, method="PUT", path="/manifests/", times=1) as rule:
        pushed = push(make_layout(), target, retry_policy=retry_policy)
        assert rule.hits == 1
    assert target.manifest(pushed.tag)


def test_a_second_run_goes_on_where_the_first_gave_up(
    make_layout: MakeLayout, target: RegistryTarget, faults: Faults, retry_policy: RetryPolicy
) -> None:
    image = make_layout()
    with (
        faults.rule(Drop(), method="PATCH", skip=2) as rule,
        pytest.raises(PushFailedError) as caught,
    ):
        push(image, target, retry_policy=retry_policy)
    assert rule.number
    assert "again" in caught.value.then
    assert find_pushed(image, target) is None
    heard = Heard()
    pushed = push(image, target, progress=heard)
    assert pushed.bytes_uploaded < sum(SIZES) / 2  # the large layer was there
    assert [status for _, status, _, _ in heard.events].count("there") == 2


def test_a_registry_that_names_another_digest_is_an_error(
    make_layout: MakeLayout, target: RegistryTarget, faults: Faults
) -> None:
    headers = {"Docker-Content-Digest": f"sha256:{64 * '0'}"}
    with faults.rule(SetHeaders(headers), method="PUT", path="/manifests/"), pytest.raises(DigestMismatchError):
        push(make_layout(), target)


def test_a_tag_that_is_another_images_is_not_moved(make_layout: MakeLayout, target: RegistryTarget) -> None:
    first = push(make_layout(), target, "tag")
    with pytest.raises(TagTakenError):
        push(make_layout(), target, "tag")
    manifest = target.manifest("tag")
    assert manifest
    assert manifest.digest == first.digest


def test_a_tag_of_another_architecture_is_another_images(make_layout: MakeLayout, aws: StrictAws) -> None:
    repository = ecr.create(aws.client("ecr"), "frames")
    index = aws.put_image(repository="frames")
    aws.do("PutImage", repositoryName="frames", imageManifest=index.manifest.decode(), imageTag="tag")
    with pytest.raises(TagTakenError):
        push(make_layout(), repository, "tag")


def test_a_push_that_is_stopped_leaves_no_tag(make_layout: MakeLayout, target: RegistryTarget) -> None:
    class Stopping(Heard):
        def __call__(self, id: str, status: LayerStatus, done: int, total: int) -> None:  # noqa: A002
            super().__call__(id, status, done, total)
            if status == "uploading":
                raise StoppedError("now", then="again")

    image = make_layout()
    with pytest.raises(StoppedError):
        push(image, target, progress=Stopping())
    assert find_pushed(image, target) is None
    assert push(image, target).digest


# ECR.


@pytest.mark.parametrize("form", ["gzip", "none"])
def test_an_image_goes_into_ecr(aws: StrictAws, make_layout: MakeLayout, form: Compression) -> None:
    repository = ecr.create(aws.client("ecr"), "frames")
    image = make_layout(form)
    aws.forget_calls()
    pushed = push(image, repository)
    called = [call.operation for call in aws.calls() if call.service == "ecr"]
    assert called == ["BatchGetImage", "GetAuthorizationToken", "BatchGetImage"]
    stored = ecr.image(aws.client("ecr"), pushed.uri)
    assert stored
    assert stored.tags == (pushed.tag,)
    aws.forget_calls()
    assert push(image, repository).already_there
    assert [call.operation for call in aws.calls()] == ["BatchGetImage"]


@pytest.mark.parametrize("operation", ["StartUpload", "UploadPart", "CompleteUpload", "HeadBlob", "PutManifest"])
@pytest.mark.parametrize("status", [401, 403])
def test_a_token_that_expires_in_the_middle_is_renewed_once(
    aws: StrictAws, make_layout: MakeLayout, operation: str, status: int
) -> None:
    repository = ecr.create(aws.client("ecr"), "frames")
    with aws.rule(Meanwhile(lambda: aws.expire_passwords(status)), operation, times=1):
        pushed = push(make_layout(), repository)
    assert len(aws.calls("GetAuthorizationToken")) == 2
    assert ecr.image(aws.client("ecr"), pushed.uri)


def test_the_same_image_that_came_from_elsewhere_meanwhile_is_no_failure(
    aws: StrictAws, make_layout: MakeLayout, retry_policy: RetryPolicy
) -> None:
    repository = ecr.create(aws.client("ecr"), "frames")
    image = make_layout()
    taken = Fail("TAG_INVALID", "The image tag already exists and cannot be overwritten: it is immutable.", 400)
    same = Meanwhile(lambda: push(image, repository, "tag"))
    with aws.rule(same, "StartUpload", times=1), aws.rule(taken, "PutManifest", skip=1):
        pushed = push(image, repository, "tag", retry_policy=retry_policy)
    assert image.manifest
    assert pushed.digest == image.manifest.digest


def test_a_right_that_is_missing_is_named(aws: StrictAws, make_layout: MakeLayout) -> None:
    repository = ecr.create(aws.client("ecr"), "frames")
    rights = ("DescribeRepositories", "BatchGetImage", "GetAuthorizationToken", "BatchCheckLayerAvailability")
    allowed = [f"ecr:{right}" for right in rights]
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": allowed, "Resource": "*"}]}
    poor = ecr.find(aws.client("ecr", aws.identity("poor", policy)), repository.name)
    with pytest.raises(PermissionDeniedError, match="ecr:InitiateLayerUpload"):
        push(make_layout(), poor)


def test_a_repository_that_goes_meanwhile_is_an_error(aws: StrictAws, make_layout: MakeLayout) -> None:
    repository = ecr.create(aws.client("ecr"), "frames")
    delete = Meanwhile(lambda: aws.do("DeleteRepository", repositoryName="frames", force=True))
    with aws.rule(delete, "StartUpload", times=1), pytest.raises(RepositoryNotFoundError):
        push(make_layout(), repository)
