"""`check` with an engine that keeps manifests and indexes, as new engines do."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Iterator

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


def test_an_id_of_an_index_leads_to_it(containerd: ContainerdEngine) -> None:
    identity = containerd.run("image", "inspect", "--format", "{{.Id}}", "attested:1")
    for reference in (identity, identity.removeprefix("sha256:")[:12]):
        with open_image(reference) as image:
            assert image.config_digest == identity
            assert pack(image).manifest.data == INTEL.manifest_bytes


def test_a_name_that_is_not_there_names_its_neighbours() -> None:
    with pytest.raises(ImageNotFoundError, match="there is multi:1"):
        open_image("multi")
