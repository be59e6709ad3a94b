"""What an image starts, as its configuration or a function's says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deploy.image import findings, open_image
from tests.deploy.images import good, layout_of, write_directory
from tests.unit.build.judging import Judge, Judged


def test_no_command_at_all_is_refused(judge: Judge) -> None:
    assert judge(good(Entrypoint=None, Cmd=[])).refused == ["command"]


@pytest.mark.parametrize("cmd", [[], ["app.handler", "more"], ["/bin/sh", "-c", "app.handler"]])
def test_the_entrypoint_takes_one_handler(cmd: list[str], judge: Judge) -> None:
    found = judge(good(Cmd=cmd))
    assert found.refused == ["command"]
    assert f"{len(cmd)} arguments" in found["command"].what


@pytest.mark.parametrize(
    "entrypoint",
    [
        ["/lambda-entrypoint.sh", "app.handler"],
        ["../../lambda-entrypoint.sh", "app.handler"],
        ["python3", "-m", "awslambdaric", "app.handler"],
        ["/main"],
        ["npx", "aws-lambda-ric", "index.handler"],
    ],
)
def test_the_whole_command_may_be_in_the_entrypoint(entrypoint: list[str], judge: Judge) -> None:
    found = judge(good(Entrypoint=entrypoint, Cmd=[]))
    assert found.refused == []
    assert found["command"].level == "ok"


@pytest.mark.parametrize(
    ("settings", "image_config", "refused"),
    [
        ({"Cmd": []}, {"Command": ["app.handler"]}, []),
        ({"Cmd": [], "Entrypoint": None}, {"EntryPoint": ["/main"]}, []),
        ({"Cmd": []}, {"WorkingDirectory": "/work"}, ["command"]),
        ({}, {"Command": ["one.handler", "two.handler"]}, ["command"]),
        ({}, {"EntryPoint": ["/lambda-entrypoint.sh", "more"]}, ["command"]),
        ({}, {}, []),
    ],
)
def test_the_functions_own_command_counts(
    settings: dict[str, Any], image_config: dict[str, Any], refused: list[str], tmp_path: Path
) -> None:
    with open_image(str(write_directory(layout_of(good(**settings)), tmp_path / "layout"))) as image:
        found = Judged(findings(image, None, image.start.overridden(image_config)))
        assert image.start.overridden(image_config).working_dir == image_config.get("WorkingDirectory", "/var/task")
    assert found.refused == refused
