"""The base below the image: it keeps the contract, and in the runtime's import order ours is what handlers get."""

from __future__ import annotations

import datetime
import os
import re
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from base import contract
from local.base_report import report_of
from local.stack import ROOT, emulated, first_answer
from tests.conftest import IMAGE
from tests.support.tree import site_packages

pytestmark = pytest.mark.usefixtures("as_built")
PROBE = """
import importlib, json, subprocess, sys

NAMES = ("awslambdaric", "boto3", "botocore", "hwang", "numpy", "simplejson", "urllib3")
TELL = "import importlib, json; print(json.dumps({n: importlib.import_module(n).__file__ for n in %r}))" % (NAMES[1:],)


def handler(event, context):
    here = {name: importlib.import_module(name).__file__ for name in NAMES}
    child = json.loads(subprocess.run([sys.executable, "-c", TELL], capture_output=True, check=True, cwd="/").stdout)
    return {"here": here, "child": child}
"""


def base_of(engine: str) -> str:
    label = [engine, "image", "inspect", "--format", '{{index .Config.Labels "hwang-lambda.base"}}', IMAGE]
    kind = subprocess.run(label, capture_output=True, text=True, check=True).stdout.strip()
    return "hwang-lambda-standin:3.13" if kind == "stand-in" else "public.ecr.aws/lambda/python:3.13"


def test_the_base_keeps_to_the_contract(engine: str) -> None:
    assert contract.differences(report_of(base_of(engine))) == []


def answer_of(handler: Path) -> dict[str, Any]:
    """The answer of a handler of our own in the image."""
    mounted = ("--volume", f"{handler}:/var/task/{handler.name}:ro")
    with emulated(*mounted, IMAGE, f"{handler.stem}.handler") as url:
        answer: dict[str, Any] = first_answer(url, {})
        return answer


def test_the_runtime_client_is_the_bases_and_all_else_is_ours(tmp_path: Path) -> None:
    """The base has a boto3 of its own, which child processes would find first."""
    probe = tmp_path / "probe.py"
    probe.write_text(PROBE)
    probe.chmod(0o644)
    answer = answer_of(probe)
    here, child = answer["here"], answer["child"]
    runtimes = {name for name, file in here.items() if file.startswith("/var/runtime/")}
    assert runtimes == {"awslambdaric", "simplejson"}
    site = f"{site_packages(IMAGE)}/"
    assert all(file.startswith(site) for name, file in here.items() if name not in runtimes)
    assert all(file.startswith(site) for file in child.values())


def release_time() -> datetime.datetime:
    version = re.findall(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)[0]
    date = re.findall(rf"^## \[{re.escape(version)}\] - (\S+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[0]
    return datetime.datetime.fromisoformat(f"{date}T00:00:00+00:00")


def test_everything_is_of_the_time_of_the_release(engine: str, tmp_path: Path) -> None:
    inspected = subprocess.run(
        [engine, "image", "inspect", "--format", "{{.Created}}", IMAGE], capture_output=True, text=True, check=True
    )
    assert datetime.datetime.fromisoformat(inspected.stdout.strip()) == release_time()
    tell = "import hwang, os; print(os.stat(hwang.__file__).st_mtime, os.stat('/opt/lib').st_mtime)"
    command = [engine, "run", "--rm", "--network", "none", "--entrypoint", "python3", IMAGE, "-c", tell]
    times = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert {float(time) for time in times} == {release_time().timestamp()}
    subprocess.run([ROOT / "local/image.sh", "layer", "--to", tmp_path, "--progress", "quiet"], check=True)
    with zipfile.ZipFile(next(tmp_path.glob("*.zip"))) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {release_time().timetuple()[:6]}


@pytest.fixture(scope="module")
def compiled(engine: str) -> Iterator[list[str]]:
    """The stages that compile C, as they are here: options of a build that takes them over.

    Their scripts have other modes under another umask, so a build would compile everything once more.
    """
    stages = ("compiler", "x264", "dav1d", "add-ons", "ffmpeg", "compiled")
    tags = {stage: f"hwang-umask-{os.getpid()}:{stage}" for stage in stages}
    try:
        for stage, tag in tags.items():
            subprocess.run([ROOT / "local/image.sh", stage, tag, "--progress", "quiet"], check=True)
        yield [option for stage, tag in tags.items() for option in ("--build-context", f"{stage}=docker-image://{tag}")]
    finally:
        subprocess.run([engine, "image", "rm", "--force", *tags.values()], capture_output=True, check=False)


@pytest.mark.long
@pytest.mark.parametrize("umask", [0o002, 0o077])
def test_the_image_does_not_depend_on_the_umask_of_a_checkout(
    umask: int, compiled: list[str], engine: str, tmp_path: Path
) -> None:
    tag = f"hwang-umask-{os.getpid()}:{umask:03o}"
    checkout = tmp_path / "checkout"
    for name in subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0"):
        source, copy = ROOT / name, checkout / name
        if name and source.is_file():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, copy)
            copy.chmod((0o777 if os.access(source, os.X_OK) else 0o666) & ~umask)
    for directory, *_ in os.walk(checkout):
        Path(directory).chmod(0o777 & ~umask)
    try:
        build = [str(checkout / "local/image.sh"), "function", tag, "--progress", "plain", *compiled]
        done = subprocess.run(build, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        command = [engine, "image", "inspect", "--format", "{{.Id}}", tag, IMAGE]
        ids = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        assert len(set(ids)) == 1
    finally:
        subprocess.run([engine, "image", "rm", "--force", tag], capture_output=True, check=False)
