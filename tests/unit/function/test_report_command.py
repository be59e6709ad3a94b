"""`python -m function.report`, as people run it, beside a server of objects."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

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


def run(endpoint: str, directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "AWS_ENDPOINT_URL_S3": endpoint,
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
    }
    command = [sys.executable, "-m", "function.report", *arguments]
    return subprocess.run(
        command, cwd=directory, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.parametrize("place", [JOB, f"{JOB}_job/summary.json", "summary.json"])
def test_a_prefix_a_manifest_and_a_file_make_the_same_page(place: str, job: Job, endpoint: str, tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_text(json.dumps(job.manifest))
    done = run(endpoint, tmp_path, place, "--output", "page.html")
    assert done.stderr == ""
    assert done.returncode == 0
    assert done.stdout.startswith("page.html: ")
    page = read_page((tmp_path / "page.html").read_bytes())
    assert page.tags.count("img") == 18
    assert "not exist" not in page.text


def test_the_page_is_called_report_unless_told_otherwise(endpoint: str, tmp_path: Path) -> None:
    assert run(endpoint, tmp_path, JOB).returncode == 0
    assert (tmp_path / "report.html").exists()


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
def test_a_manifest_that_is_not_there_is_told_in_a_line(place: str, why: str, endpoint: str, tmp_path: Path) -> None:
    done = run(endpoint, tmp_path, place)
    assert done.returncode == 1
    assert why in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "report.html").exists()
