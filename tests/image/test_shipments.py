"""The other ways to ship the same build: each runs without the image's own libraries and packages."""

from __future__ import annotations

import subprocess
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
LARGEST_ZIPS = {"hwang-lambda-bundle.zip": 60_000_000, "hwang-lambda-layer.zip": 25_000_000}  # bytes
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


def unpack(archive: Path) -> Path:
    assert archive.stat().st_size <= LARGEST_ZIPS[archive.name]
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
