"""The clip that the function tests itself with: a decoder that works finds its frames, another one does not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any, cast

import pytest

import hwang
from function.actions import selftest
from function.errors import Internal
from function.models.event import SelfTest
from function.session import Session
from tests.unit.function.deliveries import http_request


def run() -> dict[str, Any]:
    return selftest.selftest(SelfTest(action="selftest"), Session(cast("Any", None)))


def test_each_picture_is_that_of_its_row() -> None:
    result = run()
    assert (result["frames_checked"], result["samples_decoded"]) == (5, 12)


def test_another_picture_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = (7, 0, 11, 3, 7)
    frames = hwang.Decoder.frames
    monkeypatch.setattr(hwang.Decoder, "frames", lambda self, _, **more: frames(self, rows, **more))
    with pytest.raises(Internal, match="row 2 is not the picture"):
        run()


def test_an_event_is_run_on_this_machine_as_lambda_delivers_it() -> None:
    given = json.dumps(http_request({"action": "selftest"}))
    environment = {**os.environ, "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
    command = [sys.executable, "-m", "function", "-"]
    done = subprocess.run(command, input=given, env=environment, capture_output=True, text=True, check=True)
    answer = json.loads(done.stdout)
    assert (answer["statusCode"], json.loads(answer["body"])["frames_checked"]) == (200, 5)
    assert [json.loads(line)["Code"] for line in done.stderr.splitlines()] == ["ok"]


def test_this_build_says_whether_it_can_encode() -> None:
    assert hwang.can_encode() is True
