"""A push by a process of its own, in a home that is full of other credentials: they are neither read nor written."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from tests.deploy import archives
from tests.deploy.tool import ROOT
from tests.support.aws import Change, StrictAws

# What is opened is written to the standard output, as are the errors, down to the last detail.
_PUSH = """
import logging, sys, traceback
logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
logging.getLogger("botocore").setLevel(logging.INFO)  # it logs every answer
sys.addaudithook(lambda event, about: event == "open" and print("opened", about[0]))
from deploy.registry import ecr
from deploy.image import open_image
from deploy.registry.push import push
import boto3
reference, repository, tag = sys.argv[1:]
try:
    with open_image(reference) as image:
        print(push(image, ecr.find(boto3.client("ecr"), repository), tag))
except Exception as error:
    traceback.print_exc()
    print(repr(error), error.__dict__)
"""


@pytest.fixture
def home(tmp_path: Path, aws: StrictAws) -> Path:
    """With a docker configuration and a .netrc that know the registry, and a helper that leaves a trace."""
    host = aws.url.partition("//")[2]
    auth = base64.b64encode(b"AWS:poison").decode()
    configuration = {"auths": {host: {"auth": auth}}, "credsStore": "poison", "credHelpers": {host: "poison"}}
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker/config.json").write_text(json.dumps(configuration))
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login AWS password poison\n")
    (tmp_path / "bin").mkdir()
    helper = tmp_path / "bin/docker-credential-poison"
    helper.write_text(f"#!/bin/sh\ntouch {tmp_path}/asked\n")
    helper.chmod(0o755)
    return tmp_path


@pytest.fixture(params=["engine", "archive"])
def reference(request: pytest.FixtureRequest, engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:  # noqa: ARG001
    tars = archives.layers(os.getpid(), 10_000)
    name = f"push-home-{os.getpid()}:latest"
    saved = archives.docker_save(tars, archives.config(tars), name)
    if request.param == "archive":
        path = tmp_path_factory.mktemp("archive") / "image.tar"
        path.write_bytes(saved)
        yield str(path)
        return
    api: Any = docker.APIClient(version="auto")
    list(api.load_image(saved))
    yield f"engine:{name}"
    api.remove_image(name, force=True)
    api.close()


@pytest.mark.parametrize("tag", ["tag", "no tag"])
def test_a_push_keeps_away_from_the_users_credentials_and_does_not_show_its_own(
    aws: StrictAws, home: Path, reference: str, tag: str
) -> None:
    aws.do("CreateRepository", repositoryName="frames")
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in home.rglob("*") if path.is_file()}
    path = f"{home / 'bin'}:{os.environ['PATH']}"
    environment = {**aws.environment(), "HOME": str(home), "PATH": path, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", _PUSH, reference, "frames", tag]
    answers: list[dict[str, Any]] = []
    with aws.rule(Change(lambda answer: answers.append(answer["authorizationData"][0])), "GetAuthorizationToken"):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, cwd=home)
    assert ("UsageError" if " " in tag else "Pushed(") in done.stdout
    after = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in home.rglob("*") if path.is_file()}
    assert after == before
    opened = {line.removeprefix("opened ") for line in done.stdout.splitlines() if line.startswith("opened ")}
    assert opened
    assert not {path for path in opened if path.startswith(str(home))}
    assert len(answers) == (" " not in tag)
    for token in (answer["authorizationToken"] for answer in answers):
        password = base64.b64decode(token).decode().partition(":")[2]
        assert not {secret for secret in (token, password) if secret in done.stdout + done.stderr}
