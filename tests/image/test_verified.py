"""What the build has proved of the image and left in it; and that it does not let a spoiled image pass."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any, get_args

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

import recipe
from local.stack import docker
from tests.conftest import IMAGE
from tests.support.tree import site_packages
from verify import advisories
from verify.components import expected

pytestmark = pytest.mark.usefixtures("as_built")
ROOT = Path(__file__).resolve().parents[2]
STAGES = ROOT / "build_stages"
FOLDER = "/opt/share/hwang-lambda"
SPOILED = f"""\
ARG BASE
FROM $BASE AS base
FROM {IMAGE}
ARG STAND_IN
USER root
RUN site=$(python3 -c 'import sysconfig; print(sysconfig.get_path("purelib"))') \\
    && chmod u+s /opt/lib/libdav1d.so.* \\
    && cp /bin/true /opt/gcc \\
    && echo more >>/etc/passwd \\
    && rm $site/pillow.libs/libjpeg-*.so* \\
    && rm -r {FOLDER}/LICENSES/ffmpeg \\
    && printf 'x = 1\\n' >>/var/task/function/handler.py \\
    && cp --remove-destination /opt/lib/libavutil.so.* $site/hwang/_core.abi3.so \\
    && rm $site/numpy/f2py/__init__.py $site/boto3-*.dist-info/METADATA \\
    && printf 'x = 1\\n' >$site/stray.py \\
    && sed -i 's|$ORIGIN|/opt/no|' /opt/lib/libavformat.so.* \\
    && head -c 30000000 /dev/zero >/opt/data
WORKDIR /build_stages
RUN --network=none --mount=type=bind,from=base,source=/,target=/base --mount=type=bind,target=/build_stages \\
    --mount=type=bind,from=compiled,source=/,target=/compiled \\
    HWANG_STAND_IN=$STAND_IN python3 -m verify / /base /compiled /dev/null
"""
PLANTED = """
[record]
CVE-2026-900001 = { title = "planted", files = ["libavcodec/hevc/ps.c"] }
CVE-2026-900002 = { title = "planted", files = ["libavcodec/hevc/pps.c"] }
CVE-2026-900003 = { title = "planted", components = ["decoder cinepak"] }
"""


def from_image(path: str, image: str = IMAGE) -> bytes:
    command = [docker(), "run", "--rm", "--network", "none", "--entrypoint", "cat", image, path]
    return subprocess.run(command, capture_output=True, check=True).stdout


@cache
def stamp() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(from_image(f"{FOLDER}/verified.json"))
    return found


@cache
def labels() -> dict[str, str]:
    command = [docker(), "image", "inspect", "--format", "{{json .Config.Labels}}", IMAGE]
    found: dict[str, str] = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return found


def test_the_label_is_the_licence_that_was_computed() -> None:
    assert stamp()["licence"] == recipe.licence() == labels()["org.opencontainers.image.licenses"]
    assert stamp()["redistributable"] is True
    assert stamp()["ffmpeg"]["licence"] == "GPL version 2 or later"


def test_the_stamp_tells_what_was_proved() -> None:
    found = stamp()
    assert found["ffmpeg"]["version"] == recipe.load("ffmpeg").version
    assert found["ffmpeg"]["components"] == len(expected(recipe.DEFAULTS))
    assert f"{site_packages(IMAGE)}/hwang/_core.abi3.so" in found["libraries"]["compiled_here"]
    assert len(found["libraries"]["compiled_here"]) == 7
    assert set(found["libraries"]["of_the_base"]) >= {"libc.so.6", "libstdc++.so.6", "libz.so.1"}
    assert found["needs"].keys() == {"GLIBC", "GLIBCXX", "CXXABI"}
    assert found["added"]["bytes"] <= 150_000_000
    assert all(len(file["reason"].split()) > 2 for file in found["large"].values())
    assert (found["base"] == "stand-in") == (labels().get("hwang-lambda.base") == "stand-in")


def test_versions_in_the_image_are_the_pins() -> None:
    found = json.loads(from_image(f"{FOLDER}/versions.json"))
    packages = found.pop("packages")
    lock = (ROOT / "requirements/function.txt").read_text()
    assert packages.items() <= dict(re.findall(r"^([\w.-]+)==(\S+)", lock, re.MULTILINE)).items()
    assert (
        found.pop("hwang") == re.findall(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)[0]
    )
    assert found == {product.product: product.version for product in recipe.shipped()}


def swhids(item: dict[str, Any]) -> list[str]:
    """The trees that a component is made of, if it is pinned by one."""
    return [identifier.removeprefix("swh:1:dir:") for identifier in item.get("swhid", [])]


def test_the_bill_of_materials_is_valid_and_of_the_pinned_sources() -> None:
    text = from_image(f"{FOLDER}/sbom.cdx.json").decode()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    found = {component["name"]: component for component in json.loads(text)["components"]}
    locked = set(re.findall(r"sha256:(\w{64})", (ROOT / "requirements/function.txt").read_text()))
    packages = [item for item in found.values() if item.get("purl", "").startswith("pkg:pypi/")]
    assert len(packages) > 10
    assert all(item["hashes"][0]["content"] in locked for item in packages if item["name"] != "nanobind")
    for product in recipe.shipped():
        pinned = {archive.digest.partition(":")[2] for archive in product.archives}
        item = found[product.product]
        is_pinned = pinned & {*(given["content"] for given in item.get("hashes", [])), *swhids(item)}
        assert is_pinned or "origin" in str(found[product.product]["properties"])


def test_the_licences_and_the_offer_of_source_go_along() -> None:
    offer = from_image(f"{FOLDER}/LICENSES/SOURCE-OFFER.md").decode()
    assert "three years" in offer
    for product in recipe.shipped():
        assert product.version in offer
        assert all(url in offer for archive in product.archives for url in archive.urls)
    assert b"GNU LESSER GENERAL PUBLIC LICENSE" in from_image(f"{FOLDER}/LICENSES/ffmpeg/COPYING.LGPLv2.1")
    assert b"GNU GENERAL PUBLIC LICENSE" in from_image(f"{FOLDER}/LICENSES/x264/COPYING")


def test_every_cve_record_is_answered_by_what_was_linked() -> None:
    text = from_image(f"{FOLDER}/vex.json").decode()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    document = json.loads(text)
    found = {entry["id"]: entry for entry in document["vulnerabilities"]}
    known = advisories.load()
    assert list(found) == [record.id for record in known.records]
    states = {name: entry["analysis"]["state"] for name, entry in found.items()}
    assert states["CVE-2026-125183"] == "exploitable"  # HEVC's parameter sets
    assert states["CVE-2026-125251"] == "not_affected"  # VVC
    assert states["CVE-2026-125253"] == "not_affected"  # it is linked, but this is no machine of 32 bit
    assert states["CVE-2026-66037"] == "resolved"
    for record in known.records:
        assert (states[record.id] == "in_triage") == (record.read == "unread")
        assert found[record.id]["analysis"]["detail"]
    bill = json.loads(from_image(f"{FOLDER}/sbom.cdx.json"))
    ffmpeg = f"urn:cdx:{bill['serialNumber'].removeprefix('urn:uuid:')}/1#ffmpeg"
    assert {entry["affects"][0]["ref"] for entry in found.values()} == {ffmpeg}
    counted = stamp()["cve"]
    assert counted["known"] == len(found) == sum(counted[state] for state in get_args(advisories.State))
    assert counted["affected"] == list(states.values()).count("exploitable")


def test_a_spoiled_image_is_not_built(tmp_path: Path) -> None:
    """Everything is told at once, and nothing is written."""
    shutil.copytree(STAGES, tmp_path / "stages")
    facts = tmp_path / "stages/ffmpeg/advisories.toml"
    facts.write_text(facts.read_text().replace("\n[record]\n", PLANTED))
    is_stand_in = labels().get("hwang-lambda.base") == "stand-in"
    compiled = [str(ROOT / "local/image.sh"), "compiled", "--to", str(tmp_path / "compiled")]
    subprocess.run(compiled, check=True, env=os.environ | {"BASE": "standin" if is_stand_in else "real"})
    base = "hwang-lambda-standin:3.13" if is_stand_in else "public.ecr.aws/lambda/python:3.13"
    command = [
        *(docker(), "buildx", "build", "--progress", "plain", "--file", "-", str(tmp_path / "stages")),
        *("--build-context", f"compiled={tmp_path / 'compiled'}"),
        *("--build-arg", f"BASE={base}", "--build-arg", f"STAND_IN={'1' if is_stand_in else ''}"),
    ]
    done = subprocess.run(command, input=SPOILED, capture_output=True, text=True, check=False)
    assert done.returncode
    for complaint in (
        r"/opt/lib/libdav1d\.so\.\d+ is setuid or setgid",
        r"/opt/gcc is for building",
        r"/etc/passwd of the base is changed",
        r"libjpeg-\S+ => not found",
        r"LICENSES has no text for ffmpeg",
        r"site-packages/numpy/f2py/__init__\.py is missing",
        r"site-packages/stray\.py belongs to no package",
        r"_core\.abi3\.so is not as its package has it",
        r"boto3-\S+/METADATA is missing",
        r"libavformat\.so\.\d+: libavcodec\.so\.\d+ comes from LD_LIBRARY_PATH",
        r"handler\.cpython-313\.pyc is bytecode of another version of its source",
        r"_core\.abi3\.so exports \d+ symbols that are not for others",
        r"/opt/data has 30,000,000 bytes; large\.toml has no reason for it",
        r"[\d,]+ bytes are added to the base; 150,000,000 are allowed",
        r"CVE-2026-900001 \(planted\) is in libavcodec/hevc/ps\.c, which is compiled",
        r"CVE-2026-900002 names libavcodec/hevc/pps\.c, which is none of the files",
    ):
        assert re.search(complaint, done.stderr), complaint
    assert "CVE-2026-900003" not in done.stderr  # it is not compiled
