"""`python -m function.report`, as people run it, beside a server of objects."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from function import s3
from function.report.__main__ import main
from tests.support.jobs import JOB, Job, make_job
from tests.unit.function.objectserver import object_server
from tests.unit.function.pages import read_page

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def job() -> Job:
    made = make_job(videos=3, parts=3, size=(160, 90))
    made.objects[f"{JOB}_job/summary.json"] = json.dumps(made.manifest).encode()
    made.objects[f"{JOB}_job/list.json"] = b"[]"
    return made


@pytest.fixture(scope="module")
def endpoint(job: Job) -> Iterator[str]:
    with object_server(job.objects) as address:
        yield address


class Ended(NamedTuple):
    """The end of a command."""

    returncode: int
    stdout: str
    stderr: str


Report = Callable[..., Ended]


@pytest.fixture
def report(
    endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Report]:
    """Runs the command in this process, in a folder of its own."""
    for name, value in environment(endpoint).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    s3._client.cache_clear()

    def run(*arguments: str) -> Ended:
        status = main([*arguments])
        return Ended(status, *capsys.readouterr())

    yield run
    s3._client.cache_clear()


def environment(endpoint: str) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL_S3": endpoint,
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
    }


def test_the_command_makes_a_page(endpoint: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "function.report", JOB]
    variables = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **environment(endpoint)}
    done = subprocess.run(
        command, cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("report.html: ")
    assert (tmp_path / "report.html").exists()


@pytest.mark.parametrize("place", [JOB, f"{JOB}_job/summary.json", "summary.json"])
def test_a_prefix_a_manifest_and_a_file_make_the_same_page(
    place: str, job: Job, report: Report, tmp_path: Path
) -> None:
    (tmp_path / "summary.json").write_text(json.dumps(job.manifest))
    done = report(place, "--output", "page.html")
    assert done.stderr == ""
    assert done.returncode == 0
    assert done.stdout.startswith("page.html: ")
    page = read_page((tmp_path / "page.html").read_bytes())
    assert page.tags.count("img") == 9
    assert "not exist" not in page.text


def test_templates_and_pictures_are_loaded_when_a_page_is_made_and_not_before() -> None:
    program = "import function.report, sys; print({'jinja2', 'PIL'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("s3://frames/nothing/", "does not exist"),
        ("missing.json", "No such file"),
        (f"{JOB}_job/list.json", "not the manifest of a job"),
        ("s3://frames", "does not exist"),
    ],
)
def test_a_manifest_that_is_not_there_is_told_in_a_line(place: str, why: str, report: Report, tmp_path: Path) -> None:
    done = report(place)
    assert done.returncode == 1
    assert why in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "report.html").exists()
