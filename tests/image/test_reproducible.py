"""The same sources give the same bytes: the stages that compile no codec, built twice."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from local.stack import ROOT

pytestmark = pytest.mark.long


def build(target: str, *arguments: str, again: str) -> None:
    """Builds the target, with the stages in `again` not taken from the cache."""
    command = [str(ROOT / "local/image.sh"), target, *arguments, "--no-cache-filter", again, "--progress", "plain"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    compiling = {"hwang": "hwang", "wheel-repaired": "wheel"}
    for stage in compiling.keys() & again.split(","):
        assert f"{compiling[stage]}: make:" in done.stderr, "hwang was taken from the cache"


@pytest.mark.parametrize(
    ("target", "stages"), [("bundle", "packages,code,bundle-archive"), ("wheel", "wheel-repaired")]
)
def test_two_builds_of_an_archive_give_the_same_bytes(target: str, stages: str, tmp_path: Path) -> None:
    archives: list[Path] = []
    for name in ("first", "second"):
        build(target, "--to", str(tmp_path / name), again=stages)
        archives += (tmp_path / name).iterdir()
    first, second = (archive.read_bytes() for archive in archives)
    assert first == second


def test_two_builds_of_the_image_give_the_same_image(engine: str) -> None:
    """Its digest too, which counts the times of files and of the build."""
    tags = [f"hwang-reproduced-{os.getpid()}:{number}" for number in (1, 2)]
    try:
        for tag in tags:
            build("function", tag, again="path,hwang,packages,code,licences,libraries,layers")
        inspected = [engine, "image", "inspect", "--format", "{{.Id}}", *tags]
        ids = set(subprocess.run(inspected, capture_output=True, text=True, check=True).stdout.split())
        assert len(ids) == 1, "see what differs: make reproduce"
    finally:
        subprocess.run([engine, "image", "rm", "--force", *tags], capture_output=True, check=False)
