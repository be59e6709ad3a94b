from __future__ import annotations

import gzip
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.errors import ImageNotFoundError, ImageRefusedError
from deploy.image import oci, open_image
from deploy.image.shipment import pack
from tests.deploy.images import (
    DOCKER_INDEX,
    DOCKER_MANIFEST,
    OCI_INDEX,
    ZSTD,
    Built,
    BuiltLayer,
    Files,
    attestation,
    descriptor,
    digest_of,
    directory,
    encoded,
    good,
    index_of,
    layout_files,
    layout_of,
    new_archive_of,
    old_archive_of,
    on_arm,
    symlink,
    tar_of,
    write_directory,
    write_tar,
)

FORMS: dict[str, Callable[[Built, Path], Path]] = {
    "a directory": lambda image, path: write_directory(layout_of(image), path),
    "a tar of a layout": lambda image, path: write_tar(layout_of(image), path),
    "an archive of an old engine": lambda image, path: write_tar(old_archive_of(image), path),
    "an archive of a new engine": lambda image, path: write_tar(new_archive_of(image), path),
}


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def opened(path: Path, architecture: str | None = None) -> oci.ImageConfig:
    with open_image(str(path), architecture) as image:
        return image.config


# Every form of one image.


@pytest.mark.parametrize("form", FORMS)
def test_an_image_is_read_from_every_form_it_is_kept_in(form: str, tmp_path: Path) -> None:
    built = good({"var/task/data": b"abc"})
    with open_image(str(FORMS[form](built, tmp_path / "image"))) as image:
        assert image.architecture == "x86_64"
        assert image.config_digest == digest_of(built.config_bytes)
        assert image.filesystem.read("/var/task/data", 100) == b"abc"
        assert len(image.layer_bytes) == 2
        assert image.layer_bytes[1] == 3
        assert (image.manifest is None) == (form == "an archive of an old engine")


def test_the_content_digest_is_the_same_however_the_image_is_kept(tmp_path: Path) -> None:
    built = good()
    plain = replace(built, layers=[BuiltLayer.plain(layer.tar) for layer in built.layers])
    dated = replace(
        plain,
        config={"created": "2020-01-01T00:00:00Z", "history": [], "variant": ""},
        settings={**built.settings, "Labels": {**built.settings["Labels"], "org.opencontainers.image.created": "now"}},
    )
    digests = set()
    for number, (image, form) in enumerate((image, form) for image in (built, plain, dated) for form in FORMS.values()):
        with open_image(str(form(image, tmp_path / str(number)))) as found:
            digests.add(found.content_digest)
    assert len(digests) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"Env": ["A=2"]},
        {"Cmd": ["other"]},
        {"Entrypoint": ["/other"]},
        {"WorkingDir": "/"},
        {"User": "1"},
        {"Labels": {"a": "b"}},
    ],
)
def test_whatever_changes_what_runs_changes_the_content_digest(change: dict[str, Any]) -> None:
    def content(image: Built) -> str:
        return oci.content_digest(oci.parse(oci.ImageConfig, image.config_bytes, "it"))

    assert content(good()) != content(good(**change))
    assert content(good()) != content(good({"x": b""}))
    assert content(good()) != content(on_arm(good()))


def test_arm_with_and_without_its_variant_is_the_same_content() -> None:
    with_variant = replace(on_arm(good()), config={"variant": "v8"})
    found = [oci.parse(oci.ImageConfig, item.config_bytes, "it") for item in (on_arm(good()), with_variant)]
    assert oci.content_digest(found[0]) == oci.content_digest(found[1])


def test_an_archive_that_gzip_compressed_is_unpacked_beside_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    path = write_tar(old_archive_of(good()), tmp_path / "image.tar")
    packed = tmp_path / "image.tar.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    before = open_files()
    with open_image(str(packed)) as image:
        assert image.filesystem.names("/var/task") == ["app.py"]
    assert list(scratch.iterdir()) == []
    assert open_files() == before


def test_layers_that_an_old_engine_saved_once_and_named_twice_are_found(tmp_path: Path) -> None:
    layer = BuiltLayer.plain(tar_of({"a": b"1"}))
    files = old_archive_of(Built([layer, layer], good().settings))
    first, second = [name for name in files if name.endswith("layer.tar")]
    path = write_tar({**files, second: symlink(f"../{first}")}, tmp_path / "image.tar")
    with open_image(str(path)) as image:
        assert image.filesystem.names("/") == ["a"]


def test_reading_files_imports_no_docker(tmp_path: Path) -> None:
    path = write_tar(layout_of(good()), tmp_path / "image.tar")
    code = (
        "import sys; from deploy.image import findings, open_image\n"
        f"with open_image({str(path)!r}) as image: findings(image)\n"
        "assert not {'docker', 'boto3', 'requests', 'rich'} & set(sys.modules)"
    )
    environment = {"PATH": "", "DOCKER_HOST": "unix:///nope"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, cwd=Path(__file__).parents[2])


# Indexes.


def index_files(*images: Built, media_type: str = OCI_INDEX, platforms: bool = True) -> Files:
    """A layout whose one entry is an index of the images, each with an attestation."""
    attestations = [attestation(image) for image in images]
    listed = [
        image.descriptor if platforms else descriptor(image.manifest_bytes, image.manifest_type) for image in images
    ]
    inner = index_of([*listed, *(entry for entry, _ in attestations)], media_type)
    blobs = [blob for image in images for blob in image.blobs]
    blobs += [blob for _, more in attestations for blob in more]
    return layout_files([descriptor(inner, media_type)], [inner, *blobs])


@pytest.mark.parametrize("media_type", [OCI_INDEX, DOCKER_INDEX])
@pytest.mark.parametrize("platforms", [True, False])
def test_an_index_leads_to_the_image_of_the_architecture(media_type: str, platforms: bool, tmp_path: Path) -> None:
    intel, arm = good(), on_arm(good({"arm": b""}))
    path = write_directory(index_files(intel, arm, media_type=media_type, platforms=platforms), tmp_path / "layout")
    for built, name in ((intel, "x86_64"), (arm, "arm64")):
        with open_image(str(path), name) as image:
            assert image.architecture == name
            assert image.manifest
            assert image.manifest.digest == digest_of(built.manifest_bytes)
            assert image.index
            assert image.index.media_type == media_type
            passed = [child.passed_over for child in image.children]
            assert passed[0] == ""
            assert sorted(passed[1:]) == sorted(
                ["attestation"] * 2 + [f"for linux/{'arm64' if built is intel else 'amd64'}"]
            )


def test_one_image_with_an_attestation_needs_no_architecture(tmp_path: Path) -> None:
    path = write_directory(index_files(good()), tmp_path / "layout")
    with open_image(str(path)) as image:
        assert [child.passed_over for child in image.children] == ["", "attestation"]


def test_an_index_of_several_without_an_architecture_is_refused_with_what_is_there(tmp_path: Path) -> None:
    path = write_directory(index_files(good(), on_arm(good())), tmp_path / "layout")
    with pytest.raises(ImageRefusedError, match="linux/amd64, linux/arm64") as caught:
        opened(path)
    assert "--architecture" in caught.value.then


def test_an_index_without_the_architecture_is_refused_with_what_is_there(tmp_path: Path) -> None:
    other = replace(good(), architecture="s390x")
    path = write_directory(index_files(other, on_arm(good())), tmp_path / "layout")
    with pytest.raises(ImageRefusedError, match="no image for linux/amd64; what is there: linux/s390x, linux/arm64"):
        opened(path, "x86_64")


def test_two_images_for_one_architecture_are_refused_by_name(tmp_path: Path) -> None:
    first, second = good(), good({"more": b""})
    named = [
        item.descriptor | {"annotations": {"org.opencontainers.image.ref.name": name}}
        for item, name in ((first, "one:1"), (second, "two:2"))
    ]
    path = write_directory(layout_files(named, [*first.blobs, *second.blobs]), tmp_path / "layout")
    with pytest.raises(ImageRefusedError, match=r"one:1.*two:2") as caught:
        opened(path, "x86_64")
    assert "alone" in caught.value.then


def test_the_same_image_under_two_names_is_one(tmp_path: Path) -> None:
    image = good()
    assert opened(write_directory(layout_files([image.descriptor] * 2, image.blobs), tmp_path / "layout"))


def test_platforms_that_the_layout_does_not_hold_are_passed_over(tmp_path: Path) -> None:
    here, elsewhere = good(), on_arm(good())
    inner = index_of([elsewhere.descriptor, here.descriptor])
    path = write_directory(layout_files([descriptor(inner, OCI_INDEX)], [inner, *here.blobs]), tmp_path / "layout")
    with open_image(str(path)) as image:
        assert [child.passed_over for child in image.children] == ["", "not in here"]


def test_a_layout_of_attestations_alone_holds_no_image(tmp_path: Path) -> None:
    entry, blobs = attestation(good())
    with pytest.raises(ImageRefusedError, match=r"holds no image; what is there: unknown/unknown \(attestation"):
        opened(write_directory(layout_files([entry], blobs), tmp_path / "layout"))


def test_an_empty_layout_holds_no_image(tmp_path: Path) -> None:
    with pytest.raises(ImageRefusedError, match="holds no image; what is there: nothing"):
        opened(write_directory(layout_files([], []), tmp_path / "layout"))


def test_indexes_without_end_are_refused(tmp_path: Path) -> None:
    image = good()
    inner, blobs = image.descriptor, image.blobs
    for _ in range(6):
        data = index_of([inner])
        inner, blobs = descriptor(data, OCI_INDEX), [*blobs, data]
    with pytest.raises(ImageRefusedError, match="deep"):
        opened(write_directory(layout_files([inner], blobs), tmp_path / "layout"))


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
    with pytest.raises(ImageRefusedError, match="has 5 bytes, and should have"):
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
    big = encoded({"schemaVersion": 2, "manifests": [], "annotations": {"a": "x" * oci.DOCUMENT_BYTES_LIMIT}})
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
        (b"[]", "it is not what it should be"),
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
    with pytest.raises(ImageRefusedError, match="it is not what it should be") as caught:
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


def test_what_is_not_there_is_not_found_and_its_neighbour_is_named(tmp_path: Path) -> None:
    (tmp_path / "image-1.tar").write_bytes(b"")
    for reference in (f"{tmp_path}/image-2.tar", f"oci:{tmp_path}/image", f"docker-archive:{tmp_path}/image.tar"):
        with pytest.raises(ImageNotFoundError, match=r"there is image-1\.tar"):
            open_image(reference)
    with pytest.raises(ImageNotFoundError):
        open_image(f"{tmp_path}/no/such/directory/image.tar")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "neither index.json nor manifest.json"),
        (b"text" * 300, "is no tar"),
        (ZSTD, "compressed by zstd"),
        (b"\x1f\x8bnonsense", "no sound gzip"),
        (gzip.compress(b"text" * 300), "no sound tar"),
        (gzip.compress(tar_of({"a": b""}))[:-10], "cut off"),
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
        shipment = pack(image)
        assert shipment.manifest.data == built.manifest_bytes
        assert [blob.digest for blob in shipment.layers] == [digest_of(layer.stored) for layer in built.layers]
        with shipment.config.open() as file:
            assert file.read() == built.config_bytes


@pytest.mark.parametrize("form", FORMS)
def test_layers_that_are_not_compressed_are_shipped_compressed(form: str, tmp_path: Path) -> None:
    tars = [tar_of({"a": b"1" * 100_000}), tar_of({"b": b"2"}), tar_of({"a": b"1" * 100_000})]
    built = Built([BuiltLayer.plain(tar) for tar in tars], good().settings)
    shipments = []
    for number in range(2):
        with open_image(str(FORMS[form](built, tmp_path / str(number)))) as image:
            shipment = pack(image)
            shipments.append(shipment)
            assert len(shipment.layers) == 2
            for blob, tar in zip(shipment.layers, tars, strict=False):
                with blob.open() as file:
                    data = file.read()
                assert (digest_of(data), len(data)) == (blob.digest, blob.size)
                assert gzip.decompress(data) == tar
            manifest = oci.parse(oci.Manifest, shipment.manifest.data, "it")
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
