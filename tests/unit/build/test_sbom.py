"""The bill of materials: complete, of the official form, and the same each time."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

import git_tree
import recipe
import sbom
from tests.unit.build.test_git_tree import packed_otherwise, read

ROOT = Path(__file__).resolve().parents[3]
X264, NOTHING = recipe.DEFAULTS, frozenset[str]()
SHA256 = 64 * "a"


def installed(name: str, version: str, **metadata: Any) -> dict[str, Any]:
    """As pip reports it."""
    return {
        "metadata": {"name": name, "version": version, **metadata},
        "download_info": {"url": "https://somewhere/x.whl", "archive_info": {"hashes": {"sha256": SHA256}}},
        "requested": name != "six",
    }


PACKAGES = [
    installed("six", "1.17.0", license="MIT"),
    installed("numpy", "2.5.5", license_expression="BSD-3-Clause AND MIT"),
    installed(
        "python-dateutil",
        "2.9.0",
        license="Dual License",
        classifier=["License :: OSI Approved :: BSD License", "License :: OSI Approved :: Apache Software License"],
        requires_dist=["six>=1.5", "numpy; extra == 'more'"],
    ),
    installed("Py_Odd.Name", "1"),
]


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    for product in recipe.shipped(X264):
        directory = tmp_path / "sources" / product.product
        directory.mkdir(parents=True)
        (directory / "source.tar").write_bytes(product.product.encode())
        (directory / "origin").write_text(f"from the cache, {product.archives[0].digest}\n")
    return tmp_path / "sources"


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    boms = tmp_path / "packages/installed/var/lang/lib/python3.13/site-packages/numpy-2.5.5.dist-info/sboms"
    boms.mkdir(parents=True)
    (boms / "auditwheel.cdx.json").write_text("{}")
    (tmp_path / "packages/packages.json").write_text(json.dumps({"install": PACKAGES}))
    return tmp_path / "packages"


def components(bill: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {component["name"]: component for component in bill["components"]}


@pytest.mark.parametrize("switched_on", [X264, NOTHING, X264 | {"nonfree"}])
def test_it_is_of_the_official_form(switched_on: frozenset[str], sources: Path, packages: Path) -> None:
    bill = sbom.bill(sources, packages, switched_on)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(bill)) is None
    references = {entry["ref"] for entry in bill["dependencies"]} | {
        ref for entry in bill["dependencies"] for ref in entry["dependsOn"]
    }
    assert references <= {"hwang-lambda", *(component["bom-ref"] for component in bill["components"])}


def test_the_same_is_written_each_time(sources: Path, packages: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        sbom.main(sources, packages, tmp_path / name)
    for file in ("sbom.cdx.json", "versions.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    text = (tmp_path / "one/sbom.cdx.json").read_text()
    assert not re.search(r"somewhere|timestamp", text)


def test_what_is_compiled_has_its_version_its_bytes_and_its_addresses(sources: Path, packages: Path) -> None:
    found = components(sbom.bill(sources, packages, X264))
    for product in recipe.shipped(X264):
        component = found[product.product]
        assert component["version"] == product.version
        content = product.product.encode()
        assert component["hashes"] == [
            {"alg": "SHA-256", "content": hashlib.sha256(content).hexdigest()},
            {"alg": "SHA-512", "content": hashlib.sha512(content).hexdigest()},
        ]
        assert [reference["url"] for reference in component["externalReferences"]] == [
            url for archive in product.archives for url in archive.urls
        ]
        assert component["licenses"] == [{"license": {"id": product.licence}}]


def test_a_source_that_is_pinned_by_its_tree_is_identified_by_it_however_it_was_packed(
    sources: Path, packages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = packed_otherwise()
    tree, pinned = git_tree.tree_id(read(tmp_path, packed)), str(recipe.load("x264").archives[0].tree)
    for product in ("ffmpeg", "dav1d", "x264"):
        (tmp_path / "stages" / product).mkdir(parents=True)
        text = (ROOT / f"build_stages/{product}/source.toml").read_text().replace(pinned, tree)
        (tmp_path / f"stages/{product}/source.toml").write_text(text)
    monkeypatch.setattr(recipe, "STAGES", tmp_path / "stages")
    bills = []
    for content in (packed, gzip.compress(packed)):
        (sources / "x264/source.tar").write_bytes(content)
        bills.append(sbom.bill(sources, packages, X264))
    assert bills[0] == bills[1]
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(bills[0])) is None
    x264 = components(bills[0])["x264"]
    assert (x264["swhid"], "hashes" in x264) == ([f"swh:1:dir:{tree}"], False)
    for reference in x264["externalReferences"][:-1]:
        assert (tree in reference["comment"], "hashes" in reference) == (True, False)
    assert x264["externalReferences"][-1]["hashes"]  # Debian's archive


def test_a_source_that_is_not_the_pinned_one_is_not_passed_off_as_it(sources: Path, packages: Path) -> None:
    (sources / "ffmpeg/origin").write_text("Debian ffmpeg 9.0.3-1, NOT the pinned 9.0.2 (stand-in build)\n")
    found = components(sbom.bill(sources, packages, X264))["ffmpeg"]
    assert found["version"] == f"not {recipe.load('ffmpeg').version}"
    assert "9.0.3" in str(found["properties"])


def test_nothing_is_compiled_with_patches_as_the_bill_says() -> None:
    stages = ROOT / "build_stages"
    assert not [*stages.rglob("*.patch"), *stages.rglob("*.diff")]
    assert not [path for path in stages.rglob("*.sh") if re.search(r"\bpatch\b", path.read_text())]


def test_packages_have_the_hash_they_were_installed_with_and_their_licences(sources: Path, packages: Path) -> None:
    found = components(sbom.bill(sources, packages, X264))
    assert found["numpy"]["hashes"] == [{"alg": "SHA-256", "content": SHA256}]
    assert found["numpy"]["licenses"] == [{"expression": "BSD-3-Clause AND MIT"}]
    assert found["six"]["licenses"] == [{"license": {"id": "MIT"}}]
    named = "BSD License or Apache Software License"
    assert found["python-dateutil"]["licenses"] == [{"license": {"name": named}}]
    assert found["py-odd-name"]["licenses"] == [{"license": {"name": "not stated"}}]


def test_what_a_wheel_lists_of_itself_is_referred_to(sources: Path, packages: Path) -> None:
    references = components(sbom.bill(sources, packages, X264))["numpy"]["externalReferences"]
    inner = [reference["url"] for reference in references if reference["type"] == "bom"]
    assert inner == ["var/lang/lib/python3.13/site-packages/numpy-2.5.5.dist-info/sboms/auditwheel.cdx.json"]


def test_dependencies_are_those_that_are_installed_and_no_extras(sources: Path, packages: Path) -> None:
    bill = sbom.bill(sources, packages, NOTHING)
    depends = {entry["ref"]: entry["dependsOn"] for entry in bill["dependencies"]}
    assert depends["python-dateutil"] == ["six"]
    assert depends["ffmpeg"] == ["dav1d"]
    assert "six" not in depends["hwang-lambda"]


def test_versions_are_the_pins(sources: Path, packages: Path, tmp_path: Path) -> None:
    sbom.main(sources, packages, tmp_path / "out")
    found = json.loads((tmp_path / "out/versions.json").read_text())
    assert found.pop("packages") == {"numpy": "2.5.5", "py-odd-name": "1", "python-dateutil": "2.9.0", "six": "1.17.0"}
    assert (
        found.pop("hwang") == re.findall(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)[0]
    )
    assert found == {product.product: product.version for product in recipe.shipped(X264)}
