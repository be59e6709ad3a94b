"""Writes the bill of materials: everything that the image adds to its base, its sources and their licences.

sbom.py SOURCES PACKAGES DIRECTORY

fetch.py wrote SOURCES/PRODUCT/source.tar and origin; PACKAGES has pip's report, packages.json, and the packages in
installed/. DIRECTORY receives sbom.cdx.json (CycloneDX 1.6) and versions.json. Nothing in them depends on the time, the
machine or the server of a package.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fetch
import recipe

ROOT = Path(__file__).resolve().parents[1]  # with pyproject.toml and requirements/
_ALGORITHMS = {"sha256": "SHA-256", "sha512": "SHA-512"}
_NAMESPACE = uuid.UUID("7f3f6d0c-3d0a-5f0e-9a68-2f1c6b1f4c55")
# Packages' own words for their licences.
_SPDX = {
    "Apache License 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "Apache-2.0": "Apache-2.0",
    "MIT": "MIT",
}


def bill(sources: Path, packages: Path, switched_on: frozenset[str]) -> dict[str, Any]:
    """Return the bill. Raises FileNotFoundError for sources that are not there."""
    report = _report(packages)
    compiled = recipe.shipped(switched_on)
    licences = [{"expression": recipe.licence(switched_on)}]
    own = [_id(recipe.OWN_LICENCE)]
    return cyclonedx(
        metadata={
            "lifecycles": [{"phase": "build"}],
            "component": _component("hwang-lambda", _version(), type="container", licenses=licences),
        },
        components=[
            _component("hwang", _version(), description="the decoder and the function", licenses=own),
            *(_compiled(product, sources / product.product) for product in compiled),
            _nanobind(),
            *(_package(found, packages / "installed") for found in report),
        ],
        dependencies=list(_dependencies(compiled, report)),
    )


def cyclonedx(**content: Any) -> dict[str, Any]:
    """Return a CycloneDX 1.6 document of this content, whose serial number is a hash of it."""
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        **content,
    }
    return {**document, "serialNumber": uuid.uuid5(_NAMESPACE, json.dumps(document, sort_keys=True)).urn}


def versions(packages: Path, switched_on: frozenset[str]) -> dict[str, Any]:
    """Return the version of everything, for people."""
    return {
        "hwang": _version(),
        **{product.product: product.version for product in recipe.shipped(switched_on)},
        "packages": {_name(found): found["metadata"]["version"] for found in _report(packages)},
    }


def _report(packages: Path) -> list[dict[str, Any]]:
    """Return the installed packages as pip reports them, by name."""
    return sorted(json.loads((packages / "packages.json").read_text())["install"], key=_name)


def _component(name: str, version: str, **more: Any) -> dict[str, Any]:
    return {"type": "library", "bom-ref": name, "name": name, "version": version, **more}


def _compiled(product: recipe.Recipe, source: Path) -> dict[str, Any]:
    """Return a library of /opt/lib: what identifies the source that was compiled, and references to all pins."""
    origin = (source / "origin").read_text().strip()
    is_pinned = "NOT the pinned" not in origin
    properties = [{"name": "hwang-lambda:configure", "value": " ".join(product.configure)}]
    if not is_pinned:
        properties.append({"name": "hwang-lambda:origin", "value": origin})
    return _component(
        product.product,
        product.version if is_pinned else f"not {product.version}",
        **_identity(product, source / "source.tar"),
        licenses=[{"expression": product.licence} if "LicenseRef" in product.licence else _id(product.licence)],
        purl=f"pkg:generic/{product.product}@{product.version}",
        externalReferences=[_reference(pin, url) for pin in product.archives for url in pin.urls],
        pedigree={"patches": [], "notes": "compiled without patches"},
        properties=properties,
    )


def _identity(product: recipe.Recipe, archive: Path) -> dict[str, Any]:
    """Return the tree of a source that is pinned by its tree and packed here; else the hashes of the archive."""
    for pin in product.archives:
        if pin.tree and fetch.is_pinned(archive, pin):
            return {"swhid": [f"swh:1:dir:{pin.tree}"]}
    return {"hashes": [_hash(fetch.identify(archive, algorithm)) for algorithm in _ALGORITHMS]}


def _reference(pin: recipe.Archive, url: str) -> dict[str, Any]:
    known = {"comment": f"its files are swh:1:dir:{pin.tree}"} if pin.tree else {"hashes": [_hash(pin.digest)]}
    return {"type": "source-distribution", "url": url, **known}


def _nanobind() -> dict[str, Any]:
    """Return the library that is compiled into hwang's core: it is no package of the image."""
    pins = (ROOT / "requirements/build.txt").read_text()
    lock = re.search(r"^nanobind==(\S+) \\\n((?: +--hash=sha256:\w+(?: \\)?\n)+)", pins, re.MULTILINE)
    if lock is None:
        sys.exit("sbom: build.txt has no nanobind")
    return _component(
        "nanobind",
        lock[1],
        hashes=[_hash(f"sha256:{digest}") for digest in re.findall(r"sha256:(\w+)", lock[2])],
        licenses=[_id("BSD-3-Clause")],
        purl=f"pkg:pypi/nanobind@{lock[1]}",
    )


def _package(found: dict[str, Any], installed: Path) -> dict[str, Any]:
    """Return a wheel, by its hash, with references to the bills of materials that it contains."""
    metadata = found["metadata"]
    name, version = _name(found), metadata["version"]
    folder = f"{re.sub(r'[-_.]+', '_', metadata['name'])}-{version}.dist-info"
    inner = [str(path.relative_to(installed)) for path in sorted(installed.rglob(f"{folder}/sboms/*.json"))]
    return _component(
        name,
        version,
        hashes=[_hash(f"sha256:{found['download_info']['archive_info']['hashes']['sha256']}")],
        licenses=[_package_licence(metadata)],
        purl=f"pkg:pypi/{name}@{version}",
        externalReferences=[{"type": "bom", "url": url} for url in inner],
    )


def _package_licence(metadata: dict[str, Any]) -> dict[str, Any]:
    if expression := metadata.get("license_expression"):
        return {"expression": expression}
    classifiers = [line for line in metadata.get("classifier", []) if line.startswith("License ::")]
    classified = " or ".join(line.rpartition(" :: ")[2] for line in classifiers)
    said = metadata.get("license") or classified
    if said == "Dual License":
        said = classified
    return _id(_SPDX[said]) if said in _SPDX else {"license": {"name": said or "not stated"}}


def _id(licence: str) -> dict[str, Any]:
    return {"license": {"id": licence}}


def _dependencies(compiled: tuple[recipe.Recipe, ...], report: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    yield {"ref": "hwang-lambda", "dependsOn": ["hwang", *(_name(found) for found in report if found["requested"])]}
    yield {"ref": "hwang", "dependsOn": ["ffmpeg", "nanobind", "numpy"]}
    for product in compiled:
        yield {"ref": product.product, "dependsOn": sorted(product.links)}
    installed = {_name(found) for found in report}
    for found in report:
        lines = [line for line in found["metadata"].get("requires_dist", []) if "extra ==" not in line]
        needs = {_normal(re.split(r"[^\w.-]", line)[0]) for line in lines}
        yield {"ref": _name(found), "dependsOn": sorted(needs & installed)}


def _name(found: dict[str, Any]) -> str:
    return _normal(found["metadata"]["name"])


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _hash(digest: str) -> dict[str, str]:
    algorithm, _, content = digest.partition(":")
    return {"alg": _ALGORITHMS[algorithm], "content": content}


def _version() -> str:
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])


def main(sources: Path, packages: Path, directory: Path) -> None:
    """Write both files."""
    switched_on = recipe.options()
    directory.mkdir(parents=True, exist_ok=True)
    for name, document in (
        ("sbom.cdx.json", bill(sources, packages, switched_on)),
        ("versions.json", versions(packages, switched_on)),
    ):
        (directory / name).write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*map(Path, sys.argv[1:]))
