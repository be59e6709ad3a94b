"""The import rules of pyproject.toml: each one reports a wrong import that is planted in a copy of the sources."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
PLANTED: Final = {  # contract: file and import
    "rooms of function/": ("function/models/event.py", "from function.output import publish"),
    "layers of hwang/": ("hwang/plan.py", "from hwang.decoder import Decoder"),
    "rooms of deploy/": ("deploy/registry/address.py", "import deploy.release.alias"),
    "function and deploy do not know each other, hwang knows neither": ("deploy/errors.py", "import function.errors"),
    "nothing that ships imports tests, tools of this machine or benchmarks": (
        "function/clock.py",
        "import tests.support.clips",
    ),
    "index, plan, sources and the ISO-BMFF reader work without the compiled core": (
        "hwang/isobmff/boxes.py",
        "import hwang.indexing",
    ),
    "hwang needs numpy alone, its command line Pillow as well, s3 addresses boto3": (
        "hwang/ranges.py",
        "import boto3",
    ),
    "models of the function do no I/O": ("function/models/naming.py", "import socket"),
    "the judge needs none of a maintainer's tools": ("build_stages/verify/elf.py", "import maintain.bump"),
}


def lint(tree: Path) -> str:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-logo", "--no-cache"]
    environment = {**os.environ, "PYTHONPATH": str(tree / "build_stages"), "COLUMNS": "200"}
    return subprocess.run(command, cwd=tree, capture_output=True, text=True, env=environment).stdout


def test_each_rule_reports_a_wrong_import(tmp_path: Path) -> None:
    configuration = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    assert {contract["name"] for contract in configuration["contracts"]} == PLANTED.keys()
    for package in ("function", "hwang", "deploy", "bench", "local", "tests", "build_stages"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("*.pyc", "*.so"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for name, text in PLANTED.values():
        with (tmp_path / name).open("a") as file:
            file.write(f"\n{text}\n")
    reported = lint(tmp_path)
    for contract, (name, _) in PLANTED.items():
        module = name.removeprefix("build_stages/").removesuffix(".py").replace("/", ".")
        assert f"{contract} BROKEN" in reported, reported
        assert f"{module} ->" in reported, reported
