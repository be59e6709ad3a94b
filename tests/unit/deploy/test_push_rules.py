"""What a push decides before it asks anybody."""

from __future__ import annotations

import json
from typing import Any, NoReturn, cast

import pytest

from deploy.errors import StandInRefusedError, UsageError
from deploy.image import oci
from deploy.image.localimage import Image
from deploy.registry.address import Address
from deploy.registry.ecr import Repository
from deploy.registry.push import find_pushed, foreseen, push

ECR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"


class Untouched(Repository):
    """A repository of which nothing may be asked."""

    def __init__(self, host: str) -> None:
        super().__init__(
            "frames", "", f"{host}/frames", "IMMUTABLE", scans=True, address=Address(host), client=cast(Any, None)
        )

    def login(self) -> NoReturn:
        pytest.fail("a login was asked for")

    def manifest(self, reference: str) -> NoReturn:
        pytest.fail(f"{reference} was asked for")


def image_of(labels: dict[str, str] | None = None, **more: object) -> Image:
    config = {"architecture": "amd64", "os": "linux", "config": {"Labels": labels}, "rootfs": {"diff_ids": []}, **more}
    parsed = oci.parse(oci.ImageConfig, json.dumps(config).encode(), "the test's configuration")
    return Image("image", "OCI layout", parsed, ())


@pytest.mark.parametrize("host", [ECR, "registry.example:5000", "10.0.0.1:5000", "localhost.example"])
def test_an_image_on_the_stand_in_leaves_this_machine_for_no_registry(host: str) -> None:
    image = image_of({"hwang-lambda.base": "stand-in"})
    for ask in (push, find_pushed, foreseen):
        with pytest.raises(StandInRefusedError) as caught:
            ask(image, Untouched(host))
        assert "BASE=real" in caught.value.then


@pytest.mark.parametrize("host", ["127.0.0.1:5000", "localhost:4566", "127.9.9.9", "[::1]:5000", "ecr.localhost:1"])
def test_an_image_on_the_stand_in_may_go_to_a_registry_of_this_machine(host: str) -> None:
    assert foreseen(image_of({"hwang-lambda.base": "stand-in"}), Untouched(host)).tag


def test_an_image_on_the_real_base_may_go_anywhere() -> None:
    image = image_of()
    pushed = foreseen(image, Untouched(ECR))
    assert pushed.uri == f"{ECR}/frames:{image.default_tag}"
    assert pushed.digest == ""


@pytest.mark.parametrize("tag", ["", ".x", "-x", "a b", "x" * 129, "a/b", "a:b", "a@b", "é", "a\n"])
def test_what_is_no_tag_is_refused(tag: str) -> None:
    for ask in (push, find_pushed, foreseen):
        with pytest.raises(UsageError):
            ask(image_of(), Untouched(ECR), tag)


def test_the_tag_names_the_content_and_not_the_time() -> None:
    tag = image_of().default_tag
    assert tag == image_of(created="2026-01-01T00:00:00Z").default_tag
    assert tag == image_of({"org.opencontainers.image.created": "today"}).default_tag
    assert tag != image_of({"version": "2"}).default_tag
    assert tag != image_of(architecture="arm64").default_tag
    assert tag.startswith("image-")
    assert len(tag) == len("image-") + 16
