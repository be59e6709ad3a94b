"""`check` with an engine that keeps manifests and indexes, as new engines do."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.errors import ImageNotFoundError
from deploy.image import findings, open_image
from deploy.image.pushable import pack
from tests.deploy.containerd import DOCKERD, ContainerdEngine
from tests.deploy.images import (
    OCI_INDEX,
    Built,
    attestation,
    descriptor,
    good,
    index_of,
    layout_files,
    on_arm,
    write_tar,
)

INTEL, ARM = good(), on_arm(good({"arm": b"1"}))


@pytest.fixture(scope="module")
def containerd(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ContainerdEngine]:
    if not DOCKERD.exists():
        if shutil.which("apt-get") is None:
            pytest.skip("not tested on this system: an engine with containerd's store, made of Debian's packages")
        pytest.fail(f"no engine to start beside this one: {DOCKERD} is missing (Debian: docker.io)", pytrace=False)
    directory = tmp_path_factory.mktemp("engine")
    with ContainerdEngine(engine, "hwang-lambda:latest", directory) as running:
        for name, images in (("multi:1", (INTEL, ARM)), ("attested:1", (INTEL,))):
            path = write_tar(named(name, *images), directory / "image.tar")
            running.run("load", "--quiet", "--input", str(path))
        yield running


@pytest.fixture(autouse=True)
def there(containerd: ContainerdEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", containerd.host)


def named(name: str, *images: Built) -> dict[str, bytes]:
    """An index of images and their attestations, under a name, as BuildKit exports it."""
    attestations = [attestation(image) for image in images]
    inner = index_of([*(image.descriptor for image in images), *(entry for entry, _ in attestations)])
    blobs = [blob for image in images for blob in image.blobs] + [blob for _, more in attestations for blob in more]
    notes = {"io.containerd.image.name": f"docker.io/library/{name}", "org.opencontainers.image.ref.name": "1"}
    return layout_files([descriptor(inner, OCI_INDEX, annotations=notes)], [inner, *blobs])


@pytest.mark.parametrize(("built", "architecture"), [(INTEL, "x86_64"), (ARM, "arm64")])
def test_an_index_leads_to_the_image_of_the_architecture(built: Built, architecture: str) -> None:
    with open_image("multi:1", architecture) as image:
        assert image.architecture == architecture
        assert pack(image).manifest.data == built.manifest_bytes


def test_of_several_architectures_the_engines_own_is_meant() -> None:
    own = {"x86_64": INTEL, "aarch64": ARM}[platform.machine()]
    with open_image("multi:1") as image:
        assert pack(image).manifest.data == own.manifest_bytes


def test_of_an_image_with_an_attestation_the_image_alone_is_taken() -> None:
    with open_image("attested:1") as image:
        found = findings(image)
        assert [item.subject for item in found if item.level in ("warning", "refused")] == []
        assert pack(image).manifest.data == INTEL.manifest_bytes


@pytest.mark.parametrize(
    ("options", "architecture", "beside"),
    [
        (["--provenance=false"], None, ()),
        (["--provenance=mode=max"], None, ("unknown/unknown (attestation)",)),
        (
            ["--provenance=mode=max", "--platform", "linux/amd64,linux/arm64"],
            "arm64",
            ("linux/amd64", "unknown/unknown (attestation)", "unknown/unknown (attestation)"),
        ),
    ],
    ids=["plain", "attested", "of two architectures"],
)
def test_what_buildx_writes_is_pushed_as_it_is(
    options: list[str], architecture: str | None, beside: tuple[str, ...], containerd: ContainerdEngine, tmp_path: Path
) -> None:
    path = built_by_buildx(containerd, tmp_path, f"type=oci,dest={tmp_path}/image.tar", *options)
    with open_image(str(path), architecture) as image:
        assert image.beside == beside
        assert [item.what for item in findings(image) if item.level == "refused"] == []
        assert pack(image).manifest == image.manifest


def test_an_image_of_zstd_is_refused_with_the_option_that_helps(containerd: ContainerdEngine, tmp_path: Path) -> None:
    output = f"type=oci,dest={tmp_path}/image.tar,compression=zstd,force-compression=true"
    with open_image(str(built_by_buildx(containerd, tmp_path, output, "--provenance=false"))) as image:
        refused = [item for item in findings(image) if item.level == "refused"]
    assert {item.why for item in refused} >= {"Lambda does not take zstd"}
    assert "compression=gzip" in refused[0].then


def built_by_buildx(containerd: ContainerdEngine, directory: Path, output: str, *options: str) -> Path:
    (directory / "app.py").write_text("def handler(event, context): ...\n")
    recipe = 'FROM scratch\nCOPY app.py /var/task/\nENTRYPOINT ["/lambda-entrypoint.sh"]\nCMD ["app.handler"]\n'
    (directory / "Dockerfile").write_text(recipe)
    containerd.run("buildx", "build", "--quiet", *options, "--output", output, str(directory))
    return directory / "image.tar"


def test_an_id_of_an_index_leads_to_it(containerd: ContainerdEngine) -> None:
    identity = containerd.run("image", "inspect", "--format", "{{.Id}}", "attested:1")
    for reference in (identity, identity.removeprefix("sha256:")[:12]):
        with open_image(reference) as image:
            assert image.config_digest == identity
            assert pack(image).manifest.data == INTEL.manifest_bytes


def test_a_name_that_is_not_there_is_not_found() -> None:
    with pytest.raises(ImageNotFoundError, match="has no image 'multi'"):
        open_image("multi")
