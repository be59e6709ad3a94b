"""How an image is packed, for what machine and how large, as Lambda takes it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from deploy.image import Image, checks, document, findings, layers, oci, open_image
from tests.deploy.images import (
    DOCKER_CONFIG,
    DOCKER_LAYER,
    DOCKER_MANIFEST,
    OCI,
    OCI_INDEX,
    OCI_LAYER,
    ZSTD,
    Built,
    BuiltLayer,
    attestation,
    descriptor,
    good,
    index_of,
    layout_files,
    on_arm,
    tar_of,
    write_directory,
)
from tests.unit.build.judging import Judge, Judged


def test_a_good_image_has_nothing_against_it(judge: Judge) -> None:
    found = judge(good(), "x86_64")
    assert (found.refused, found.warned) == ([], [])
    assert found.subjects == {"manifest", "architecture", "layers", "command", "size", "licences"}


# Manifest and layers.


def test_an_index_is_warned_of_and_resolved(tmp_path: Path) -> None:
    image = good()
    entry, blobs = attestation(image)
    inner = index_of([image.descriptor, entry])
    files = layout_files([descriptor(inner, OCI_INDEX)], [inner, *image.blobs, *blobs])
    with open_image(str(write_directory(files, tmp_path / "layout"))) as opened:
        found = Judged(findings(opened))
        shown = document(opened, found.found)
    assert (found.refused, found.warned) == ([], ["manifest"])
    assert "unknown/unknown (attestation)" in found["manifest"].what
    assert shown["beside"] == ("unknown/unknown (attestation)",)


@pytest.mark.parametrize("docker", [False, True])
def test_the_manifests_that_lambda_takes_are_fine(docker: bool, judge: Judge) -> None:
    layer = BuiltLayer.gzipped(tar_of({}), f"{DOCKER_LAYER}.gzip")
    image = good()
    if docker:
        image = replace(image, manifest_type=DOCKER_MANIFEST, config_type=DOCKER_CONFIG, layers=[*image.layers, layer])
    assert judge(image)["manifest"].level == "ok"


def test_another_type_of_manifest_is_refused(judge: Judge) -> None:
    found = judge(replace(good(), manifest_type="application/vnd.docker.distribution.manifest.v1+json"))
    assert found.refused == ["manifest"]


def test_what_is_stored_like_an_image_and_is_none_is_refused(judge: Judge) -> None:
    assert judge(replace(good(), config_type="application/vnd.oci.empty.v1+json")).refused == ["manifest"]


@pytest.mark.parametrize(
    "layer",
    [
        BuiltLayer.plain(tar_of({"a": b""})),
        BuiltLayer.plain(tar_of({"a": b""}), DOCKER_LAYER),
        BuiltLayer.plain(bytes(1024)),
        BuiltLayer.gzipped(tar_of({"a": b""})),
        BuiltLayer.gzipped(tar_of({"a": b""}), f"{DOCKER_LAYER}.gzip"),
        BuiltLayer.plain(tar_of({"a": b""}), f"{DOCKER_LAYER}.gzip"),  # skopeo calls them so
        BuiltLayer.gzipped(tar_of({"a": b""}), OCI_LAYER),
    ],
)
def test_the_layers_that_lambda_takes_are_fine(layer: BuiltLayer, judge: Judge) -> None:
    assert judge(replace(good(), layers=[*good().layers, layer]))["layers"].level == "ok"


@pytest.mark.parametrize(
    ("layer", "why"),
    [
        (BuiltLayer(tar_of({}), ZSTD, f"{OCI_LAYER}+zstd"), "zstd"),
        (BuiltLayer(tar_of({}), ZSTD, f"{OCI_LAYER}+gzip"), "zstd"),
        (BuiltLayer.gzipped(tar_of({}), "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"), "not kept"),
        (BuiltLayer.gzipped(tar_of({}), f"{OCI}.layer.nondistributable.v1.tar+gzip"), "not kept"),
        (BuiltLayer.plain(b"no tar" * 200), "are not of its type"),
        (BuiltLayer.gzipped(tar_of({}), "application/x-thing"), "does not take its type"),
    ],
)
def test_layers_that_lambda_cannot_unpack_are_refused(layer: BuiltLayer, why: str, judge: Judge) -> None:
    found = judge(replace(good(), layers=[*good().layers, layer]))
    assert set(found.refused) == {"layers"}
    assert found["layers"].what.startswith("layer 2")
    assert why in found["layers"].why


def test_a_damaged_layer_is_refused(judge: Judge) -> None:
    layer = replace(BuiltLayer.gzipped(tar_of({"a": b""})), tar=tar_of({"b": b""}))
    found = judge(replace(good(), layers=[layer]))
    assert found.refused == ["layers"]
    assert "size" not in found.subjects


# Platform and size.


@pytest.mark.parametrize(("image", "wanted"), [(good(), "arm64"), (on_arm(good()), "x86_64")])
def test_another_architecture_than_wanted_is_refused(image: Built, wanted: str, judge: Judge) -> None:
    found = judge(image, wanted)["architecture"]
    assert found.level == "refused"
    assert wanted in found.what


@pytest.mark.parametrize("architecture", ["386", "riscv64", "", "x86_64"])
def test_an_architecture_that_lambda_does_not_have_is_refused(architecture: str, judge: Judge) -> None:
    assert "architecture" in judge(replace(good(), architecture=architecture)).refused


def test_another_system_than_linux_is_refused(judge: Judge) -> None:
    assert judge(replace(good(), config={"os": "windows"})).refused == ["platform"]


def test_an_image_of_more_than_ten_gigabytes_is_refused(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    image = good({"big": bytes(1_000_000)})
    monkeypatch.setattr(checks, "MAX_IMAGE_BYTES", 1_100_000)
    assert judge(image)["size"].level == "ok"
    monkeypatch.setattr(checks, "MAX_IMAGE_BYTES", 1_000_001)
    assert judge(image).refused == ["size"]


@pytest.mark.parametrize(
    ("size_bytes", "level"),
    [
        (10_000_000_000, "ok"),
        (10_737_418_240, "ok"),
        (10_737_418_241, "refused"),
    ],
)
def test_the_size_is_judged_at_exactly_ten_gibibytes(size_bytes: int, level: str) -> None:
    image = Image("image", "engine", oci.ImageConfig(rootfs=oci.RootFs()))
    vars(image)["unpacked_bytes"] = size_bytes
    assert [finding.level for finding in checks._size(image)] == [level]


def test_a_layer_that_unpacks_to_too_much_is_refused(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layers, "MAX_IMAGE_BYTES", 2_000_000)
    assert judge(good({"big": bytes(3_000_000)})).refused == ["layers"]
