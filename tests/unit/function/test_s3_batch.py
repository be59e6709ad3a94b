"""Tasks of S3 Batch Operations: their requests, and a result for each."""

from __future__ import annotations

import json
from typing import Any

import pytest

from function.errors import BadRequest, UnsupportedMedia
from function.triggers.delivery import parse
from tests.unit.function.delivered import BUSY, GONE, environment, in_turn, only
from tests.unit.function.deliveries import s3_batch, s3_task

KEYS = ["clip.mp4", "my video (1).mp4", "100% + more.mp4", "a%2520b.mp4", "映画/第1話.mp4"]


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("key", KEYS)
def test_a_task_becomes_the_request_of_an_upload(version: str, key: str) -> None:
    delivery = parse(s3_batch(s3_task(key, version=version), version=version), environment())
    request = only(delivery)
    assert request.event["video"] == {"bucket": "uploads", "key": key}
    assert (request.event["output"], request.event["if_exists"]) == (f"s3://results/{key}.jpg", "reuse")


def test_the_version_in_the_manifest_is_read() -> None:
    task = s3_task("a.mp4") | {"s3VersionId": "v7"}
    assert only(parse(s3_batch(task), environment())).event["video"]["version_id"] == "v7"


@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_each_task_has_a_result_code(version: str) -> None:
    event = s3_batch(*(s3_task(f"{name}.mp4", name, version=version) for name in "abcd"), version=version)
    no_video = UnsupportedMedia("video: is no video")
    assert parse(event, environment()).answer(in_turn([{"manifest": "s3://results/a.json"}, BUSY, GONE, no_video])) == {
        "invocationSchemaVersion": version,
        "treatMissingKeysAs": "PermanentFailure",
        "invocationId": event["invocationId"],
        "results": [
            {"taskId": "a", "resultCode": "Succeeded", "resultString": "s3://results/a.json"},
            {"taskId": "b", "resultCode": "TemporaryFailure", "resultString": f"SourceUnavailable: {BUSY.message}"},
            {"taskId": "c", "resultCode": "PermanentFailure", "resultString": f"SourceNotFound: {GONE.message}"},
            {"taskId": "d", "resultCode": "PermanentFailure", "resultString": "UnsupportedMedia: video: is no video"},
        ],
    }


def test_a_key_outside_the_prefix_is_done_and_says_why() -> None:
    event = s3_batch(s3_task("out/a.mp4"))
    (told,) = parse(event, environment(prefix="in/")).answer(in_turn([]))["results"]
    assert told["resultCode"] == "Succeeded"
    assert told["resultString"] == "ignored: its key does not begin with the prefix of HWANG_ON_UPLOAD"


def test_the_jobs_own_request_takes_the_place_of_the_configuration() -> None:
    own = json.dumps({"frames": [3], "output": "s3://elsewhere/{stem}.png"})
    event = s3_batch(s3_task("in/a.mp4", version="2.0"), version="2.0", request=own, other="ignored")
    for variables in ({}, environment()):
        request = only(parse(event, variables))
        assert (request.event["frames"], request.event["output"]) == ([3], "s3://elsewhere/a.png")


@pytest.mark.parametrize("text", ["frames, please", "[]", '{"prefix": 1}', '{"output": "s3://out/{foo}"}'])
def test_a_wrong_request_of_the_job_is_a_failure_of_each_task_by_its_name(text: str) -> None:
    event = s3_batch(s3_task("a.mp4", "a"), s3_task("b.mp4", "b"), version="2.0", request=text)
    told = parse(event, environment()).answer(in_turn([]))["results"]
    assert [one["taskId"] for one in told] == ["a", "b"]
    for one in told:
        assert one["resultCode"] == "PermanentFailure"
        assert one["resultString"].startswith("BadRequest: userArguments.request")


@pytest.mark.parametrize("change", [{"s3Key": None}, {"s3Key": "%ff"}, {"s3BucketArn": None}, {"s3VersionId": 7}])
def test_a_task_of_wrong_types_fails_alone(change: dict[str, Any]) -> None:
    event = s3_batch(s3_task("a.mp4", "a") | change, s3_task("b.mp4", "b"))
    told = parse(event, environment()).answer(in_turn([{}]))["results"]
    assert [one["resultCode"] for one in told] == ["PermanentFailure", "Succeeded"]
    assert next(iter(change)) in told[0]["resultString"]


@pytest.mark.parametrize(
    "change",
    [{"tasks": []}, {"tasks": {}}, {"tasks": [7]}, {"tasks": [{}]}, {"invocationId": None}],
)
def test_an_invocation_without_tasks_to_answer_for_is_an_error(change: dict[str, Any]) -> None:
    with pytest.raises(BadRequest):
        parse(s3_batch(s3_task("a.mp4")) | change, environment()).answer(in_turn([]))
