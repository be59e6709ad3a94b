"""The job: what it may say, and that what is kept of it makes the same job again."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from function.errors import BadRequest
from function.models.event import parse_event
from function.models.job import Job

JOB: dict[str, Any] = {"videos": "s3://films/2024/", "frames": {"every_seconds": 2}, "output": "s3://results/run/"}
VIDEOS: list[Any] = [
    "s3://films/",
    "s3://films/2024/",
    ["s3://films/a.mp4", "https://host/b.mp4", {"bucket": "films", "key": "c.mp4", "version_id": "7"}],
    {"manifest": "s3://lists/all.txt"},
]
FRAMES: list[Any] = [
    [3, 1, 2],
    "all",
    "0:100",
    "5::3",
    {"timestamps": [1.5, 2.0]},
    {"every_seconds": 0.5},
    {"keyframes": True},
    {"count": 16},
    "last",
    [0, "last"],
    {"count": 16, "from": 10, "to": -5, "max": 7, "snap": "keyframe", "strict": True},
    {"from": 10},
    {"rows": [0, "last"], "to": 3},
    {"rows": "::5", "max": 3},
    {"rows": [0, "last"], "asked": [0.0, 9.5]},
]


@pytest.mark.parametrize("videos", VIDEOS)
@pytest.mark.parametrize("frames", FRAMES)
def test_what_is_kept_of_a_job_makes_the_same_job(videos: Any, frames: Any) -> None:
    job = Job.model_validate(JOB | {"videos": videos, "frames": frames, "size": {"max_side": 256}, "quality": 80})
    assert Job.model_validate(json.loads(json.dumps(job.document()))) == job


OUTPUTS: list[dict[str, Any]] = [
    {"output": "s3://results/run/wide/", "size": {"max_side": 640}, "quality": 90},
    {"output": "s3://more/sheets/", "format": "sheet"},
]


def test_what_is_kept_of_a_job_with_several_results_makes_the_same_job() -> None:
    job = Job.model_validate(JOB | {"outputs": OUTPUTS, "rotate": False, "quality": 80})
    document = json.loads(json.dumps(job.document()))
    assert document["outputs"] == OUTPUTS
    assert Job.model_validate(document) == job
    assert [one.written_as for one in job.results] == ["jpeg", "sheet"]
    assert [one.quality for one in job.results] == [90, 80]


@pytest.mark.parametrize(
    ("outputs", "told"),
    [
        ([], "must not be empty"),
        ([{"size": {"max_side": 64}}], "outputs[0].output: is required: several results are written, an answer"),
        ([{"output": "s3://results/a.npy"}], "outputs[0].output: of a job is a prefix and ends with a slash"),
        ([{"output": "s3://results/a/", "format": "inline"}], "outputs[0].format: inline answers are lost in a job"),
        ([*OUTPUTS, {"output": "s3://other/b/", "reduce": "sum"}], "outputs[2].reduce: of many videos is one result"),
        ([OUTPUTS[0], OUTPUTS[0]], "outputs[1].output: is another's place"),
        ([{"output": "s3://results/a/b/"}, {"output": "s3://results/a/"}], "outputs[1].output: is another's place"),
        ([{"output": "s3://results/a/"}, {"output": "s3://results/a/b/"}], "outputs[1].output: is another's place"),
        ([{"output": "s3://results/run/_job/x/"}], "outputs[0].output: is another's place; each needs"),
        ([{"output": "s3://results/a/", "if_exists": "keep"}], "outputs[0].if_exists: is not a known field"),
        ([{"output": "s3://results/a/", "format": "png", "quality": 3}], "outputs[0].quality: does not apply to png"),
    ],
)
def test_several_results_that_do_not_go_together_are_refused_by_their_place(outputs: list[Any], told: str) -> None:
    with pytest.raises(BadRequest) as refused:
        parse_event({"action": "list", "job": JOB | {"outputs": outputs}})
    assert told in refused.value.message


@pytest.mark.parametrize("frames", FRAMES)
def test_the_frames_of_a_job_are_kept_as_an_event_has_them(frames: Any) -> None:
    job = Job.model_validate(JOB | {"frames": frames})
    event = {"video": "s3://films/a.mp4", "frames": job.frames_document(), "output": "s3://results/a/"}
    assert getattr(parse_event(event), "frames") == job.frames  # noqa: B009 - of an Event, a Decode


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"videos": "s3://films/2024"}, "slash at its end"),
        ({"videos": []}, "empty"),
        ({"videos": 3}, "must be a prefix"),
        ({"videos": ["ftp"]}, "s3://bucket/key"),
        ({"output": "s3://results/run"}, "ends with a slash"),
        ({"format": "inline"}, "inline"),
        ({"format": "jpeg", "reduce": "sum"}, "reduction"),
        ({"if_exists": "keep"}, "does not apply"),
        ({"part_seconds": 0.5}, "greater than or equal to 1"),
        ({"concurrency": 0}, "greater than or equal to 1"),
        ({"tolerated_failure_percentage": 101}, "less than or equal to 100"),
        ({"frame": "all"}, "frame"),
    ],
)
def test_a_job_that_makes_no_sense_is_refused_with_the_reason(change: dict[str, Any], told: str) -> None:
    with pytest.raises(BadRequest) as refused:
        parse_event({"action": "list", "job": JOB | change})
    assert told in str(refused.value.detail) + refused.value.message
    with pytest.raises(ValidationError):
        Job.model_validate(JOB | change)


def test_pictures_are_made_where_nothing_else_is_said() -> None:
    assert Job.model_validate(JOB).written_as == "jpeg"
    assert Job.model_validate(JOB | {"reduce": "mean"}).written_as == "npy"
