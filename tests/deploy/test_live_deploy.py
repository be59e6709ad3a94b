"""The whole story with the project's own image: pushed, deployed, used, updated, broken, and taken back.

The functions are containers of what was pushed, the frames are read out of the bucket and compared bit for bit.
"""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from deploy.errors import ImageRefusedError
from local import clip as real_clip
from local import demo_deploy
from tests.deploy.tool import Ended, Tool
from tests.image.conftest import real_frames
from tests.support.aws import StrictAws
from tests.support.aws.strict import ROLE
from tests.support.pages import ROOT, blocks

IMAGE = "hwang-lambda:latest"
ROWS = [0, 100, 131]
PLACE = ("--repository", "frames", "--function", "frames")


@pytest.fixture
def tool(live_aws: StrictAws, tmp_path: Path) -> Tool:
    return Tool(live_aws.environment(), tmp_path)


@pytest.fixture
def variants(engine: str) -> Iterator[dict[str, str]]:
    """Images made of the project's: one that is only another, and one that lacks a library."""
    made = {
        "another": f"FROM {IMAGE}\nLABEL variant=another\n",
        "broken": f"FROM {IMAGE}\nUSER root\nRUN rm /opt/lib/libavcodec.so*\n",
    }
    names = {name: f"hwang-deploy-test:{name}" for name in made}
    for name, recipe in made.items():
        command = [engine, "build", "--quiet", "--network", "none", "--tag", names[name], "-"]
        subprocess.run(command, input=recipe, text=True, check=True, capture_output=True, timeout=120)
    yield names
    subprocess.run([engine, "image", "rm", *names.values()], check=True, capture_output=True, timeout=60)


def live(aws: StrictAws) -> str:
    return str(aws.do("GetAlias", FunctionName="frames", Name="live")["FunctionVersion"])


def frames_of(aws: StrictAws, tool: Tool, name: str) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """What the live function writes when it is asked for ROWS of the real clip."""
    output = f"s3://videos/{name}.npy"
    event = {"video": f"s3://videos/{real_clip.NAME}", "frames": ROWS, "output": output}
    (tool.home / "event.json").write_text(json.dumps(event))
    ended = tool.run("invoke", "--function", "frames", str(tool.home / "event.json"), "--json")
    assert ended.code == 0, ended
    stored = aws.client("s3").get_object(Bucket="videos", Key=f"{name}.npy")["Body"].read()
    frames: np.ndarray[Any, np.dtype[np.uint8]] = np.load(io.BytesIO(stored))
    return frames


def test_the_whole_story(live_aws: StrictAws, tool: Tool, variants: dict[str, str]) -> None:
    s3 = live_aws.client("s3")
    s3.create_bucket(Bucket="videos")
    s3.put_object(Bucket="videos", Key=real_clip.NAME, Body=real_clip.fetch().read_bytes())

    pushed = done(tool.run("push", IMAGE, "--repository", "frames", "--create", "--json"))
    assert done(tool.run("push", IMAGE, "--repository", "frames", "--json")) == pushed | {"already_there": True}

    first = done(tool.run("deploy", IMAGE, *PLACE, "--create", "--role", ROLE, "--timeout", "30", "--json"))
    assert first["image"] == pushed["uri"]
    assert live(live_aws) == "1"
    np.testing.assert_array_equal(frames_of(live_aws, tool, "first"), real_frames()[ROWS])

    again = done(tool.run("deploy", IMAGE, *PLACE, "--json"))
    assert not again["changed"]

    second = done(tool.run("deploy", variants["another"], *PLACE, "--json"))
    assert second["changed"]
    assert live(live_aws) == "2"
    np.testing.assert_array_equal(frames_of(live_aws, tool, "second"), real_frames()[ROWS])

    broken = tool.run("deploy", variants["broken"], *PLACE)
    assert broken.code == ImageRefusedError.exit_code, broken
    assert "libavcodec" in broken.err
    assert live(live_aws) == "2"
    assert live_aws.do("GetFunction", FunctionName="frames")["Code"]["ResolvedImageUri"] == second["image"]
    np.testing.assert_array_equal(frames_of(live_aws, tool, "after"), real_frames()[ROWS])

    assert done(tool.run("rollback", "--function", "frames", "--json"))["version"] == "1"
    assert live(live_aws) == "1"
    np.testing.assert_array_equal(frames_of(live_aws, tool, "back"), real_frames()[ROWS])


@pytest.mark.long
def test_the_first_deploy_can_be_rehearsed(live_aws: StrictAws, tool: Tool, variants: dict[str, str]) -> None:
    s3 = live_aws.client("s3")
    s3.create_bucket(Bucket="films")
    s3.put_object(Bucket="films", Key=real_clip.NAME, Body=real_clip.fetch().read_bytes())
    environment = {**os.environ, **tool.environment, "HOME": str(tool.home)}
    terminal = demo_deploy.Rehearsal(tool.home, environment)
    demo_deploy.rehearse(terminal, {"next": variants["another"], "broken": variants["broken"]})
    assert live(live_aws) == "1"
    picture = ElementTree.fromstring(terminal.picture())  # noqa: S314 - our own
    assert "SmokeFailed: version 3" in "".join(picture.itertext()).replace("\xa0", " ")


def test_the_lines_of_the_page_about_the_first_deploy_run(live_aws: StrictAws, tool: Tool) -> None:
    """But for the build, and with a role of this account."""
    s3 = live_aws.client("s3")
    s3.create_bucket(Bucket="films")
    s3.put_object(Bucket="films", Key="clip.mp4", Body=real_clip.fetch().read_bytes())
    [lines] = [block for block in blocks(ROOT / "docs/first-deploy.md") if "--create" in block.text]
    build, *commands = lines.commands
    assert build.startswith("make venv image")
    shell = f'ecr-push() {{ {sys.executable} {ROOT / "ecr_push.py"} "$@"; }}\n'
    environment = {**os.environ, **tool.environment, "HOME": str(tool.home)}
    for command in commands:
        here = re.sub(r"arn:aws:iam::\S+", ROLE, command)
        ended = subprocess.run(
            ["bash", "-c", shell + here], env=environment, cwd=tool.home, capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, (command, ended.stdout, ended.stderr)
    assert live(live_aws) == "1"
    assert '"codec": "h264"' in ended.stdout


def done(ended: Ended) -> dict[str, Any]:
    assert ended.code == 0, ended
    return ended.document
