"""What is damaged, or no image at all, is refused with the place; and images as a registry takes them."""

from __future__ import annotations

import gzip
import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.errors import ImageNotFoundError, ImageRefusedError
from deploy.image import oci, open_image
from deploy.image.pushable import pack
from tests.deploy.images import (
    DOCKER_MANIFEST,
    ZSTD,
    Built,
    BuiltLayer,
    Files,
    digest_of,
    directory,
    encoded,
    good,
    layout_files,
    layout_of,
    old_archive_of,
    on_arm,
    symlink,
    tar_of,
    write_directory,
    write_tar,
)
from tests.unit.deploy.imageforms import FORMS, opened

# Damage.


def damaged(files: Files, name: str, data: bytes | None) -> Files:
    """Without the file, or with other bytes in it."""
    return {key: value for key, value in files.items() if key != name} | ({} if data is None else {name: data})


def blob_name(data: bytes) -> str:
    return f"blobs/{digest_of(data).replace(':', '/')}"


@pytest.mark.parametrize("which", ["manifest_bytes", "config_bytes"])
def test_a_document_with_other_bytes_of_the_same_number_is_refused(which: str, tmp_path: Path) -> None:
    image = good()
    data = getattr(image, which)
    files = damaged(layout_of(image), blob_name(data), data.replace(b"amd64", b"arm64").replace(b"schemaV", b"schemav"))
    with pytest.raises(ImageRefusedError, match="other bytes"):
        opened(write_directory(files, tmp_path / "layout"))


def test_a_layer_of_another_size_is_refused(tmp_path: Path) -> None:
    image = good()
    files = damaged(layout_of(image), blob_name(image.layers[0].stored), b"short")
    with pytest.raises(ImageRefusedError, match="has 5 bytes, not "):
        opened(write_directory(files, tmp_path / "layout"))


@pytest.mark.parametrize("which", ["config", "layer"])
def test_a_missing_blob_is_refused(which: str, tmp_path: Path) -> None:
    image = good()
    name = blob_name(image.config_bytes if which == "config" else image.layers[0].stored)
    with pytest.raises(ImageRefusedError, match="has no blobs/sha256"):
        opened(write_directory(damaged(layout_of(image), name, None), tmp_path / "layout"))


def test_an_old_archive_without_one_of_its_layers_is_refused(tmp_path: Path) -> None:
    files = old_archive_of(good())
    layer = next(name for name in files if name.endswith("layer.tar"))
    with pytest.raises(ImageRefusedError, match=f"has no {layer}"):
        opened(write_tar(damaged(files, layer, None), tmp_path / "image.tar"))


def test_an_old_archive_with_another_configuration_than_its_name_says_is_refused(tmp_path: Path) -> None:
    files = old_archive_of(good())
    config = next(name for name in files if name.endswith(".json") and name != "manifest.json")
    files[config] = files[config].replace(b"amd64", b"arm64")
    with pytest.raises(ImageRefusedError, match="other bytes"):
        opened(write_tar(files, tmp_path / "image.tar"))


def test_an_archive_of_two_images_is_refused_by_name(tmp_path: Path) -> None:
    first, second = old_archive_of(good(), ["a:1"]), old_archive_of(on_arm(good()), ["b:2", "c:3"])
    listed = json.loads(first["manifest.json"]) + json.loads(second["manifest.json"])
    path = write_tar({**first, **second, "manifest.json": encoded(listed)}, tmp_path / "image.tar")
    with pytest.raises(ImageRefusedError, match="2 images: a:1; b:2, c:3"):
        opened(path)


def test_more_layers_than_the_configuration_has_are_refused(tmp_path: Path) -> None:
    image = replace(good(), config={"rootfs": {"type": "layers", "diff_ids": []}})
    for number, form in enumerate(FORMS.values()):
        with pytest.raises(ImageRefusedError, match="lists 1 layers, and the image's configuration 0"):
            opened(form(image, tmp_path / str(number)))


def test_a_manifest_of_another_type_than_its_index_says_is_refused(tmp_path: Path) -> None:
    image = good()
    entry = image.descriptor | {"mediaType": DOCKER_MANIFEST}
    with pytest.raises(ImageRefusedError, match="calls itself"):
        opened(write_directory(layout_files([entry], image.blobs), tmp_path / "layout"))


@pytest.mark.parametrize("cut", [1, 700, 3000])
def test_an_archive_that_is_cut_off_is_refused(cut: int, tmp_path: Path) -> None:
    path = write_tar(layout_of(good()), tmp_path / "image.tar")
    path.write_bytes(path.read_bytes()[:-cut].rstrip(b"\0")[:-cut])
    with pytest.raises(ImageRefusedError):
        opened(path)


def test_documents_of_more_than_four_mebibytes_are_refused(tmp_path: Path) -> None:
    big = encoded({"schemaVersion": 2, "manifests": [], "annotations": {"a": "x" * oci.MAX_DOCUMENT_BYTES}})
    with pytest.raises(ImageRefusedError, match="registries take 4,194,304"):
        opened(write_directory({"index.json": big}, tmp_path / "layout"))
    with pytest.raises(ImageRefusedError, match="registries take"):
        oci.parse(oci.Index, big, "it")


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b"", "Invalid JSON"),
        (b"nonsense", "Invalid JSON"),
        (b"[" * 100_000, "Invalid JSON"),
        (b"[]", "it is wrong"),
        (b"{}", "schemaVersion"),
        (b'{"schemaVersion": 2, "config": {}, "layers": []}', "config.mediaType"),
        (
            b'{"schemaVersion": 2, "config": {"mediaType": "x", "digest": "sha256:1", "size": 1}, "layers": []}',
            "config.digest",
        ),
        (b'{"schemaVersion": "2", "config": 1, "layers": 1}', "schemaVersion"),
    ],
)
def test_garbage_is_refused_with_the_place(data: bytes, place: str) -> None:
    with pytest.raises(ImageRefusedError, match="it is wrong") as caught:
        oci.parse(oci.Manifest, data, "it")
    assert place in str(caught.value)


@pytest.mark.parametrize("size", [-1, 2**63, 1.5, "1", True, None])
def test_a_size_is_a_number_of_bytes(size: object) -> None:
    data = encoded({"mediaType": "x", "digest": digest_of(b""), "size": size})
    with pytest.raises(ImageRefusedError, match="at size"):
        oci.parse(oci.Descriptor, data, "it")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_any_json_is_a_document_or_refused(value: object) -> None:
    for model in (oci.Manifest, oci.Index, oci.ImageConfig, oci.Descriptor):
        with suppress(ImageRefusedError):
            oci.parse(model, encoded(value), "it")


def test_what_docker_writes_as_null_is_nothing() -> None:
    settings = {"Env": None, "Cmd": None, "Entrypoint": None, "Labels": None, "Volumes": None, "OnBuild": None}
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": settings,
        "rootfs": {"type": "layers", "diff_ids": None},
    }
    found = oci.parse(oci.ImageConfig, encoded(config), "it")
    assert (found.config.env, found.config.labels, found.rootfs.diff_ids) == ((), {}, ())
    assert oci.parse(oci.ImageConfig, encoded(config | {"config": None}), "it").config == found.config


# What is no image.


def test_what_is_not_there_is_not_found(tmp_path: Path) -> None:
    (tmp_path / "image-1.tar").write_bytes(b"")
    for reference in (f"{tmp_path}/image-2.tar", f"oci:{tmp_path}/image", f"docker-archive:{tmp_path}/image.tar"):
        with pytest.raises(ImageNotFoundError, match="there is no "):
            open_image(reference)
    with pytest.raises(ImageNotFoundError):
        open_image(f"{tmp_path}/no/such/directory/image.tar")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no sound tar: empty file"),
        (b"text" * 300, "is no tar"),
        (ZSTD, "compressed by zstd"),
        (b"\x1f\x8bnonsense", "no sound gzip"),
        (gzip.compress(b"text" * 300, mtime=0), "no sound tar"),
        (gzip.compress(tar_of({"a": b""}), mtime=0)[:-10], "no sound gzip"),
        (tar_of({"a": b""}), "neither index.json nor manifest.json"),
        (tar_of({"index.json": directory()}), "neither index.json nor manifest.json"),
        (tar_of({"index.json": symlink("index.json")}), "neither index.json nor manifest.json"),
        (tar_of({"manifest.json": b"{}"}), "manifest.json of"),
        (tar_of({"manifest.json": b"[]"}), "0 images"),
        (tar_of({"../index.json": b"{}"}), "neither index.json nor manifest.json"),
    ],
)
def test_a_file_that_is_no_image_is_refused(data: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "image.tar"
    path.write_bytes(data)
    with pytest.raises(ImageRefusedError, match=message):
        opened(path)


def test_a_directory_that_is_no_layout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageRefusedError, match="neither"):
        opened(tmp_path)


# As a registry takes it.


def test_an_image_with_compressed_layers_is_shipped_as_it_is(tmp_path: Path) -> None:
    built = good({"x": b""})
    with open_image(str(write_tar(layout_of(built), tmp_path / "image.tar"))) as image:
        pushable = pack(image)
        assert pushable.manifest.data == built.manifest_bytes
        assert [blob.digest for blob in pushable.layers] == [digest_of(layer.stored) for layer in built.layers]
        with pushable.config.open() as file:
            assert file.read() == built.config_bytes


@pytest.mark.parametrize("form", FORMS)
def test_layers_that_are_not_compressed_are_shipped_compressed(form: str, tmp_path: Path) -> None:
    tars = [tar_of({"a": b"1" * 100_000}), tar_of({"b": b"2"}), tar_of({"a": b"1" * 100_000})]
    built = Built([BuiltLayer.plain(tar) for tar in tars], good().settings)
    shipments = []
    for number in range(2):
        with open_image(str(FORMS[form](built, tmp_path / str(number)))) as image:
            pushable = pack(image)
            shipments.append(pushable)
            assert len(pushable.layers) == 2
            for blob, tar in zip(pushable.layers, tars, strict=False):
                with blob.open() as file:
                    data = file.read()
                assert (digest_of(data), len(data)) == (blob.digest, blob.size)
                assert gzip.decompress(data) == tar
            manifest = oci.parse(oci.Manifest, pushable.manifest.data, "it")
            assert manifest.config.digest == digest_of(built.config_bytes)
            assert len(manifest.layers) == 3
            assert manifest.layers[0] == manifest.layers[2]
    assert shipments[0].manifest.digest == shipments[1].manifest.digest


def test_a_damaged_layer_is_not_shipped(tmp_path: Path) -> None:
    built = Built([BuiltLayer(tar_of({"a": b"1"}), tar_of({"a": b"2"}), "")], good().settings)
    with (
        open_image(str(write_tar(old_archive_of(built), tmp_path / "image.tar"))) as image,
        pytest.raises(ImageRefusedError),
    ):
        pack(image)
