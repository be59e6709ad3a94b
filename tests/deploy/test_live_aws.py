"""The account with ministack behind it: Docker pushes to it, its functions run, and S3 is there."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.aws import StrictAws
from tests.support.aws.strict import ROLE

IMAGE = "hwang-lambda:latest"


@pytest.fixture
def pushed(live_aws: StrictAws, engine: str, tmp_path: Path) -> Iterator[str]:
    """The digest of the project's image in the registry, where Docker itself logged in and pushed it."""
    images = live_aws.client("ecr")
    repository = images.create_repository(repositoryName="hwang")["repository"]["repositoryUri"]
    token = images.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    password = base64.b64decode(token).decode().partition(":")[2]
    docker = [engine, "--config", str(tmp_path)]
    name = f"{repository}:v1"
    login = [*docker, "login", "--username", "AWS", "--password-stdin", live_aws.ecr_state.host]
    subprocess.run(login, input=password, text=True, capture_output=True, check=True, timeout=60)
    subprocess.run([*docker, "tag", IMAGE, name], check=True, timeout=60)
    try:
        subprocess.run([*docker, "push", "--quiet", name], check=True, capture_output=True, timeout=300)
        yield images.describe_images(repositoryName="hwang")["imageDetails"][0]["imageDigest"]
    finally:
        subprocess.run([*docker, "image", "rm", name], check=True, capture_output=True, timeout=60)


def test_a_pushed_image_runs(live_aws: StrictAws, pushed: str) -> None:
    functions, s3 = live_aws.client("lambda"), live_aws.client("s3")
    functions.create_function(
        FunctionName="frames",
        Role=ROLE,
        PackageType="Image",
        Code={"ImageUri": f"{live_aws.ecr_state.host}/hwang@{pushed}"},
        MemorySize=512,
        Timeout=30,
    )
    functions.get_waiter("function_active_v2").wait(FunctionName="frames", WaiterConfig={"Delay": 0})
    probe = json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent"}).encode()
    good = functions.invoke(FunctionName="frames", Payload=probe)
    assert "FunctionError" not in good
    bad = functions.invoke(FunctionName="frames", Payload=b"{}", LogType="Tail")
    assert bad["FunctionError"] == "Unhandled"
    assert json.loads(bad["Payload"].read())["errorType"] == "BadRequest"
    s3.create_bucket(Bucket="videos")
    s3.put_object(Bucket="videos", Key="a/b c.txt", Body=b"x" * 100_000)
    assert s3.get_object(Bucket="videos", Key="a/b c.txt")["Body"].read() == b"x" * 100_000
