"""The tool as a package of its own: what is in its wheel, that it runs from there, and how soon it is there."""

from __future__ import annotations

import subprocess
import sys
import time
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.deploy.tool import ROOT

MAX_START_SECONDS = 0.25
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("wheel")
    pip(directory, "wheel", "--no-build-isolation", "--wheel-dir", str(directory), str(ROOT / "deploy"))
    (built,) = directory.glob("*.whl")
    return built


def pip(directory: Path, command: str, *arguments: str) -> None:
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-index"]
    subprocess.run([sys.executable, "-m", "pip", command, *options, *arguments], cwd=directory, check=True)


def test_the_wheel_has_the_tool_and_nothing_else(wheel: Path) -> None:
    sources = {str(path.relative_to(ROOT)): path for path in (ROOT / "deploy").rglob("*.py")}
    sources["deploy/ecr_push.py"] = ROOT / "ecr_push.py"
    with zipfile.ZipFile(wheel) as archive:
        packed = {name: archive.read(name) for name in archive.namelist() if ".dist-info/" not in name}
    assert packed == {name: path.read_bytes() for name, path in sources.items()}


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["--help"], "usage: ecr-push [-h] [--version] COMMAND"),
        (["--version"], f"ecr-push {VERSION}\n"),
        (["policy", "prune", "--repository", "frames"], '"ecr:BatchDeleteImage"'),
    ],
)
def test_the_console_script_runs_from_a_directory_of_its_own(
    wheel: Path, tmp_path: Path, arguments: list[str], shown: str
) -> None:
    pip(tmp_path, "install", "--target", str(tmp_path / "tool"), str(wheel))
    script = [str(tmp_path / "tool/bin/ecr-push"), *arguments]
    environment = {"PYTHONPATH": str(tmp_path / "tool"), "PATH": "/usr/bin:/bin"}
    ended = subprocess.run(script, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert shown in ended.stdout


@pytest.mark.parametrize("arguments", [["ecr_push.py", "--help"], ["-c", "import ecr_push"]], ids=["help", "import"])
def test_the_tool_is_there_at_once(arguments: list[str]) -> None:
    seconds = []
    for _ in range(5):
        start = time.monotonic()
        subprocess.run([sys.executable, *arguments], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        seconds.append(time.monotonic() - start)
    print(f"{' '.join(arguments)}: {min(seconds):.3f} s")
    assert min(seconds) <= MAX_START_SECONDS
