"""`push --attach`: what the build wrote of an image beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from deploy.errors import DeployError, PushFailedError
from deploy.image import Image, open_image
from deploy.image.oci import OCI_INDEX, OCI_MANIFEST
from deploy.registry.address import Address
from deploy.registry.attach import CYCLONEDX, SBOM, VEX, Document, attach
from deploy.registry.push import push
from tests.deploy.images import good, layout_of, write_directory
from tests.deploy.targets import RegistryTarget
from tests.deploy.tool import Tool
from tests.support.aws import Drop, StrictAws
from tests.support.faults.client import Faults
from tests.support.faults.rules import Answer

BILL = json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1}).encode()
ANSWERS = json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "vulnerabilities": []}).encode()
EMPTY_INDEX = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []})


@pytest.fixture
def reference(tmp_path: Path) -> str:
    """An image with a bill of materials in it."""
    return f"oci:{write_directory(layout_of(good({SBOM.lstrip('/'): BILL})), tmp_path / 'layout')}"


@pytest.fixture
def image(reference: str) -> Iterator[Image]:
    with ExitStack() as opened:
        yield opened.enter_context(open_image(reference))


@pytest.fixture
def target(address: Address, name: str) -> RegistryTarget:
    return RegistryTarget(address, name)


# ECR, which lists referrers.


def test_what_is_attached_is_an_artifact_about_the_image_which_stays_as_it_is(
    aws: StrictAws, tool: Tool, reference: str
) -> None:
    aws.do("CreateRepository", repositoryName="app")
    plain = tool.run("push", reference, "--repository", "app", "--json").document
    done = tool.run("push", reference, "--repository", "app", "--attach", "--json").document
    assert plain["attached"] is None
    assert (done["digest"], done["already_there"]) == (plain["digest"], True)
    repository = aws.ecr_state.repositories["app"]
    (artifact,) = repository.referrers(done["digest"])
    assert (artifact.digest, artifact.media_type) == (done["attached"], OCI_MANIFEST)
    assert artifact.document["artifactType"] == CYCLONEDX
    subject = repository.manifests[done["digest"]]
    assert artifact.document["subject"] == {
        "mediaType": subject.media_type,
        "digest": subject.digest,
        "size": len(subject.data),
    }
    (layer,) = artifact.document["layers"]
    assert (layer["mediaType"], repository.blobs[layer["digest"]]) == (CYCLONEDX, BILL)
    assert list(repository.tags.values()) == [done["digest"]]
    assert not any(manifest.is_index for manifest in repository.manifests.values())


def test_the_answers_to_cve_records_are_attached_beside_the_bill(aws: StrictAws, tool: Tool, tmp_path: Path) -> None:
    aws.do("CreateRepository", repositoryName="app")
    files = {SBOM.lstrip("/"): BILL, VEX.lstrip("/"): ANSWERS}
    image = f"oci:{write_directory(layout_of(good(files)), tmp_path / 'both')}"
    done = tool.run("push", image, "--repository", "app", "--attach", "--json").document
    repository = aws.ecr_state.repositories["app"]
    attached = {artifact.digest: artifact.document for artifact in repository.referrers(done["digest"])}
    assert attached.keys() == {done["attached"], done["attached_vex"]}
    (layer,) = attached[done["attached_vex"]]["layers"]
    assert layer["annotations"] == {"org.opencontainers.image.title": "vex.json"}
    assert (layer["mediaType"], repository.blobs[layer["digest"]]) == (CYCLONEDX, ANSWERS)


def test_an_image_of_an_older_build_has_its_bill_attached_alone(aws: StrictAws, tool: Tool, reference: str) -> None:
    aws.do("CreateRepository", repositoryName="app")
    done = tool.run("push", reference, "--repository", "app", "--attach", "--json").document
    assert done["attached"]
    assert done["attached_vex"] is None


def test_attaching_again_sends_nothing(aws: StrictAws, tool: Tool, reference: str) -> None:
    aws.do("CreateRepository", repositoryName="app")
    first = tool.run("push", reference, "--repository", "app", "--attach", "--json").document
    aws.forget_calls()
    second = tool.run("push", reference, "--repository", "app", "--attach", "--json").document
    assert second["attached"] == first["attached"]
    assert {call.operation for call in aws.calls() if call.service == "registry"} == {"GetManifest", "ListReferrers"}


def test_an_image_without_a_bill_is_not_pushed(aws: StrictAws, tool: Tool, tmp_path: Path) -> None:
    aws.do("CreateRepository", repositoryName="app")
    bare = f"oci:{write_directory(layout_of(good()), tmp_path / 'bare')}"
    ended = tool.run("push", bare, "--repository", "app", "--attach")
    assert (ended.error, SBOM in ended.err) == ("ImageRefused", True)
    assert not aws.ecr_state.repositories["app"].manifests


def test_a_dry_run_attaches_nothing(aws: StrictAws, tool: Tool, reference: str) -> None:
    aws.do("CreateRepository", repositoryName="app")
    ended = tool.run("push", reference, "--repository", "app", "--attach", "--dry-run")
    assert ended.code == 0, ended
    assert "attach sbom.cdx.json" in ended.out + ended.err
    assert not aws.ecr_state.repositories["app"].manifests


def test_what_is_attached_to_an_image_that_stays_is_not_pruned(aws: StrictAws, tool: Tool, reference: str) -> None:
    aws.do("CreateRepository", repositoryName="app")
    done = tool.run("push", reference, "--repository", "app", "--attach", "--json").document
    prune = ("prune", "--repository", "app", "--younger", "0s", "--yes", "--json")
    assert tool.run(*prune, "--keep", "1").document["deleted"] == []
    assert set(tool.run(*prune, "--keep", "0").document["deleted"]) == {done["digest"], done["attached"]}


@pytest.mark.parametrize("operation", ["ListReferrers", "GetManifest", "HeadBlob", "StartUpload", "PutManifest"])
def test_a_cut_is_made_good(aws: StrictAws, tool: Tool, reference: str, operation: str) -> None:
    aws.do("CreateRepository", repositoryName="app")
    done = tool.run("push", reference, "--repository", "app", "--json").document
    with aws.rule(Drop(), operation, times=1) as rule:
        attached = tool.run("push", reference, "--repository", "app", "--attach", "--json").document["attached"]
        assert len(rule.hits) == 1
    assert [artifact.digest for artifact in aws.ecr_state.repositories["app"].referrers(done["digest"])] == [attached]


# Debian's registry, which does not list referrers.


def test_a_registry_that_takes_it_and_does_not_list_it_is_an_error(
    image: Image, target: RegistryTarget, faults: Faults
) -> None:
    pushed = push(image, target)
    nothing = Answer(200, headers={"Content-Type": OCI_INDEX}, body=EMPTY_INDEX)
    with faults.rule(nothing, path="/referrers/"), pytest.raises(PushFailedError, match="does not list it"):
        attach(Document("sbom.cdx.json", BILL), pushed, target)


def test_a_registry_without_a_list_of_referrers_is_an_error(image: Image, target: RegistryTarget) -> None:
    with pytest.raises(DeployError):
        attach(Document("sbom.cdx.json", BILL), push(image, target), target)
