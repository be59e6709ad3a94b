"""The examples, built and run as their pages say: the address of the clip and the bucket are those of the test."""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from local import clip as real_clip
from local.stack import ROOT, Stack
from tests.conftest import IMAGE
from tests.image.building import build, remove, trusting
from tests.image.conftest import BUCKET, real_frames

pytestmark = [pytest.mark.usefixtures("as_built"), pytest.mark.long]
EXAMPLES = ROOT / "examples"
VIDEOS = 10


@pytest.fixture(scope="module")
def base(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:  # noqa: ARG001
    with trusting(IMAGE, tmp_path_factory.mktemp("base")) as tag:
        yield tag


@pytest.fixture(scope="module")
def example(base: str) -> Iterator[Callable[[str], str]]:
    """Builds an example as its Dockerfile says, and gives its tag."""
    tags: list[str] = []

    def built(name: str) -> str:
        tag = f"hwang-examples-{os.getpid()}:{name}"
        if tag not in tags:
            build(EXAMPLES / name, tag, EXAMPLES / name / "Dockerfile", IMAGE=base)
            tags.append(tag)
        return tag

    yield built
    for tag in tags:
        remove(tag)


@pytest.fixture
def running(docker_compose_project_name: str, tmp_path: Path) -> Iterator[Callable[..., Stack]]:
    """Starts a stack whose function is an image, with these variables and its own command; it has the clip."""
    begun: list[Stack] = []

    def start(image: str, *, command: str = "", **variables: str) -> Stack:
        service: dict[str, Any] = {"environment": variables}
        if command:
            service["command"] = [command]
        override = tmp_path / f"{len(begun)}.json"
        override.write_text(json.dumps({"services": {"function": service}}))
        one = AsBuilt(f"{docker_compose_project_name}-x{len(begun)}", image, overrides=(override,))
        begun.append(one)
        one.up()
        one.s3.create_bucket(Bucket=BUCKET)
        one.s3.upload_file(str(real_clip.fetch()), BUCKET, "clip.mp4")
        return one

    yield start
    for one in begun:
        print(one.logs())
        one.down()


class AsBuilt(Stack):
    """A stack over which no working tree is mounted."""

    @property
    def files(self) -> tuple[Path, ...]:
        return (ROOT / "local/compose.yml", *self.overrides)


def test_own_handler(example: Callable[[str], str], running: Callable[..., Stack]) -> None:
    stack = running(example("own-handler"))
    answer = stack.invoke({"video": f"s3://{BUCKET}/clip.mp4", "every": 30})
    rows = list(range(0, len(real_frames()), 30))
    assert answer["rows"] == rows, answer
    assert answer["codec"] == "h264"
    truth = real_frames()[rows].mean(axis=(1, 2, 3))
    np.testing.assert_allclose(answer["brightness"], truth, atol=1)  # of smaller frames


def test_the_tutorials_files(example: Callable[[str], str], running: Callable[..., Stack]) -> None:
    address = f"http://cloud:4566/{BUCKET}/clip.mp4"
    stack = running(example("tutorial"), CLIP=address, BUCKET=BUCKET)
    stack.s3.put_bucket_policy(Bucket=BUCKET, Policy=PUBLIC)
    answer: Any = stack.invoke({})
    assert answer == "main.py returned."
    data = stack.s3.get_object(Bucket=BUCKET, Key="part1.dat")["Body"].read()
    assert int(pickle.loads(data)) == int(real_frames()[[0, 100]].sum(dtype=np.uint64))  # noqa: S301 - our own


PUBLIC = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{BUCKET}/*"}
        ],
    }
)


def test_a_model_over_a_job(example: Callable[[str], str], running: Callable[..., Stack], engine: str) -> None:
    """One video by an event, ten by a job: the same vectors, and a report."""
    image = example("frame-function")
    stack = running(image)
    event = json.loads((EXAMPLES / "frame-function/event.json").read_text())
    job = json.loads((EXAMPLES / "frame-function/job.json").read_text())
    stack.make_bucket("films")
    for number in range(VIDEOS):
        stack.s3.upload_file(str(real_clip.fetch()), "films", f"videos/{number}.mp4")
    stack.s3.upload_file(str(real_clip.fetch()), "films", "clip.mp4")
    answer = stack.invoke(event)
    assert answer["applied"]["function"] == "embed", answer
    single = arrays(stack, "clip.npz")
    assert single["values"].shape == (len(single["rows"]), 32)
    np.testing.assert_allclose(np.linalg.norm(single["values"], axis=1), 1, atol=1e-5)
    network = ["--network", f"{stack.project}_default", "--env", "AWS_ENDPOINT_URL_S3=http://cloud:4566"]
    keys = ["--env", "AWS_ACCESS_KEY_ID=local", "--env", "AWS_SECRET_ACCESS_KEY=local", "--env", "AWS_REGION=us-east-1"]
    command = [engine, "run", "--rm", "--interactive", *network, *keys, "--entrypoint", "python3", image]
    done = subprocess.run(
        [*command, "-m", "function.jobs", "-"], input=json.dumps(job), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["complete"], result["videos"]) == (True, VIDEOS)
    for number in range(VIDEOS):
        found = arrays(stack, f"embeddings/{number}.mp4.npz")
        assert found["rows"].tolist() == single["rows"].tolist()
        np.testing.assert_allclose(found["values"], single["values"], atol=1e-5)  # other batches, other order of sums
    assert b"Complete" in stack.s3.get_object(Bucket="films", Key="embeddings/report.html")["Body"].read()
    values = stack.invoke({**event, "apply": "dark", "format": "inline", "output": None})["values"]
    assert len(values) == len(single["rows"])


def arrays(stack: Stack, key: str) -> Any:
    data = stack.s3.get_object(Bucket="films", Key=key)["Body"].read()
    return np.load(io.BytesIO(data), allow_pickle=False)


def test_a_file_of_this_machine_without_s3(example: Callable[[str], str], engine: str) -> None:
    event = json.dumps({"video": "/clips/clip.mp4", "frames": {"count": 3}, "apply": "dark", "format": "inline"})
    clip = f"{real_clip.fetch()}:/clips/clip.mp4:ro"
    command = [engine, "run", "--rm", "--interactive", "--network", "none", "--volume", clip, "--entrypoint", "python3"]
    command += [example("frame-function"), "-m", "function", "-"]
    done = subprocess.run(command, input=event, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [set(value) for value in json.loads(done.stdout)["values"]] == [{"dark", "at"}] * 3


@pytest.mark.parametrize("way", ["layer", "bundle"])
def test_zip_and_layer(way: str, engine: str, running: Callable[..., Stack], tmp_path: Path) -> None:
    """The handler of own-handler on Lambda's base alone, with what `make layer` and `make bundle` pack."""
    subprocess.run([ROOT / "local/image.sh", way, "--to", tmp_path / "zip", "--progress", "quiet"], check=True)
    folder = tmp_path / "build"
    shutil.copytree(EXAMPLES / "zip-and-layer", folder)
    app = EXAMPLES / "own-handler/app.py"
    (folder / "layer").mkdir()
    with zipfile.ZipFile(next((tmp_path / "zip").iterdir())) as archive:
        archive.extractall(folder / "layer" if way == "layer" else folder / "task")
    shutil.copyfile(app, folder / "app.py")
    dockerfile: str | Path = folder / "Dockerfile"
    if way == "bundle":
        dockerfile = 'ARG BASE\nFROM ${BASE}\nCOPY task /var/task\nCOPY app.py /var/task/\nCMD ["app.handler"]\n'
    tag = f"hwang-examples-{os.getpid()}:{way}"
    build(folder, tag, dockerfile, BASE=base_image(engine))
    try:
        answer = running(tag).invoke({"video": f"s3://{BUCKET}/clip.mp4", "every": 60})
        assert answer["rows"] == list(range(0, len(real_frames()), 60)), answer
    finally:
        remove(tag)


def base_image(engine: str) -> str:
    label = [engine, "image", "inspect", "--format", '{{index .Config.Labels "hwang-lambda.base"}}', IMAGE]
    kind = subprocess.run(label, capture_output=True, text=True, check=True).stdout.strip()
    return "hwang-lambda-standin:3.13" if kind == "stand-in" else "public.ecr.aws/lambda/python:3.13"
