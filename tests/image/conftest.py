"""The image under Lambda's Runtime Interface Emulator, beside an emulated S3: real containers, run by pytest-docker."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from local import clip as real_clip
from local.stack import COMPOSE_FILE, Stack, StackError, docker
from tests.conftest import IMAGE
from tests.support import tree
from tests.support.clips import linear_decode
from tests.support.log_lines import container_log, not_json

BUCKET = "tests"
Put = Callable[[str, bytes | Path], str]


@cache
def real_frames() -> NDArray[np.uint8]:
    """Every frame of the real clip."""
    return linear_decode(real_clip.fetch(), (1280, 720))


@pytest.fixture(scope="session")
def engine() -> str:
    """The docker client. Without an engine, or without images of this working tree, the tests that need it fail."""
    try:
        client = docker()
        subprocess.run([client, "info"], capture_output=True, check=True, timeout=30)
    except (StackError, OSError, subprocess.SubprocessError) as error:
        pytest.fail(f"no Docker Engine answers ({error}): start one with `make engine`", pytrace=False)
    try:
        tree.require("hwang-lambda:cloud", "hwang-lambda:test", "hwang-lambda:s3")
        tree.require_fresh(IMAGE)
    except StackError as error:
        pytest.fail(str(error), pytrace=False)
    return client


@pytest.fixture(scope="session")
def as_built(engine: str) -> None:  # noqa: ARG001
    """For tests of the image itself: fails unless it was built of this working tree, also if the tree is mounted."""
    try:
        tree.require_built(IMAGE)
    except StackError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture(scope="session")
def docker_compose_command(engine: str) -> str:
    return f"{engine} compose"


@pytest.fixture(scope="session")
def docker_compose_file() -> str:
    return str(COMPOSE_FILE)


@pytest.fixture(scope="session")
def docker_compose_project_name() -> str:
    return f"hwang-test-{os.getpid()}"


@pytest.fixture(scope="session")
def docker_cleanup() -> list[str]:
    return ["down --volumes --remove-orphans --timeout 2"]


@pytest.fixture(scope="session")
def stack(docker_compose_project_name: str, request: pytest.FixtureRequest) -> Iterator[Stack]:
    """The running containers, answering, with an empty bucket."""
    request.getfixturevalue("docker_services")
    running = Stack(docker_compose_project_name)
    running.up()
    running.s3.create_bucket(Bucket=BUCKET)
    yield running
    print(running.logs())
    assert list(not_json(container_log(running.container("function")))) == []


@pytest.fixture
def put(stack: Stack) -> Iterator[object]:
    """Puts bytes or a file into the bucket and gives its URI; gone after the test."""
    keys = []

    def put_object(key: str, content: bytes | Path) -> str:
        body = content if isinstance(content, bytes) else content.read_bytes()
        stack.s3.put_object(Bucket=BUCKET, Key=key, Body=body)
        keys.append(key)
        return f"s3://{BUCKET}/{key}"

    yield put_object
    for key in keys:
        stack.s3.delete_object(Bucket=BUCKET, Key=key)


@pytest.fixture
def video(put: Put) -> str:
    """The real clip in the bucket."""
    return put("clip.mp4", real_clip.fetch())
