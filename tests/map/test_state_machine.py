"""The state machine of deploy/frames.asl.json, executed: complete and identical, whatever happens on the way."""

from __future__ import annotations

import io
import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from local import collection
from local.stack import JobError, MapStack, docker
from tests.image.conftest import engine  # noqa: F401 - a fixture
from tests.support.clips import linear_decode
from tests.support.log_lines import container_log, not_json

BUCKET = "videos"
VIDEOS = collection.RECIPES[0:40:5]  # of every size and GOP
PATIENCE_SECONDS = 120


@pytest.fixture(scope="module")
def stack(engine: str) -> Iterator[MapStack]:  # noqa: ARG001, F811
    stack = MapStack(f"hwang-map-{os.getpid()}")
    try:
        stack.up()
        stack.s3.create_bucket(Bucket=BUCKET)
        for recipe in VIDEOS:
            stack.s3.upload_file(str(recipe.make()), BUCKET, f"films/{recipe.name}")
        yield stack
        print(stack.logs())
        assert [line for one in functions(stack) for line in not_json(container_log(one))] == []
    finally:
        stack.down()


def job(name: str, **more: Any) -> dict[str, Any]:
    """The sum of every frame of all videos."""
    places = {"videos": f"s3://{BUCKET}/films/", "output": f"s3://{BUCKET}/{name}/"}
    return {**places, "frames": "all", "reduce": "sum", "part_seconds": 1, **more}


@pytest.fixture(scope="module")
def expected(stack: MapStack) -> dict[str, Any]:
    """What an execution answers in which nothing happens."""
    return stack.run(job("undisturbed"))


def functions(stack: MapStack) -> list[str]:
    """The containers in which the function runs."""
    network = f"network={stack.project}_default"
    command = [docker(), "ps", "--quiet", "--no-trunc", "--filter", network, "--filter", f"ancestor={stack.image}"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()


def markers(stack: MapStack, name: str) -> list[str]:
    listed = stack.s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{name}/_job/done/")
    return [item["Key"] for item in listed.get("Contents", [])]


def test_an_execution_gives_the_sum_of_a_linear_decode(expected: dict[str, Any]) -> None:
    total = sum(int(linear_decode(recipe.path, recipe.size).sum(dtype=np.uint64)) for recipe in VIDEOS)
    assert expected["reduced"] == total
    assert expected["frames"] == sum(recipe.frames for recipe in VIDEOS)
    assert expected["complete"]
    assert expected["parts"] > 4
    assert expected["attempts"] == expected["parts"]


def test_a_function_killed_in_the_middle_changes_nothing(stack: MapStack, expected: dict[str, Any]) -> None:
    killed: list[str] = []

    def kill() -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not markers(stack, "killed"):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        running = functions(stack)[0]
        subprocess.run([docker(), "kill", running], check=True, capture_output=True)
        killed.append(running)

    killer = threading.Thread(target=kill)
    killer.start()
    result = stack.run(job("killed"))
    killer.join()
    assert killed
    same = ("reduced", "frames", "pieces", "parts", "complete", "partial")
    assert {name: result[name] for name in same} == {name: expected[name] for name in same}
    assert result["attempts"] > result["parts"]


def test_an_execution_that_is_started_again_only_does_what_is_missing(
    stack: MapStack, expected: dict[str, Any]
) -> None:
    before = {
        key: stack.s3.head_object(Bucket=BUCKET, Key=key)["LastModified"] for key in markers(stack, "undisturbed")
    }
    lost = min(before)
    stack.s3.delete_object(Bucket=BUCKET, Key=lost)
    counted: dict[str, int] = {}
    result = stack.run(job("undisturbed"), lambda step, _, total: counted.update({step: total}))
    assert counted["Decode"] == 1
    assert result["reduced"] == expected["reduced"]
    assert stack.run(job("undisturbed"))["reduced"] == expected["reduced"]


def test_a_job_that_fails_says_why_and_leaves_its_report(stack: MapStack) -> None:
    stack.s3.put_object(Bucket=BUCKET, Key="broken/broken.mp4", Body=b"\0" * 5000)
    with pytest.raises(JobError, match="JobIncomplete"):
        stack.run(job("failed", videos=f"s3://{BUCKET}/broken/"))
    summary = json.loads(stack.s3.get_object(Bucket=BUCKET, Key="failed/_job/summary.json")["Body"].read())
    assert [failure["video"] for failure in summary["failures"]] == [f"s3://{BUCKET}/broken/broken.mp4"]
    page = stack.s3.get_object(Bucket=BUCKET, Key="failed/report.html")["Body"].read().decode()
    assert "broken.mp4" in page


def test_videos_that_cannot_be_had_cost_their_own_results_alone(stack: MapStack, expected: dict[str, Any]) -> None:
    listed = [f"s3://{BUCKET}/films/{recipe.name}" for recipe in VIDEOS]
    stack.s3.put_object(Bucket=BUCKET, Key="cut-off.mp4", Body=b"\0" * 5000)
    bad = [f"s3://{BUCKET}/cut-off.mp4", f"s3://{BUCKET}/missing.mp4", "https://host.invalid/dead.mp4", "ftp"]
    stack.s3.put_object(Bucket=BUCKET, Key="list.txt", Body="\n".join([*bad, *listed]).encode())
    videos = {"manifest": f"s3://{BUCKET}/list.txt"}
    with pytest.raises(JobError, match="JobIncomplete"):
        stack.run(job("among-bad", videos=videos))
    summary = json.loads(stack.s3.get_object(Bucket=BUCKET, Key="among-bad/_job/summary.json")["Body"].read())
    assert {failure["video"] for failure in summary["failures"]} == {*bad[:3], f"s3://{BUCKET}/list.txt line 4"}
    result = stack.run(job("among-bad", videos=videos, tolerated_failure_percentage=40))
    assert (result["reduced"], result["failed_videos"]) == (expected["reduced"], 4)


def results(stack: MapStack, place: str) -> dict[str, bytes]:
    """All pictures or arrays of each video below a place, in the order of rows, however the video was cut."""
    found: dict[str, bytes] = {}
    bucket, _, prefix = place.removeprefix("s3://").partition("/")
    for item in stack.s3.list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]:
        key = item["Key"]
        if "/_job/" not in key and key.endswith((".png", ".npy")):
            data = stack.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
            data = np.load(io.BytesIO(data)).tobytes() if key.endswith(".npy") else data
            video = key.removeprefix(prefix).partition(".mp4")[0]
            found[video] = found.get(video, b"") + data
    return found


def test_several_results_of_one_decode_are_those_of_their_jobs_and_state_the_times_asked_for(stack: MapStack) -> None:
    shared = {"reduce": None, "frames": {"every_seconds": 0.7}}
    forms = {"wide": {"size": {"max_side": 96}, "format": "png"}, "small": {"size": {"max_side": 48}, "format": "npy"}}
    for name, form in forms.items():
        assert stack.run(job(f"alone-{name}", **shared, **form))["complete"]
    stack.s3.create_bucket(Bucket="pictures")
    places = {"wide": "s3://pictures/wide/", "small": f"s3://{BUCKET}/together/small/"}
    outputs = [{"output": places[name], **form} for name, form in forms.items()]
    answer = stack.run(job("together", **shared, outputs=outputs))
    assert answer["complete"]
    assert answer["pieces"] > len(VIDEOS)  # some are cut
    for name in forms:
        together = results(stack, places[name])
        assert len(together) == len(VIDEOS)
        assert together == results(stack, f"s3://{BUCKET}/alone-{name}/")
    found = json.loads(stack.s3.get_object(Bucket=BUCKET, Key="together/_manifest.json")["Body"].read())
    asked: dict[str, list[float]] = {}
    for piece in found["results"]:
        key = piece["manifest"].removeprefix("s3://pictures/")
        frames = json.loads(stack.s3.get_object(Bucket="pictures", Key=key)["Body"].read())["frames"]
        assert all(shown <= one < shown + 0.1 for shown, one in zip(frames["timestamps"], frames["asked"], strict=True))
        asked.setdefault(piece["video"], []).extend(frames["asked"])
    assert len(asked) == len(VIDEOS)
    for times in asked.values():
        assert sorted(times) == pytest.approx([times[0] + 0.7 * n for n in range(len(times))])


def test_a_job_that_makes_no_sense_fails_at_once(stack: MapStack) -> None:
    with pytest.raises(JobError, match="BadRequest"):
        stack.run(job("senseless", frames="0:0"))
