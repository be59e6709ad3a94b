"""The same sources give the same bytes: the stages that compile no codec, built twice."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from local.stack import ROOT

TREEHASH = ROOT / "build_stages/treehash.py"


@pytest.mark.parametrize(
    ("target", "stages"),
    [
        ("bundle", "hwang,packages,code,licences,libraries,bundle-archive"),
        ("wheel", "hwang,wheel-repaired"),
    ],
)
def test_two_builds_give_the_same_bytes(target: str, stages: str, tmp_path: Path) -> None:
    archives = [build(target, stages, tmp_path / name) for name in ("first", "second")]
    compared = subprocess.run([sys.executable, TREEHASH, "--diff", *archives], capture_output=True, text=True)
    assert compared.returncode == 0, compared.stdout
    first, second = (archive.read_bytes() for archive in archives)
    assert first == second


def build(target: str, stages: str, directory: Path) -> Path:
    options = ["--no-cache-filter", stages, "--progress", "plain"]
    command = [str(ROOT / "local/image.sh"), target, "--to", str(directory), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "hwang: make:" in done.stderr, "hwang was taken from the cache"
    (archive,) = directory.iterdir()
    return archive
