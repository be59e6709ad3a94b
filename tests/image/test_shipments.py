"""The other ways to ship the same build: each runs without the image's own libraries and packages."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from local import clip as real_clip
from local.stack import ROOT, Stack
from tests.conftest import IMAGE
from tests.image.conftest import BUCKET

pytestmark = pytest.mark.usefixtures("as_built")
OTHER_IMAGE = "hwang-lambda-standin:3.13-root"  # Debian with Python, and nothing of Lambda's or ours
LARGEST_ZIP = 50_000_000  # bytes: Lambda's limit for an upload that does not go through S3
DECODE = "import hwang; print(int(hwang.Decoder('/clip.mp4').frames(range(10)).sum(dtype='u8')))"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Builds a target and gives the one file it holds."""

    @cache
    def build(target: str) -> Path:
        folder = tmp_path_factory.mktemp(target)
        subprocess.run([ROOT / "local/image.sh", target, "--to", folder], check=True, capture_output=True)
        (file,) = folder.iterdir()
        return file

    return build


@pytest.fixture(scope="module")
def truth(engine: str) -> str:
    return run(engine, IMAGE, "-c", DECODE)


def run(engine: str, *arguments: str) -> str:
    clip = f"{real_clip.fetch()}:/clip.mp4:ro"
    command = [engine, "run", "--rm", "--network", "none", "--volume", clip, "--entrypoint", "python3", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def other_image(engine: str) -> str:
    """A root that the stand-in is made of; made anew where the build has another base."""
    if subprocess.run([engine, "image", "inspect", OTHER_IMAGE], capture_output=True).returncode:
        environment = {**os.environ, "DOCKER": engine, "CA": os.environ.get("SSL_CERT_FILE", "")}
        script = ROOT / "build_stages/standin/build.sh"
        subprocess.run([script, OTHER_IMAGE.removesuffix("-root")], check=True, env=environment)
    return OTHER_IMAGE


def locked_wheel(package: str, directory: Path) -> None:
    """Fetches the wheel that the function ships, by its hashes, for Python 3.13 on this machine's architecture."""
    lock = (ROOT / "requirements/function.txt").read_text()
    (entry,) = re.findall(rf"^{package}==(?:.*\\\n)*.*\n", lock, re.MULTILINE)
    (directory / "lock.txt").write_text(f"--only-binary :all:\n{entry}")
    target = ["--python-version", "3.13", "--platform", f"manylinux_2_28_{platform.machine()}", "--no-deps"]
    command = [sys.executable, "-m", "pip", "download", "--quiet", *target, "--require-hashes"]
    subprocess.run([*command, "--requirement", "lock.txt"], check=True, cwd=directory)


def unpack(archive: Path) -> Path:
    assert archive.stat().st_size <= LARGEST_ZIP
    tree = archive.parent.parent / f"{archive.stem}-tree"
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(tree)
    return tree


def test_the_bundle_is_a_whole_zip_function(
    stack: Stack, built: Callable[[str], Path], docker_compose_project_name: str, tmp_path: Path
) -> None:
    """Its tree alone at /var/task, as Lambda unpacks it, answers under the emulator what the image answers."""
    tree = unpack(built("bundle"))
    stack.s3.upload_file(str(real_clip.fetch()), BUCKET, "shipped.mp4")
    override = tmp_path / "bundle.yml"
    override.write_text(
        "services:\n  function:\n"
        f"    volumes: ['{tree}:/var/task:ro']\n"
        "    tmpfs: ['/tmp:size=512m,mode=1777', '/opt/lib:size=1m']\n"
    )
    event = {"video": f"s3://{BUCKET}/shipped.mp4", "frames": "0:20", "reduce": "sum", "output": f"s3://{BUCKET}/z.npy"}
    expected = stack.invoke(event)["reduced"]
    zipped = Stack(f"{docker_compose_project_name}-zip", overrides=(override,))
    try:
        zipped.up()
        zipped.s3.create_bucket(Bucket=BUCKET)
        zipped.s3.upload_file(str(real_clip.fetch()), BUCKET, "shipped.mp4")
        answer: dict[str, Any] = zipped.invoke(event)
        assert answer.get("reduced") == expected, answer
    finally:
        zipped.down()


def test_the_layer_serves_other_functions(engine: str, built: Callable[[str], Path], truth: str) -> None:
    tree = unpack(built("layer"))
    hidden = ["--tmpfs", "/var/task", "--volume", f"{tree}:/opt:ro", "--env", "PYTHONPATH=/opt/python"]
    assert run(engine, *hidden, IMAGE, "-c", DECODE) == truth


def test_the_wheel_brings_its_libraries(engine: str, built: Callable[[str], Path], truth: str) -> None:
    wheel = built("wheel")
    install = (
        f"import sys, zipfile; zipfile.ZipFile('/{wheel.name}').extractall('/tmp/w'); sys.path.insert(0, '/tmp/w'); "
    )
    mounted = ["--tmpfs", "/tmp:exec", "--tmpfs", "/opt/lib", "--volume", f"{wheel}:/{wheel.name}:ro"]  # noqa: S108
    assert run(engine, *mounted, IMAGE, "-c", install + DECODE) == truth


INSTALL = """
set -e
python3.13 -m venv /tmp/fresh
/tmp/fresh/bin/pip install --quiet --no-index --find-links /wheels hwang
exec /tmp/fresh/bin/python -c "$1"
"""


def test_the_wheel_installs_in_a_fresh_environment_of_another_image(
    engine: str, built: Callable[[str], Path], other_image: str, truth: str, tmp_path: Path
) -> None:
    wheel = built("wheel")
    (tmp_path / wheel.name).hardlink_to(wheel)
    locked_wheel("numpy", tmp_path)
    mounted = ["--tmpfs", "/tmp:exec", "--volume", f"{tmp_path}:/wheels:ro"]  # noqa: S108 - the container's
    clip = f"{real_clip.fetch()}:/clip.mp4:ro"
    command = [engine, "run", "--rm", "--network", "none", "--volume", clip, *mounted, other_image]
    done = subprocess.run([*command, "sh", "-c", INSTALL, "sh", DECODE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, truth), done.stderr


def test_the_wheels_name_says_which_glibc_it_needs_and_the_base_has_that(
    engine: str, built: Callable[[str], Path]
) -> None:
    match = re.fullmatch(r"hwang-[\d.]+-cp312-abi3-manylinux_(\d+)_(\d+)_\w+\.whl", built("wheel").name)
    assert match
    version = run(engine, IMAGE, "-c", "import platform; print(platform.libc_ver()[1])")
    assert (int(match[1]), int(match[2])) <= tuple(map(int, version.split(".")))
