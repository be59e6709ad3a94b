"""The workflows in .github: as GitHub takes them, without keys, each action pinned, each command one of the tool's."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from deploy import cli

ROOT: Final = Path(__file__).resolve().parents[2]
WORKFLOWS: Final = sorted((ROOT / ".github/workflows").glob("*.yml"))
VARIABLES: Final = {"$DIGEST": f"sha256:{0:064}", "$REPOSITORY": "frames", "$FUNCTION": "frames"}


def ended(program: str, *words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).parent / program, *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def schema_check(path: Path) -> subprocess.CompletedProcess[str]:
    return ended("check-jsonschema", "--builtin-schema", "vendor.github-workflows", path)


def commands(workflow: dict[str, Any]) -> list[list[str]]:
    """Return the words after ecr-push in every step."""
    steps = [step.get("run", "") for job in workflow["jobs"].values() for step in job["steps"]]
    lines = [found for step in steps for found in re.findall(r"ecr-push ([^|\n]+)", step.replace("\\\n", " "))]
    return [[VARIABLES.get(word, word) for word in shlex.split(line)] for line in lines]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_is_one_for_github(path: Path, tmp_path: Path) -> None:
    done = schema_check(path)
    assert done.returncode == 0, done.stdout
    broken = tmp_path / path.name
    broken.write_text(path.read_text().replace("runs-on:", "runs_on:", 1))
    assert schema_check(broken).returncode


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_has_neither_keys_nor_moving_actions_nor_rights_to_spare(path: Path) -> None:
    done = ended("zizmor", "--offline", "--no-progress", "--persona", "pedantic", path)
    assert done.returncode == 0, done.stdout
    assert "secrets." not in path.read_text()


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_the_commands_of_a_workflow_are_the_tools(path: Path) -> None:
    found = commands(yaml.safe_load(path.read_text()))
    assert [cli.parse(words).command for words in found] == ["push", "deploy", "deploy"]
    assert "--canary" in found[-1]
