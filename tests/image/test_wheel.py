"""The wheel: it installs on Debian's own Pythons, decodes there as the image does, and is what its name says."""

from __future__ import annotations

import base64
import email
import hashlib
import os
import platform
import re
import statistics
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from local import clip as real_clip
from local.stack import ROOT
from tests.conftest import IMAGE

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("as_built")]
PYTHON_OF_DEBIAN = {"bookworm": "3.11", "trixie": "3.13"}
MAX_WHEEL = 12_000_000  # bytes
LIBRARIES = {"avcodec", "avformat", "avutil", "swscale", "dav1d", "x264"}
DECODE = "import hashlib, hwang; print(hashlib.sha256(hwang.Decoder('/clip.mp4').frames(range(0, 99, 7))).hexdigest())"
IMPORT = "import numpy, time; t = time.perf_counter(); import hwang.decoder; print(time.perf_counter() - t)"
MAX_IMPORT_SECONDS = 0.06  # beyond numpy's
INSTALL = f"""
set -e
python3 -m venv /tmp/fresh
/tmp/fresh/bin/pip install --quiet --no-index --find-links /wheels /wheels/hwang-*.whl
/tmp/fresh/bin/python -c "{DECODE}"
for _ in 1 2 3 4 5 6 7 8 9; do /tmp/fresh/bin/python -c "{IMPORT}"; done
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([ROOT / "local/image.sh", "wheel", "--to", folder], check=True, capture_output=True)
    (file,) = folder.iterdir()
    return file


@pytest.fixture(scope="module")
def tools(engine: str) -> Iterator[str]:
    """An image with the wheel in /wheels and the tools that made it."""
    tag = f"hwang-lambda:wheel-{os.getpid()}"
    subprocess.run([ROOT / "local/image.sh", "wheel-repaired", tag], check=True, capture_output=True)
    yield tag
    subprocess.run([engine, "image", "rm", "--force", tag], check=True, capture_output=True)


def debian(engine: str, suite: str) -> str:
    """A Debian system with its own Python, and nothing of Lambda's or ours."""
    tag = f"hwang-lambda:python-of-{suite}"
    if subprocess.run([engine, "image", "inspect", tag], capture_output=True).returncode:
        architecture = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
        arguments = [tag, f"linux/{architecture}", suite, "--include=python3-venv"]
        subprocess.run(
            [ROOT / "build_stages/base/debian.sh", *arguments], check=True, env={**os.environ, "DOCKER": engine}
        )
    return tag


def fetch_locked(package: str, lock: str, python: str, into: Path) -> None:
    """Fetches the wheel of a package by the hashes of a lock, for this version of Python."""
    text = (ROOT / "requirements" / lock).read_text()
    entries = re.findall(rf"^({package}==\S+)(?: ; (.*?))? (\\\n(?:.*\\\n)*.*\n)", text, re.MULTILINE)
    (chosen,) = [pin + hashes for pin, marker, hashes in entries if not marker or (python < "3.12") == ("<" in marker)]
    (into / "lock.txt").write_text(f"--only-binary :all:\n{chosen}")
    target = ["--python-version", python, "--platform", f"manylinux_2_28_{platform.machine()}", "--no-deps"]
    command = [sys.executable, "-m", "pip", "download", "--quiet", *target, "--require-hashes"]
    subprocess.run([*command, "--requirement", "lock.txt"], check=True, cwd=into)


def run(engine: str, *arguments: str) -> str:
    command = [engine, "run", "--rm", "--network", "none", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("suite", PYTHON_OF_DEBIAN)
def test_the_wheel_installs_in_a_fresh_environment_of_debians_python_and_decodes_as_the_image_does(
    engine: str, wheel: Path, suite: str, tmp_path: Path
) -> None:
    (tmp_path / wheel.name).hardlink_to(wheel)
    fetch_locked("numpy", "host.txt", PYTHON_OF_DEBIAN[suite], tmp_path)
    fetch_locked("nanobind-backend", "wheel.txt", PYTHON_OF_DEBIAN[suite], tmp_path)
    clip = ["--volume", f"{real_clip.fetch()}:/clip.mp4:ro"]
    truth = run(engine, *clip, "--entrypoint", "python3", IMAGE, "-c", DECODE)
    mounted = [*clip, "--tmpfs", "/tmp:exec", "--volume", f"{tmp_path}:/wheels:ro"]  # noqa: S108 - the container's
    decoded, *imports = run(engine, *mounted, debian(engine, suite), "sh", "-c", INSTALL).splitlines()
    assert decoded == truth
    assert statistics.median(map(float, imports)) <= MAX_IMPORT_SECONDS


def test_the_wheels_name_says_which_python_and_which_glibc_it_needs(engine: str, wheel: Path, tools: str) -> None:
    system = f"manylinux_2_31_{platform.machine()}"
    assert re.fullmatch(rf"hwang-[\d.]+-cp311-abi3-{system}\.whl", wheel.name)
    run(engine, "--entrypoint", "abi3audit", tools, "--strict", f"/wheels/{wheel.name}")
    shown = run(engine, "--entrypoint", "auditwheel", tools, "show", f"/wheels/{wheel.name}")
    assert f'following platform tag: "{system}"' in re.sub(r"\s+", " ", shown)


def test_the_wheel_has_its_libraries_licences_and_hashes_inside(wheel: Path) -> None:
    assert wheel.stat().st_size <= MAX_WHEEL
    with zipfile.ZipFile(wheel) as archive:
        files = {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}
    (papers,) = {name.partition("/")[0] for name in files if ".dist-info/" in name}
    libraries = {found[1] for name in files if (found := re.match(r"hwang\.libs/lib([a-z0-9]+)-", name))}
    assert libraries == LIBRARIES
    metadata = email.message_from_bytes(files[f"{papers}/METADATA"])
    assert metadata["License-Expression"] == "Apache-2.0 AND GPL-2.0-or-later"
    texts = metadata.get_all("License-File", [])
    assert {"ffmpeg", "dav1d", "x264", "hwang"} <= {Path(text).parent.name for text in texts}
    assert {f"{papers}/licenses/{text}" for text in texts} <= set(files)
    assert (metadata["Requires-Python"], metadata["Name"]) == (">=3.11", "hwang")
    needed = {re.split(r"[^\w-]", line)[0] for line in metadata.get_all("Requires-Dist", []) if "extra" not in line}
    assert needed == {"numpy", "nanobind-backend"}
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert metadata.get_all("Provides-Extra") == [*extras]
    assert (ROOT / "docs/hwang.md").read_bytes().strip() in files[f"{papers}/METADATA"]
    recorded = dict(line.split(",")[:2] for line in files.pop(f"{papers}/RECORD").decode().splitlines())
    for name, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        assert recorded[name] == f"sha256={digest}", name
