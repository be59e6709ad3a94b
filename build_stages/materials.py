"""The bill of materials: what the image adds to its base, from which bytes, under which licences.

materials.py SOURCES PACKAGES DIRECTORY

SOURCES/PRODUCT/source.tar and origin are what fetch.py got; PACKAGES has pip's report, packages.json, and the packages
in task/. DIRECTORY receives sbom.cdx.json (CycloneDX 1.6) and versions.json. Nothing in them depends on the time, the
machine or where a package came from.
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
# What packages say in words of their own.
_SPDX = {
    "Apache License 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "Apache-2.0": "Apache-2.0",
    "MIT": "MIT",
}


def bill(sources: Path, packages: Path, switched_on: frozenset[str]) -> dict[str, Any]:
    """The document. Raises FileNotFoundError for sources that are not there."""
    report = json.loads((packages / "packages.json").read_text())["install"]
    compiled = recipe.shipped(switched_on)
    components = [
        _own(),
        *(_compiled(product, sources / product.product) for product in compiled),
        _nanobind(),
        *(_package(found, packages / "task") for found in sorted(report, key=_name)),
    ]
    top = {
        "type": "container",
        "bom-ref": "hwang-lambda",
        "name": "hwang-lambda",
        "version": _version(),
        "licenses": [{"expression": recipe.licence(switched_on)}],
    }
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"lifecycles": [{"phase": "build"}], "component": top},
        "components": components,
        "dependencies": list(_dependencies(compiled, report)),
    }
    identity = uuid.uuid5(_NAMESPACE, json.dumps(document, sort_keys=True))
    return {**document, "serialNumber": identity.urn}


def versions(report: list[dict[str, Any]], switched_on: frozenset[str]) -> dict[str, Any]:
    """What a person wants to see at a glance."""
    return {
        "hwang": _version(),
        **{product.product: product.version for product in recipe.shipped(switched_on)},
        "packages": {_name(found): found["metadata"]["version"] for found in sorted(report, key=_name)},
    }


def _own() -> dict[str, Any]:
    licences = [{"license": {"id": recipe.OWN_LICENCE}}]
    return {
        "type": "library",
        "bom-ref": "hwang",
        "name": "hwang",
        "version": _version(),
        "description": "the decoder and the function",
        "licenses": licences,
    }


def _compiled(product: recipe.Recipe, source: Path) -> dict[str, Any]:
    """A library of /opt/lib: what identifies the source that was compiled, and references to all that is pinned."""
    origin = (source / "origin").read_text().strip()
    references = [_reference(pin, url) for pin in product.archives for url in pin.urls]
    is_pinned = "NOT the pinned" not in origin
    properties = [{"name": "hwang-lambda:configure", "value": " ".join(product.configure)}]
    if not is_pinned:
        properties.append({"name": "hwang-lambda:origin", "value": origin})
    return {
        "type": "library",
        "bom-ref": product.product,
        "name": product.product,
        "version": product.version if is_pinned else f"not {product.version}",
        **_identity(product, source / "source.tar"),
        "licenses": [_licence(product.licence)],
        "purl": f"pkg:generic/{product.product}@{product.version}",
        "externalReferences": references,
        "pedigree": {"patches": [], "notes": "compiled without patches"},
        "properties": properties,
    }


def _identity(product: recipe.Recipe, archive: Path) -> dict[str, Any]:
    """The tree of a source that is pinned by it, whose archive is packed here; else the hashes of the archive."""
    for pin in product.archives:
        if pin.tree and fetch.is_pinned(archive, pin):
            return {"swhid": [f"swh:1:dir:{pin.tree}"]}
    return {"hashes": [_hash(fetch.identify(archive, algorithm)) for algorithm in _ALGORITHMS]}


def _reference(pin: recipe.Archive, url: str) -> dict[str, Any]:
    if pin.tree:
        return {"type": "source-distribution", "url": url, "comment": f"its files are swh:1:dir:{pin.tree}"}
    return {"type": "source-distribution", "url": url, "hashes": [_hash(pin.digest)]}


def _nanobind() -> dict[str, Any]:
    """Compiled into hwang's core: it is no package of the image."""
    pins = (ROOT / "requirements/build.txt").read_text()
    lock = re.search(r"^nanobind==(\S+) \\\n((?: +--hash=sha256:\w+(?: \\)?\n)+)", pins, re.MULTILINE)
    if lock is None:
        sys.exit("materials: build.txt has no nanobind")
    return {
        "type": "library",
        "bom-ref": "nanobind",
        "name": "nanobind",
        "version": lock[1],
        "hashes": [_hash(f"sha256:{digest}") for digest in re.findall(r"sha256:(\w+)", lock[2])],
        "licenses": [{"license": {"id": "BSD-3-Clause"}}],
        "purl": f"pkg:pypi/nanobind@{lock[1]}",
    }


def _package(found: dict[str, Any], task: Path) -> dict[str, Any]:
    """A wheel, by the hash that it had; and what it lists itself of what is in it."""
    metadata = found["metadata"]
    name, version = _name(found), metadata["version"]
    folder = task / f"{re.sub(r'[-_.]+', '_', metadata['name'])}-{version}.dist-info"
    inner = [
        {"type": "bom", "url": f"var/task/{path.relative_to(task)}"} for path in sorted(folder.glob("sboms/*.json"))
    ]
    return {
        "type": "library",
        "bom-ref": name,
        "name": name,
        "version": version,
        "hashes": [{"alg": "SHA-256", "content": found["download_info"]["archive_info"]["hashes"]["sha256"]}],
        "licenses": [_package_licence(metadata)],
        "purl": f"pkg:pypi/{name}@{version}",
        "externalReferences": inner,
    }


def _package_licence(metadata: dict[str, Any]) -> dict[str, Any]:
    if expression := metadata.get("license_expression"):
        return {"expression": expression}
    classified = [
        line.rpartition(" :: ")[2] for line in metadata.get("classifier", []) if line.startswith("License ::")
    ]
    said = metadata.get("license") or " or ".join(classified)
    if said == "Dual License":
        said = " or ".join(classified)
    known = _SPDX.get(said)
    return {"license": {"id": known} if known else {"name": said or "not stated"}}


def _licence(expression: str) -> dict[str, Any]:
    return {"expression": expression} if "LicenseRef" in expression else {"license": {"id": expression}}


def _dependencies(compiled: tuple[recipe.Recipe, ...], report: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    requested = sorted(_name(found) for found in report if found["requested"])
    yield {"ref": "hwang-lambda", "dependsOn": ["hwang", *requested]}
    yield {"ref": "hwang", "dependsOn": ["ffmpeg", "nanobind", "numpy"]}
    for product in compiled:
        yield {"ref": product.product, "dependsOn": sorted(product.links)}
    installed = {_name(found) for found in report}
    for found in sorted(report, key=_name):
        needs = {
            _normal(re.split(r"[^\w.-]", line)[0])
            for line in found["metadata"].get("requires_dist", [])
            if "extra ==" not in line
        }
        yield {"ref": _name(found), "dependsOn": sorted(needs & installed)}


def _name(found: dict[str, Any]) -> str:
    return _normal(found["metadata"]["name"])


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _hash(digest: str) -> dict[str, str]:
    algorithm, _, content = digest.partition(":")
    return {"alg": _ALGORITHMS[algorithm], "content": content}


def _version() -> str:
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return str(project["version"])


def main(sources: Path, packages: Path, directory: Path) -> None:
    switched_on = recipe.options()
    report = json.loads((packages / "packages.json").read_text())["install"]
    directory.mkdir(parents=True, exist_ok=True)
    for name, document in (
        ("sbom.cdx.json", bill(sources, packages, switched_on)),
        ("versions.json", versions(report, switched_on)),
    ):
        (directory / name).write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*map(Path, sys.argv[1:]))
