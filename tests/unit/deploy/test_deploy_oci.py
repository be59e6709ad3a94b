"""An image is the same in every form that it is kept in, and is found in an index."""

from __future__ import annotations

import gzip
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deploy.errors import ImageRefusedError
from deploy.image import oci, open_image
from deploy.image.layers import read_file
from tests.deploy.images import (
    DOCKER_INDEX,
    OCI_INDEX,
    Built,
    BuiltLayer,
    Files,
    Item,
    attestation,
    descriptor,
    digest_of,
    good,
    index_of,
    layout_files,
    layout_of,
    old_archive_of,
    on_arm,
    skopeo_directory_of,
    symlink,
    tar_of,
    write_directory,
    write_tar,
)
from tests.unit.deploy.imageforms import FORMS, open_files, opened

# Every form of one image.


@pytest.mark.parametrize("form", FORMS)
def test_an_image_is_read_from_every_form_it_is_kept_in(form: str, tmp_path: Path) -> None:
    built = good({"var/task/data": b"abc"})
    with open_image(str(FORMS[form](built, tmp_path / "image"))) as image:
        assert image.architecture == "x86_64"
        assert image.config_digest == digest_of(built.config_bytes)
        assert read_file(image.layers, "/var/task/data", 100) == b"abc"
        assert image.unpacked_bytes == sum(len(layer.tar) for layer in built.layers)
        assert (image.manifest is None) == (form in ("an archive of an old engine", "an archive of kaniko"))


def test_a_directory_of_skopeo_is_named_with_the_command_that_makes_a_layout_of_it(tmp_path: Path) -> None:
    path = write_directory(skopeo_directory_of(good()), tmp_path / "image")
    with pytest.raises(ImageRefusedError, match="skopeo's dir: form") as refused, open_image(f"dir:{path}"):
        pass
    assert refused.value.then == f"skopeo copy dir:{path} oci:DIRECTORY"


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
        assert read_file(image.layers, "/var/task/app.py", 100).startswith(b"def")
    assert list(scratch.iterdir()) == []
    assert open_files() == before


def test_layers_that_an_old_engine_saved_once_and_named_twice_are_found(tmp_path: Path) -> None:
    layer = BuiltLayer.plain(tar_of({"a": b"1"}))
    files = old_archive_of(Built([layer, layer], good().settings))
    first, second = [name for name in files if name.endswith("layer.tar")]
    path = write_tar({**files, second: symlink(f"../{first}")}, tmp_path / "image.tar")
    with open_image(str(path)) as image:
        assert [layer.find("/a", 9) for layer in image.layers] == [b"1", b"1"]


@pytest.mark.parametrize(
    ("upper", "found"),
    [
        ({"etc/a": b"new"}, b"new"),
        ({"./etc/a": b"new"}, b"new"),
        ({"etc/.wh.a": b""}, b""),
        ({"etc/b": b""}, b"old"),
        ({"etc/a": symlink("b")}, b""),
        ({"etc/a": b"more than is asked for"}, b""),
    ],
)
def test_a_file_is_the_uppermost_layers(upper: dict[str, Item | bytes], found: bytes, tmp_path: Path) -> None:
    layers = [BuiltLayer.plain(tar_of({"etc/a": b"old"})), BuiltLayer.gzipped(tar_of(upper))]
    with open_image(str(write_directory(layout_of(Built(layers)), tmp_path / "layout"))) as image:
        assert read_file(image.layers, "/etc/a", 9) == found
        assert read_file(image.layers, "/etc/none", 9) == b""


def test_reading_files_imports_neither_an_sdk_nor_a_table_printer(tmp_path: Path) -> None:
    path = write_tar(layout_of(good()), tmp_path / "image.tar")
    code = (
        "import sys; from deploy.image import findings, open_image\n"
        f"with open_image({str(path)!r}) as image: findings(image)\n"
        "assert not {'boto3', 'urllib3', 'rich'} & set(sys.modules)"
    )
    environment = {"PATH": "", "DOCKER_HOST": "unix:///nope"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, cwd=Path(__file__).parents[3])


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
            other = "linux/arm64" if built is intel else "linux/amd64"
            assert image.beside == (other, *["unknown/unknown (attestation)"] * 2)


def test_one_image_with_an_attestation_needs_no_architecture(tmp_path: Path) -> None:
    path = write_directory(index_files(good()), tmp_path / "layout")
    with open_image(str(path)) as image:
        assert image.beside == ("unknown/unknown (attestation)",)


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
        assert image.beside == ("linux/arm64 (not in here)",)


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
