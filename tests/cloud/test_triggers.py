"""Events as triggers send them: news of uploads, queues, HTTP; each gets the answer that its sender understands.

E8, E10 and E11 of docs/robustness.md. What is done with an upload is in the function's environment.
"""

from __future__ import annotations

import base64
import io
import json
import urllib.parse
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from local.stack import aws_client
from tests.cloud.asked import OK, SMALL_URI, Asked, Put, check_report
from tests.cloud.conftest import GOOD_ROW
from tests.cloud.function import Answer, Function
from tests.cloud.postconditions import Postconditions
from tests.cloud.stack import RESULTS, VIDEOS, FaultStack
from tests.support.faults.client import Faults

DELIVERIES = 10
ON_UPLOAD = "on-upload/"
WATCHED = {
    "HWANG_ON_UPLOAD": json.dumps({"frames": [GOOD_ROW], "output": f"s3://{RESULTS}/{ON_UPLOAD}{{key}}.npy"}),
    "HWANG_GET_PREFIXES": f"s3://{VIDEOS}/",
}


@pytest.fixture
def asked(function: Function, put: Put, after: Postconditions, prefix: str) -> Asked:
    return Asked(function, after, prefix, put)


@pytest.fixture
def uploads(stack: FaultStack) -> Iterator[str]:
    """Where WATCHED puts its results; they are gone after the test."""
    yield ON_UPLOAD
    for item in stack.s3.list_objects_v2(Bucket=RESULTS, Prefix=ON_UPLOAD).get("Contents", []):
        stack.s3.delete_object(Bucket=RESULTS, Key=item["Key"])


def s3_record(bucket: str, key: str, name: str = "ObjectCreated:Put") -> dict[str, Any]:
    """S3 encodes a key as forms do."""
    described = {
        "bucket": {"name": bucket},
        "object": {"key": urllib.parse.quote_plus(key), "size": 1, "eTag": "0" * 32},
    }
    return {"eventVersion": "2.1", "eventSource": "aws:s3", "eventName": name, "s3": described}


def notification(*records: object) -> dict[str, Any]:
    return {"Records": list(records)}


def bridged(bucket: str, key: str, kind: str = "Object Created", source: str = "aws.s3") -> dict[str, Any]:
    detail = {"version": "0", "bucket": {"name": bucket}, "object": {"key": key, "etag": "0" * 32}}
    return {"version": "0", "source": source, "detail-type": kind, "detail": detail}


def message(name: str, body: object) -> dict[str, Any]:
    return {"messageId": name, "eventSource": "aws:sqs", "body": body if isinstance(body, str) else json.dumps(body)}


def posted(body: object, method: str = "POST", encoded: bool = False) -> dict[str, Any]:
    text = body if isinstance(body, str) else json.dumps(body)
    return {
        "version": "2.0",
        "requestContext": {"http": {"method": method, "path": "/"}},
        "body": base64.b64encode(text.encode()).decode() if encoded else text,
        "isBase64Encoded": encoded,
    }


def key_of(uri: str) -> str:
    return uri.removeprefix(f"s3://{VIDEOS}/")


def check_uploads(asked: Asked, answer: Answer, uris: Sequence[str], results: Sequence[dict[str, Any]]) -> None:
    """Each video has its result, exact, where the environment says."""
    for uri, result in zip(uris, results, strict=True):
        output = f"s3://{RESULTS}/{ON_UPLOAD}{key_of(uri)}.npy"
        assert [item["uri"] for item in result["output"]] == [output]
        np.testing.assert_array_equal(asked.function.stored_array(output), asked.truth()[[GOOD_ROW]])
        replace(asked.after, prefix=f"{ON_UPLOAD}{key_of(uri)}").succeeded(
            Answer(result, answer.seconds), touched=asked.touched
        )


@pytest.mark.limits(environment=WATCHED)
def test_news_of_uploads_become_requests(asked: Asked, uploads: str) -> None:  # noqa: ARG001
    """E8: several at once, with a key that S3 encodes."""
    small = asked.function.stored(SMALL_URI)
    uris = [asked.video(small, key) for key in ("plain.mp4", "my video+(1) \N{FILM FRAMES} 100%.mp4")]
    answer = asked.function.invoke(notification(*(s3_record(VIDEOS, key_of(uri)) for uri in uris)))
    assert answer.code == OK, answer.value
    assert [told["key"] for told in answer.value["results"]] == uris
    check_uploads(asked, answer, uris, [told["result"] for told in answer.value["results"]])


@pytest.mark.limits(environment=WATCHED)
def test_events_of_eventbridge_become_requests(asked: Asked, uploads: str) -> None:  # noqa: ARG001
    """E8: their keys are not encoded."""
    uri = asked.video(asked.function.stored(SMALL_URI), "a+b%20c.mp4")
    answer = asked.function.invoke(bridged(VIDEOS, key_of(uri)))
    assert answer.code == OK, answer.value
    check_uploads(asked, answer, [uri], [answer.value["results"][0]["result"]])


@pytest.mark.limits(environment=WATCHED)
def test_a_text_among_uploads_by_sns_is_an_outcome_and_the_video_has_its_result(asked: Asked, uploads: str) -> None:  # noqa: ARG001
    """E8: also as tasks of S3 Batch Operations, where each has a result of its own."""
    video, text = asked.video(asked.function.stored(SMALL_URI), "one.mp4"), asked.video(b"no video " * 100, "notes.txt")
    news = notification(s3_record(VIDEOS, key_of(text)), s3_record(VIDEOS, key_of(video)))
    sns = {"EventSource": "aws:sns", "EventVersion": "1.0", "Sns": {"MessageId": "mail-1", "Message": json.dumps(news)}}
    answer = asked.function.invoke({"Records": [sns]})
    assert answer.code == OK, answer.value
    of_text, of_video = answer.value["results"]
    assert (of_text["key"], of_text["error"]["code"]) == (text, "UnsupportedMedia")
    check_uploads(asked, answer, [video], [of_video["result"]])
    tasks = [
        {"taskId": name, "s3Key": key, "s3VersionId": None, "s3BucketArn": f"arn:aws:s3:::{VIDEOS}"}
        for name, key in (("1", key_of(video)), ("2", key_of(text)), ("3", "missing.mp4"))
    ]
    batch = {"invocationSchemaVersion": "1.0", "invocationId": "i", "job": {"id": "j"}, "tasks": tasks}
    results = asked.function.invoke(batch).value["results"]
    assert [result["resultCode"] for result in results] == ["Succeeded", "PermanentFailure", "PermanentFailure"]
    assert results[0]["resultString"] == f"s3://{RESULTS}/{ON_UPLOAD}{key_of(video)}.npy.manifest.json"


@pytest.mark.limits(environment=WATCHED)
def test_a_get_is_answered_with_a_picture_of_an_allowed_video(asked: Asked, faults: Faults) -> None:
    """E8: nothing of another video is asked for, and errors are those of a POST."""

    def get(query: str) -> dict[str, Any]:
        return asked.function.invoke(posted("", "GET") | {"rawQueryString": query}).value

    answer = get(f"video={SMALL_URI}&row={GOOD_ROW}&format=png")
    assert (answer["statusCode"], answer["headers"]["content-type"]) == (200, "image/png"), answer
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(answer["body"]))))
    np.testing.assert_array_equal(picture, asked.truth()[GOOD_ROW])
    small = get(f"video={SMALL_URI}&at=0.2&max_side=32")
    assert Image.open(io.BytesIO(base64.b64decode(small["body"]))).size[0] == 32
    assert small["headers"]["etag"] != answer["headers"]["etag"]
    assert get(f"video=s3://{VIDEOS}/missing.mp4")["statusCode"] == 404
    faults.clear()
    assert get("video=s3://versioned/clip.mp4")["statusCode"] == 403
    assert faults.log() == []


IGNORED = {
    "E8-test-event": {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": VIDEOS},
    "E8-removed": notification(s3_record(VIDEOS, "small.mp4", "ObjectRemoved:Delete")),
    "E8-folder": notification(s3_record(VIDEOS, "folder/")),
    "E8-deleted": bridged(VIDEOS, "small.mp4", "Object Deleted"),
    "E8-test-event-queued": {"Records": [message("m1", {"Service": "Amazon S3", "Event": "s3:TestEvent"})]},
}


@pytest.mark.limits(environment=WATCHED)
@pytest.mark.parametrize("event", IGNORED.values(), ids=IGNORED.keys())
def test_news_of_nothing_new_are_ignored(event: object, asked: Asked, faults: Faults) -> None:
    answer = asked.function.invoke(event)
    assert answer.code == OK, answer.value
    if "batchItemFailures" in answer.value:
        assert answer.value == {"batchItemFailures": []}
    else:
        assert [set(told) for told in answer.value["results"]] == [{"key", "ignored"}]
    assert faults.log() == [], "nothing is read or written"
    asked.hold(answer)


@pytest.mark.limits(environment=WATCHED)
def test_of_a_batch_only_what_failed_comes_again(asked: Asked, uploads: str) -> None:  # noqa: ARG001
    """E8: requests, news and news by way of SNS, good and bad."""
    small = asked.function.stored(SMALL_URI)
    uris = [asked.video(small, key) for key in ("one.mp4", "two.mp4")]
    request = {"video": SMALL_URI, "frames": [3], "output": f"{asked.output}direct.npy"}
    news = [notification(s3_record(VIDEOS, key_of(uri))) for uri in uris]
    by_sns = {"Type": "Notification", "TopicArn": "arn:aws:sns:us-east-1:0:t", "Message": json.dumps(news[1])}
    batch = [
        message("good", request),
        message("no json", "frames, please"),
        message("news", news[0]),
        message("missing", {**request, "video": f"s3://{VIDEOS}/missing.mp4"}),
        message("by SNS", by_sns),
        message("wrong", {**request, "frames": []}),
        message("half", notification(s3_record(VIDEOS, key_of(uris[0])), s3_record(VIDEOS, "missing.mp4"))),
        message("elsewhere", {"Records": [{"eventSource": "aws:dynamodb"}]}),
    ]
    answer = asked.function.invoke({"Records": batch})
    failed = ["no json", "missing", "wrong", "half", "elsewhere"]
    assert answer.value == {"batchItemFailures": [{"itemIdentifier": name} for name in failed]}
    np.testing.assert_array_equal(asked.function.stored_array(f"{asked.output}direct.npy"), asked.truth()[[3]])
    for uri in uris:
        stored = asked.function.stored_array(f"s3://{RESULTS}/{ON_UPLOAD}{key_of(uri)}.npy")
        np.testing.assert_array_equal(stored, asked.truth()[[GOOD_ROW]])
    asked.hold(answer)


@pytest.mark.limits(environment=WATCHED)
@pytest.mark.parametrize(
    ("event", "named"),
    [
        pytest.param(bridged(VIDEOS, "small.mp4", source="aws.ec2"), "aws.ec2", id="E8-other-source"),
        pytest.param({"Records": []}, "Records", id="E8-no-records"),
        pytest.param({"Records": [{"eventSource": "aws:kinesis"}]}, "aws:kinesis", id="E8-kinesis"),
        pytest.param({"Records": [7]}, "Records", id="E8-no-record"),
        pytest.param(notification({"eventSource": "aws:s3"}), "s3", id="E8-no-key"),
        pytest.param({"Records": [{**message("", {}), "messageId": 7}]}, "", id="E8-no-message-id"),
    ],
)
def test_what_no_trigger_sends_is_refused(event: object, named: str, asked: Asked) -> None:
    asked.refused(asked.function.invoke(event), ["BadRequest"], named)


@pytest.mark.limits(environment=WATCHED)
def test_an_upload_that_cannot_be_read_is_an_error(asked: Asked) -> None:
    """E8: so that Lambda tries again, and keeps the event where it is told to."""
    answer = asked.function.invoke(notification(s3_record(VIDEOS, "missing.mp4")))
    asked.refused(answer, ["SourceNotFound"], "missing.mp4")


def test_an_upload_without_a_configuration_is_refused(asked: Asked) -> None:
    """E8"""
    asked.refused(
        asked.function.invoke(notification(s3_record(VIDEOS, "small.mp4"))), ["BadRequest"], "HWANG_ON_UPLOAD"
    )


GOOD = {"video": SMALL_URI, "frames": [3], "format": "inline"}
HTTP = {
    "E8-url-good": (posted(GOOD), 200, None),
    "E8-url-base64": (posted(GOOD, encoded=True), 200, None),
    "E8-url-get": (posted("", "GET"), 400, "BadRequest"),
    "E8-url-empty": (posted(""), 400, "BadRequest"),
    "E8-url-no-json": (posted("frames, please"), 400, "BadRequest"),
    "E8-url-nan": (posted({**GOOD, "frames": {"timestamps": [float("nan")]}}), 400, "BadRequest"),
    "E8-url-deep": (posted("[" * 100_000), 400, "BadRequest"),
    "E8-url-list": (posted([GOOD]), 400, "BadRequest"),
    "E8-url-out-of-range": (posted({**GOOD, "frames": [40]}), 400, "FrameOutOfRange"),
    "E8-url-blocked": (posted({**GOOD, "video": "https://169.254.169.254/?secret"}), 403, "SourceBlocked"),
    "E8-url-denied": (posted({**GOOD, "video": "s3://denied/x.mp4"}), 403, "SourceForbidden"),
    "E8-url-missing": (posted({**GOOD, "video": f"s3://{VIDEOS}/missing.mp4"}), 404, "SourceNotFound"),
    "E8-url-large": (posted({**GOOD, "frames": [0] * 1000}), 413, "LimitExceeded"),
}


@pytest.mark.parametrize(("event", "status", "code"), HTTP.values(), ids=HTTP.keys())
def test_http_requests_get_a_status(event: object, status: int, code: str | None, asked: Asked) -> None:
    answer = asked.function.invoke(event)
    assert answer.value["statusCode"] == status, answer.value
    assert answer.value["headers"]["content-type"] == "application/json"
    body = json.loads(answer.value["body"])
    if code:
        assert set(body) == {"code", "message", "retryable", "detail", "request_id"}
        assert body["code"] == code
        assert "secret" not in json.dumps(body)
    else:
        assert body["inline"]["shape"] == [1, 96, 160, 3]
    asked.hold(answer)


def guard(output: str, **more: object) -> dict[str, str]:
    return {"HWANG_ON_UPLOAD": json.dumps({"frames": [GOOD_ROW], "output": output, **more})}


@pytest.mark.parametrize(
    "case",
    [
        pytest.param("in", marks=pytest.mark.limits(environment=guard("s3://{bucket}/out/{key}.npy")), id="E10-bucket"),
        pytest.param(
            "in",
            marks=pytest.mark.limits(environment=guard("s3://{bucket}/in/{key}.npy", prefix="in/")),
            id="E10-prefix",
        ),
        pytest.param(
            "in", marks=pytest.mark.limits(environment=guard("s3://{bucket}/{key}.npy", prefix="in/")), id="E10-key"
        ),
    ],
)
def test_an_output_that_would_start_the_function_again_is_refused(case: str, asked: Asked) -> None:
    answer = asked.function.invoke(notification(s3_record(VIDEOS, f"{case}/small.mp4")))
    asked.refused(answer, ["BadRequest"], "output", "again and again")


@pytest.mark.limits(environment=guard("s3://{bucket}/out/{name}.npy", prefix="in/"))
def test_another_prefix_of_the_same_bucket_is_allowed(asked: Asked) -> None:
    """E10: the guard lets it pass; that this function may not write there is another matter."""
    answer = asked.function.invoke(notification(s3_record(VIDEOS, "in/small.mp4")))
    check_report(answer, ["OutputForbidden", "SourceNotFound"])
    asked.hold(answer)


def kept(asked: Asked) -> dict[str, object]:
    return {"video": SMALL_URI, "frames": [3, 5], "output": f"{asked.output}x.npy", "if_exists": "keep"}


def check_one_result(asked: Asked, values: Sequence[dict[str, Any]]) -> None:
    assert [value.get("errorType", OK) for value in values] == [OK] * DELIVERIES, values
    assert len({value["request"] for value in values}) == 1
    assert len({value["output"][0]["sha256"] for value in values}) == 1
    assert len(asked.function.keys(asked.prefix)) == 2
    np.testing.assert_array_equal(asked.function.stored_array(f"{asked.output}x.npy"), asked.truth()[[3, 5]])


def test_an_event_delivered_again_and_again_is_one_result(asked: Asked) -> None:
    """E11"""
    answers = [asked.function.invoke(kept(asked)) for _ in range(DELIVERIES)]
    check_one_result(asked, [answer.value for answer in answers])
    assert [answer.value.get("kept", False) for answer in answers] == [False] + [True] * (DELIVERIES - 1)
    asked.after.succeeded(answers[-1])


def test_an_event_delivered_to_many_at_once_is_one_result(asked: Asked) -> None:
    """E11: to containers of their own, as the emulator takes one request at a time."""
    stack = asked.function.stack
    scale = ("up", "--detach", "--no-deps", "--no-recreate", "--scale")
    stack.compose(*scale, f"function={DELIVERIES}", "function")
    try:
        urls = [
            f"http://{stack.compose('port', '--index', str(number + 1), 'function', '8080').strip()}"
            for number in range(DELIVERIES)
        ]
        stack.wait(60, *urls)
        clients = [aws_client("lambda", url) for url in urls]
        payload = json.dumps(kept(asked)).encode()
        with ThreadPoolExecutor(DELIVERIES) as pool:
            answers = pool.map(lambda client: client.invoke(FunctionName="function", Payload=payload), clients)
            values = [json.load(answer["Payload"]) for answer in answers]
    finally:
        stack.compose(*scale, "function=1", "function")
    check_one_result(asked, values)
    asked.after.succeeded(Answer(values[0], 0))
