"""One layout with an image for each architecture: a function gets the one that it can run."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.errors import FunctionUnsuitableError, ImageRefusedError
from tests.deploy.images import (
    Built,
    digest_of,
    good,
    index_of,
    layout_files,
    on_arm,
    write_directory,
)
from tests.deploy.tool import Tool
from tests.support.aws import StrictAws
from tests.support.aws.strict import ROLE

NAME = "frames"
PLACE = ("--repository", "app", "--function", NAME)
IMAGES: dict[str, Built] = {"x86_64": good(), "arm64": on_arm(good({"arm": b"1"}))}
OTHER = {"x86_64": "arm64", "arm64": "x86_64"}


@pytest.fixture
def layout(tmp_path: Path) -> str:
    """As `docker buildx build --platform linux/amd64,linux/arm64 --output type=oci` writes it."""
    inner = index_of([image.descriptor for image in IMAGES.values()])
    outer = {"mediaType": "application/vnd.oci.image.index.v1+json", "digest": digest_of(inner), "size": len(inner)}
    blobs = [inner, *(blob for image in IMAGES.values() for blob in image.blobs)]
    return str(write_directory(layout_files([outer], blobs), tmp_path / "layout"))


@pytest.fixture
def tool(aws: StrictAws, tmp_path: Path) -> Tool:
    aws.do("CreateRepository", repositoryName="app")
    return Tool(aws.environment(), tmp_path)


@pytest.mark.parametrize("architecture", IMAGES)
def test_the_image_that_is_pushed_is_the_one_of_the_architecture(architecture: str, layout: str, tool: Tool) -> None:
    pushed = tool.run("push", layout, "--architecture", architecture, "--repository", "app", "--json")
    assert pushed.code == 0, pushed
    assert pushed.document["digest"] == digest_of(IMAGES[architecture].manifest_bytes)


@pytest.mark.parametrize("architecture", IMAGES)
def test_a_function_is_made_for_the_architecture_and_takes_no_image_of_the_other_unless_that_is_named(
    architecture: str, layout: str, tool: Tool, aws: StrictAws, tmp_path: Path
) -> None:
    made = tool.run("deploy", layout, "--architecture", architecture, *PLACE, "--create", "--role", ROLE, "--no-smoke")
    assert made.code == 0, made
    function = aws.do("GetFunction", FunctionName=NAME)
    assert function["Configuration"]["Architectures"] == [architecture]
    assert function["Code"]["ResolvedImageUri"].endswith(digest_of(IMAGES[architecture].manifest_bytes))

    before = len(aws.changes())
    other = IMAGES[OTHER[architecture]]
    alone = write_directory(layout_files([other.descriptor], other.blobs), tmp_path / "alone")
    refused = tool.run("deploy", str(alone), *PLACE)
    assert (refused.code, refused.error) == (FunctionUnsuitableError.exit_code, "FunctionUnsuitable"), refused
    assert f"build the image for {architecture}" in refused.err
    assert [call.operation for call in aws.changes()[before:] if call.service == "lambda"] == []


def test_of_two_images_neither_is_guessed(layout: str, tool: Tool) -> None:
    ended = tool.run("push", layout, "--repository", "app")
    assert (ended.code, ended.error) == (ImageRefusedError.exit_code, "ImageRefused"), ended
    assert "--architecture x86_64 or arm64" in ended.err


@pytest.mark.parametrize("architecture", IMAGES)
def test_an_image_of_the_other_architecture_than_asked_for_is_refused(
    architecture: str, tmp_path: Path, tool: Tool
) -> None:
    image = IMAGES[architecture]
    alone = write_directory(layout_files([image.descriptor], image.blobs), tmp_path / "alone")
    assert tool.run("check", str(alone), "--architecture", architecture).code == 0
    refused = tool.run("check", str(alone), "--architecture", OTHER[architecture])
    assert refused.code == ImageRefusedError.exit_code, refused
    assert OTHER[architecture] in refused.out + refused.err
