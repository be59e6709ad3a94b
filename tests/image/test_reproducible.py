"""The same sources give the same bytes: the stages that compile no codec, built twice."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from local.stack import ROOT

TREEHASH = ROOT / "build_stages/maintain/treehash.py"


def build(target: str, *arguments: str, again: str) -> None:
    """Builds the target, with the stages in `again` not taken from the cache."""
    command = [str(ROOT / "local/image.sh"), target, *arguments, "--no-cache-filter", again, "--progress", "plain"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    if "hwang" in again.split(","):
        assert "hwang: make:" in done.stderr, "hwang was taken from the cache"


def compare(*trees: Path) -> None:
    done = subprocess.run([sys.executable, TREEHASH, "--diff", *trees], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("target", "stages"), [("bundle", "packages,code,bundle-archive"), ("wheel", "hwang,wheel-repaired")]
)
def test_two_builds_of_an_archive_give_the_same_bytes(target: str, stages: str, tmp_path: Path) -> None:
    archives: list[Path] = []
    for name in ("first", "second"):
        build(target, "--to", str(tmp_path / name), again=stages)
        archives += (tmp_path / name).iterdir()
    compare(*archives)
    first, second = (archive.read_bytes() for archive in archives)
    assert first == second


def test_two_builds_of_the_image_give_the_same_image(engine: str, tmp_path: Path) -> None:
    """Its digest too, which counts the times of files and of the build."""
    tags = [f"hwang-reproduced-{os.getpid()}:{number}" for number in (1, 2)]
    try:
        for tag in tags:
            build("function", tag, again="path,hwang,packages,code,licences,libraries,layers")
        inspected = [engine, "image", "inspect", "--format", "{{.Id}}", *tags]
        ids = set(subprocess.run(inspected, capture_output=True, text=True, check=True).stdout.split())
        if len(ids) > 1:
            compare(*(exported(engine, tag, tmp_path / f"{number}.tar") for number, tag in enumerate(tags)))
        assert len(ids) == 1, "the trees are the same, but not the layers or the configuration"
    finally:
        subprocess.run([engine, "image", "rm", "--force", *tags], capture_output=True, check=False)


def exported(engine: str, image: str, archive: Path) -> Path:
    created = subprocess.run([engine, "create", image], capture_output=True, text=True, check=True).stdout.strip()
    try:
        subprocess.run([engine, "export", "--output", archive, created], check=True)
    finally:
        subprocess.run([engine, "rm", created], capture_output=True, check=True)
    return archive
