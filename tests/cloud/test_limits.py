"""What the function is given: too little memory, storage, time, files or processes is an answer in words.

R1, R3, R4, R5 and R9 of docs/robustness.md.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from botocore.exceptions import ClientError

from local.stack import docker
from tests.cloud.asked import CLIP_URI, OK, SMALL_URI, Asked, Put, check_report, frames_in
from tests.cloud.bad_media import BadMedia
from tests.cloud.conftest import Beds
from tests.cloud.function import Answer, Function
from tests.cloud.postconditions import Postconditions
from tests.cloud.stack import FaultStack, Limits
from tests.decoder.hostile import LAVFI
from tests.support.clips import linear_decode
from tests.support.faults import rules
from tests.support.faults.client import Faults
from tests.support.log_lines import container_log

MIB = 2**20
TMP_MB = 16
LIMIT, FULL, LATE = ("LimitExceeded",), ("StorageFull",), ("DeadlineExceeded",)
LARGE = {"width": 8000, "height": 8000}  # 192 MB a frame
FILL = """
import sys
with open("/tmp/filling", "wb", buffering=0) as file:
    try:
        while True:
            file.write(bytes(4096))
    except OSError as error:
        print(error.strerror)
"""
EMPTY = "import os; os.remove('/tmp/filling')"
ABOUT = """
import json, os, pwd
try:
    entry = pwd.getpwuid(os.getuid()).pw_name
except KeyError:
    entry = None
print(json.dumps([os.getuid(), os.getgid(), entry, os.environ.get("HOME"), os.path.exists("/dev/shm")]))
"""
# Starts threads until there can be no more, says so, and ends when it is told to.
CROWD = """
import sys, threading
end = threading.Event()
try:
    while True:
        threading.Thread(target=end.wait, daemon=True).start()
except RuntimeError:
    print("full", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def asked(function: Function, put: Put, after: Postconditions, prefix: str) -> Asked:
    return Asked(function, after, prefix, put)


@pytest.mark.limits(memory_mb=512)
def test_too_little_memory_is_refused_with_the_size_that_would_do(asked: Asked, beds: Beds) -> None:
    """R1: said before any is taken, and true."""
    answer = asked.frames(SMALL_URI, [3], size=LARGE, output=f"{asked.output}x.npy")
    assert answer.seconds < 1
    wanted = answer.report["detail"]["wanted_mb"]
    assert wanted > 512
    asked.refused(answer, LIMIT, "memory", f"{wanted} MB", "512 MB")
    larger = beds.function(Limits(memory_mb=wanted))
    answer = larger.invoke({"video": SMALL_URI, "frames": [3], "size": LARGE, "output": f"{asked.output}x.npy"})
    assert answer.code == OK, answer.value
    assert larger.stored_array(f"{asked.output}x.npy").shape == (1, 8000, 8000, 3)


@pytest.mark.limits(memory_mb=512)
@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"output": "x.npy", "size": LARGE, "reduce": "mean"}, id="R1-reduction"),
        pytest.param({"output": "x/", "size": {"max_side": 16384}, "format": "png"}, id="R1-pictures"),
        pytest.param({"output": "x.npz", "size": {"width": 16384}}, id="R1-archive"),
    ],
)
def test_too_little_memory_for_a_form_is_refused(fields: dict[str, Any], asked: Asked) -> None:
    large = {**fields, "output": f"{asked.output}{fields['output']}"}
    if "size" in large and "max_side" in large["size"]:
        large["size"] = {"width": 16384}  # max_side never makes larger
    answer = asked.frames(SMALL_URI, [3], **large)
    assert answer.seconds < 1
    asked.refused(answer, LIMIT, "memory")


def large_video(bad_media: BadMedia, seconds: float, suffix: str) -> bytes:
    """Noise, which does not compress: 7 MB a second, all key frames."""
    noise = f"nullsrc=s=320x240:d={seconds}:r=25,geq=lum='random(1)*255':cb=128:cr=128"
    coding = ("-pix_fmt", "yuv420p", "-c:v", *(("mpeg2video", "-q:v", "1", "-g", "1") if suffix == "ts" else ("ffv1",)))
    return bad_media.encode(f"noise.{suffix}", *LAVFI, noise, *coding).read_bytes()


@pytest.mark.limits(tmp_mb=TMP_MB)
def test_a_video_that_does_not_fit_into_tmp_is_named_before_it_is_fetched(
    asked: Asked, tmp_path: Path, faults: Faults
) -> None:
    """R3: of a container that has to be fetched whole."""
    data = large_video(BadMedia(tmp_path, tmp_path), 10, "avi")
    assert len(data) > TMP_MB * MIB
    answer = asked.frames(asked.video(data, "noise.avi"), [3])
    detail = answer.report["detail"]
    assert detail["wanted"] == len(data) > detail["free"]
    assert sum(exchange.response_bytes for exchange in faults.log() if "noise.avi" in exchange.path) < MIB
    asked.refused(answer, FULL, "ephemeral storage", "index")


@pytest.mark.limits(tmp_mb=TMP_MB, environment={"HWANG_INDEX_CACHE": "s3://results/streamed/"})
@pytest.mark.parametrize("suffix", ["mkv", "ts"])
def test_what_is_indexed_without_being_stored_may_be_larger_than_tmp(
    suffix: str, asked: Asked, tmp_path: Path, faults: Faults
) -> None:
    """R3: the video is read once, and with the kept index only the frame's bytes are."""
    data = large_video(BadMedia(tmp_path, tmp_path), 12, suffix)
    assert len(data) > TMP_MB * MIB
    video = asked.video(data, f"noise.{suffix}")
    expected = linear_decode(tmp_path / f"noise.{suffix}", (320, 240))
    read = []
    for row in (290, 7):
        faults.clear()
        answer = asked.frames(video, [row])
        np.testing.assert_array_equal(frames_in(answer), expected[[row]])
        read.append(sum(exchange.response_bytes for exchange in faults.log() if f"noise.{suffix}" in exchange.path))
    assert len(data) <= read[0] < len(data) + 6 * MIB
    assert read[1] < MIB


@pytest.mark.limits(tmp_mb=TMP_MB)
def test_with_a_full_tmp_what_needs_none_works(asked: Asked) -> None:
    """R3: full from the start, of what is none of the function's."""
    stack = asked.function.stack
    whole, streamed = "h264-flv", "h264-matroska"
    flv = asked.video(asked.clip(whole).read_bytes(), "video.flv")
    mkv = asked.video(asked.clip(streamed).read_bytes(), "video.mkv")
    assert "No space left" in stack.python("function", FILL)
    try:
        answers = [asked.frames(video, [3]) for video in (SMALL_URI, mkv, flv)]
    finally:
        stack.python("function", EMPTY)
    np.testing.assert_array_equal(frames_in(answers[0]), asked.truth()[[3]])
    np.testing.assert_array_equal(frames_in(answers[1]), asked.truth(streamed)[[3]])
    check_report(answers[2], FULL)
    asked.exact(asked.frames(flv, [3]), asked.truth(whole)[[3]])


@pytest.mark.limits(environment={"HOME": "/nowhere"})
def test_it_works_for_any_user_without_a_home(asked: Asked) -> None:
    """R4: read-only, as no one the system knows of, without shared memory."""
    assert json.loads(asked.function.stack.python("function", ABOUT)) == [993, 990, None, "/nowhere", False]
    answer = asked.frames(SMALL_URI, [3], output=f"{asked.output}x.jpg")
    asked.after.succeeded(answer)


LONG = [*range(131, -1, -1)] * 3


@pytest.mark.limits(timeout_seconds=3)
@pytest.mark.parametrize("output", ["x.npy", "x/", "x.npz"], ids=["R5-array", "R5-pictures", "R5-archive"])
def test_a_request_that_takes_too_long_says_how_far_it_got(output: str, asked: Asked) -> None:
    """In time, at least half a second before its end, and it leaves nothing."""
    answer = asked.frames(
        CLIP_URI, LONG, output=f"{asked.output}{output}", **({"format": "png"} if output == "x/" else {})
    )
    assert answer.code == LATE[0], answer.value
    check_progress(answer, each_once=output == "x/")
    assert answer.report["retryable"] is True
    asked.refused(answer, LATE)


def check_progress(answer: Answer, each_once: bool) -> None:
    """Of a worker that stopped by itself. One that could not in time, on a busy machine, is ended and tells nothing."""
    detail = answer.report["detail"]
    if not detail:
        assert "was ended" in answer.report["message"]
        return
    assert detail["undone"] > 0
    assert detail["done"] + detail["undone"] == len(LONG)
    if each_once:  # from the first row on, for all its places in the request
        assert set(detail["undone_rows"]) == set(range(detail["done"] // 3, 132))
    else:
        assert detail["undone_rows"] == LONG[detail["done"] :]


@pytest.mark.limits(timeout_seconds=3)
@pytest.mark.parametrize(
    ("action", "skip"),
    [
        pytest.param(rules.Delay(30), 0, id="R5-no-head"),
        pytest.param(rules.Delay(30), 1, id="R5-no-data"),
        pytest.param(rules.SlowBody(1000), 1, id="R5-slow-data"),
    ],
)
def test_a_source_that_takes_too_long_is_answered_in_time(
    action: rules.Action, skip: int, asked: Asked, faults: Faults
) -> None:
    with faults.rule(action, method="GET", path="/videos/clip.mp4$", skip=skip):
        answer = asked.frames(CLIP_URI, "0:100", reduce="sum", output=f"{asked.output}x.npy")
    assert answer.report["retryable"] is True
    asked.refused(answer, [*LATE, "SourceUnavailable"])


@pytest.mark.limits(timeout_seconds=3)
def test_an_output_that_takes_too_long_is_answered_in_time(asked: Asked, faults: Faults) -> None:
    """R5"""
    with faults.rule(rules.Delay(30), method="PUT", path=asked.prefix):
        answer = asked.frames(CLIP_URI, "0:30", output=f"{asked.output}x.npy")
    faults.clear()
    assert answer.report["retryable"] is True
    asked.refused(answer, [*LATE, "OutputUnavailable"])


@contextmanager
def confined(beds: Beds, folder: Path, **limits: object) -> Iterator[Function]:
    """The function in a container with these settings of compose."""
    override, before = folder / "confined.json", beds.current
    override.write_text(json.dumps({"services": {"function": limits}}))
    beds.current = replace(before, overrides=(override,), limits=Limits())
    beds.current.up()
    try:
        yield Function(beds.current, beds.good)
    finally:
        beds.current = replace(before)
        beds.current.up()


@pytest.mark.parametrize("files", [20, 24, 32, 64], ids=lambda files: f"R9-{files}-files")
def test_few_open_files_are_enough_or_named(files: int, beds: Beds, tmp_path: Path, prefix: str) -> None:
    with confined(beds, tmp_path, ulimits={"nofile": files}) as function:
        event = {"video": CLIP_URI, "frames": "0:100", "output": f"s3://results/{prefix}x/", "size": {"max_side": 64}}
        for _ in range(3):
            answer = function.invoke(event)
            if answer.code != OK:
                check_report(answer, [*LIMIT, "SourceUnavailable", "OutputUnavailable"])
                assert function.keys(prefix) == []
        assert function.stack.inspect("function")["RestartCount"] == 0


@pytest.mark.parametrize("pids", [24, 32, 48], ids=lambda pids: f"R9-{pids}-processes")
def test_few_processes_are_enough_or_named(pids: int, beds: Beds, tmp_path: Path, prefix: str) -> None:
    """Threads count."""
    with confined(beds, tmp_path, pids_limit=pids) as function:
        for frames in ("0:100", [3]):
            answer = function.invoke({"video": CLIP_URI, "frames": frames, "output": f"s3://results/{prefix}x/"})
            if answer.code != OK:
                check_report(answer, LIMIT)
                assert function.keys(prefix) == []


@contextmanager
def crowded(stack: FaultStack) -> Iterator[None]:
    """No process and no thread can be made in the container."""
    command = [docker(), "exec", "--interactive", stack.container("function"), "python3", "-c", CROWD]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as crowd:
        assert crowd.stdin
        assert crowd.stdout
        assert crowd.stdout.readline() == "full\n"
        try:
            yield
        finally:
            crowd.stdin.write("\n")
            crowd.stdin.flush()
            crowd.wait(30)


def test_a_crowded_container_is_named_and_recovers(beds: Beds, tmp_path: Path, prefix: str) -> None:
    """R9: somebody else has all the processes that there may be.

    Lambda's runtime client needs a thread for the next request. Without one it ends, and may take the answer along.
    """
    with confined(beds, tmp_path) as function:
        function.check_good()
        since = time.time()
        with crowded(function.stack):
            try:
                answer = function.invoke({"video": CLIP_URI, "frames": "0:100", "output": f"s3://results/{prefix}x/"})
                check_report(answer, LIMIT)
            except ClientError as error:
                assert error.response["Error"]["Code"] == "502"  # noqa: PT017 - one of two endings
        assert '"Code": "LimitExceeded"' in container_log(function.stack.container("function"), since)
        assert function.keys(prefix) == []
        function.check_good()
