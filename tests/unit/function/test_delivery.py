"""Events of AWS services: which requests they stand for, and what Lambda is told in the end."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from function.errors import BadRequest, FunctionError, Outcome, SourceNotFound, SourceUnavailable, UnsupportedMedia
from function.triggers.delivery import Ignored, Refused, Request, direct, parse
from tests.unit.function.delivered import (
    BUSY,
    GONE,
    ON_UPLOAD,
    PLAIN,
    environment,
    in_turn,
    messages,
    only,
    picture,
    refusal,
)
from tests.unit.function.deliveries import (
    event_bridge,
    fifo_batch,
    http_get,
    http_request,
    rest_request,
    s3_batch,
    s3_notification,
    s3_record,
    s3_task,
    s3_test_event,
    sns_envelope,
    sns_event,
    sqs_batch,
)

KEYS = [
    "clip.mp4",
    "my video (1).mp4",
    "my+video%281%29.mp4",
    "100% + more.mp4",
    "%2e%2e%2f.mp4",
    "a%2520b.mp4",
    "%zz.mp4",
    unicodedata.normalize("NFC", "Übung.mp4"),
    unicodedata.normalize("NFD", "Übung.mp4"),
    "映画/第1話.mp4",
    "/leading/slash.mp4",
    "//two.mp4",
    "a/../b.mp4",
    "./a.mp4",
    "-i",
    "$(reboot);`x`|y.mp4",
    "two\nlines.mp4",
    "{bucket}/{key}.mp4",
    "q?x=1#frag&y.mp4",
    "\N{PILE OF POO}.mp4",
]


# A request itself


@pytest.mark.parametrize(
    "event", [PLAIN, {}, {"source": "x"}, {"Event": "x"}, {"requestContext": 1}, {"Type": "Notification"}]
)
def test_an_event_that_is_no_news_is_the_request_itself(event: dict[str, Any]) -> None:
    delivery = parse(event, {})
    assert (delivery.form, delivery.items) == (direct, (Request(event),))
    assert delivery.answer(in_turn([{"objects": 1}])) == {"objects": 1}
    with pytest.raises(SourceNotFound):
        delivery.answer(in_turn([GONE]))


@pytest.mark.parametrize("event", [None, "text", 7, True])
def test_an_event_that_is_no_object_is_refused(event: object) -> None:
    with pytest.raises(BadRequest, match="must be a JSON object"):
        parse(event, {}).answer(in_turn([]))


# S3 and EventBridge


@pytest.mark.parametrize("key", KEYS)
def test_the_key_of_an_upload_is_exactly_the_objects(key: str) -> None:
    for event in (s3_notification(s3_record(key)), event_bridge(key)):
        request = only(parse(event, environment(output="s3://results/x.jpg")))
        assert isinstance(request, Request)
        assert request.event["video"] == {"bucket": "uploads", "key": key}
        assert request.key == f"s3://uploads/{key}"


def test_a_key_is_decoded_once_in_notifications_and_never_in_eventbridge() -> None:
    record = s3_record("x")
    record["s3"]["object"]["key"] = "my+video%2B%25281%2529.mp4"
    assert only(parse(s3_notification(record), environment())).event["video"]["key"] == "my video+%281%29.mp4"
    assert (
        only(parse(event_bridge("my+video%281%29.mp4"), environment())).event["video"]["key"] == "my+video%281%29.mp4"
    )


def test_the_version_is_the_one_announced() -> None:
    for event in (
        s3_notification(s3_record("a.mp4", versionId="v7", eTag="e7")),
        event_bridge("a.mp4", **{"version-id": "v7", "etag": "e7"}),
    ):
        request = only(parse(event, environment()))
        assert request.event["video"] == {"bucket": "uploads", "key": "a.mp4", "version_id": "v7"}


@pytest.mark.parametrize("version", [None, "", "null"])
def test_without_a_version_none_is_asked_for(version: str | None) -> None:
    event = s3_notification(s3_record("a.mp4", versionId=version, eTag=None))
    assert only(parse(event, environment())).event["video"] == {"bucket": "uploads", "key": "a.mp4"}


@pytest.mark.parametrize("name", ["Put", "Post", "Copy", "CompleteMultipartUpload", "Future"])
def test_every_way_to_create_an_object_counts(name: str) -> None:
    for prefix in ("", "s3:"):
        event = s3_notification(s3_record("a.mp4", name=f"{prefix}ObjectCreated:{name}"))
        assert isinstance(only(parse(event, environment())), Request)


@pytest.mark.parametrize(
    "event",
    [
        *(
            s3_notification(s3_record("a.mp4", name=name))
            for name in (
                "ObjectRemoved:Delete",
                "ObjectRemoved:DeleteMarkerCreated",
                "ObjectRestore:Completed",
                "ObjectTagging:Put",
                "LifecycleExpiration:Delete",
                "ReducedRedundancyLostObject",
            )
        ),
        event_bridge("a.mp4", name="Object Deleted"),
        event_bridge("a.mp4", name="Object Tags Added"),
        event_bridge("folder/"),
        s3_test_event(),
    ],
)
def test_what_makes_no_video_is_ignored_with_a_reason_and_without_configuration(event: dict[str, Any]) -> None:
    variables = environment() if event.get("detail-type") == "Object Created" else {}
    delivery = parse(event, variables)
    item = only(delivery)
    assert isinstance(item, Ignored)
    assert item.reason
    assert delivery.requests == ()
    assert delivery.answer(in_turn([])) == {"results": [{"key": item.key, "ignored": item.reason}]}


def test_a_missing_configuration_says_what_to_set() -> None:
    delivery = parse(s3_notification(s3_record("a.mp4")), {})
    assert "HWANG_ON_UPLOAD: is not set" in refusal(delivery)
    with pytest.raises(BadRequest):
        delivery.answer(in_turn([]))


def test_the_results_of_uploads_are_a_list_with_their_uris() -> None:
    delivery = parse(
        s3_notification(s3_record("a.mp4"), s3_record("b/", bucket="b"), s3_record("c.mp4")), environment()
    )
    assert [request.key for request in delivery.requests] == ["s3://uploads/a.mp4", "s3://uploads/c.mp4"]
    assert delivery.answer(in_turn([{"objects": 1}, {"objects": 2}])) == {
        "results": [
            {"key": "s3://uploads/a.mp4", "result": {"objects": 1}},
            {"key": "s3://b/b/", "ignored": "it stands for a folder"},
            {"key": "s3://uploads/c.mp4", "result": {"objects": 2}},
        ]
    }


def test_a_failed_upload_is_raised_so_that_lambda_tries_again_and_keeps_it() -> None:
    for event in (s3_notification(s3_record("a.mp4")), event_bridge("a.mp4")):
        with pytest.raises(SourceNotFound):
            parse(event, environment()).answer(in_turn([GONE]))


def test_of_several_failures_the_one_that_may_pass_is_raised() -> None:
    delivery = parse(s3_notification(*(s3_record(key) for key in "abc")), environment())
    with pytest.raises(SourceUnavailable):
        delivery.answer(in_turn([GONE, {"objects": 1}, BUSY]))
    with pytest.raises(SourceNotFound):
        delivery.answer(in_turn([{"objects": 1}, GONE, GONE]))


# Other sources, wrong types


@pytest.mark.parametrize(
    "event",
    [
        {"Records": [{"EventSource": "aws:sns", "EventVersion": "1.0", "Sns": {"Message": "frames, please"}}]},
        {"Records": [{"EventSource": "aws:sns", "EventVersion": "1.0", "Sns": {"MessageId": "i", "Message": "[]"}}]},
        {"Records": [{"eventSource": "aws:dynamodb"}]},
        {"Records": []},
        {"Records": {}},
        {"Records": "x"},
        {"Records": [7]},
        {"Records": [{"eventSource": ["aws:s3"]}]},
        {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}},
        {"detail-type": "Object Created"},
    ],
)
def test_news_of_others_is_refused(event: dict[str, Any]) -> None:
    delivery = parse(event, environment())
    assert refusal(delivery)
    with pytest.raises(BadRequest):
        delivery.answer(in_turn([]))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("eventName",), None),
        (("eventName",), 7),
        (("s3",), None),
        (("s3",), "x"),
        (("s3", "bucket"), []),
        (("s3", "bucket", "name"), None),
        (("s3", "object"), 1.5),
        (("s3", "object", "key"), None),
        (("s3", "object", "key"), ["a"]),
        (("s3", "object", "key"), "%ff.mp4"),
        (("s3", "object", "versionId"), 7),
    ],
)
def test_a_record_of_wrong_types_is_refused_with_the_place(path: tuple[str, ...], value: object) -> None:
    record = s3_record("a.mp4")
    parent = record
    for name in path[:-1]:
        parent = parent[name]
    parent[path[-1]] = value
    assert ".".join(path) in refusal(parse(s3_notification(record), environment()))


def test_one_wrong_record_does_not_keep_the_others_from_their_work() -> None:
    delivery = parse(s3_notification(s3_record("a.mp4"), {"eventSource": "aws:s3"}), environment())
    assert [type(item) for item in delivery.items] == [Request, Refused]


def test_a_refusal_is_one_line_without_secrets() -> None:
    event = {"Records": [{"eventSource": "https://u:word@h/v?token=topsecret\n" + "x" * 1000}]}
    item = only(parse(event, {}))
    assert "topsecret" not in item.error.report("id")
    assert "word" not in item.error.report("id")
    assert len(item.error.message) <= 300
    assert len(item.error.report("id")) < 1000


# What is no video


NO_VIDEO = UnsupportedMedia("video: s3://uploads/notes.txt is no video")


def test_an_upload_that_is_no_video_is_an_outcome_and_fails_nothing() -> None:
    delivery = parse(s3_notification(s3_record("a.mp4"), s3_record("notes.txt"), s3_record("b.mp4")), environment())
    first, second, third = delivery.answer(in_turn([{"objects": 1}, NO_VIDEO, {"objects": 2}]))["results"]
    assert (first["result"], third["result"]) == ({"objects": 1}, {"objects": 2})
    assert second == {"key": "s3://uploads/notes.txt", "error": NO_VIDEO.facts()}
    for event in (s3_notification(s3_record("notes.txt")), event_bridge("notes.txt")):
        assert [*parse(event, environment()).answer(in_turn([NO_VIDEO]))["results"][0]] == ["key", "error"]
    with pytest.raises(SourceUnavailable):
        delivery.answer(in_turn([{"objects": 1}, NO_VIDEO, BUSY]))


def test_a_request_whose_video_is_none_fails() -> None:
    for event in (PLAIN, sns_event(PLAIN)):
        with pytest.raises(UnsupportedMedia):
            parse(event, {}).answer(in_turn([NO_VIDEO]))
    assert messages(parse(sqs_batch(PLAIN), {}), [NO_VIDEO]) == ["m0"]


# SNS


@pytest.mark.parametrize(
    ("message", "video", "key"),
    [
        (PLAIN, PLAIN["video"], "mail-1"),
        (s3_notification(s3_record("a b.mp4")), {"bucket": "uploads", "key": "a b.mp4"}, "s3://uploads/a b.mp4"),
        (event_bridge("a b.mp4"), {"bucket": "uploads", "key": "a b.mp4"}, "s3://uploads/a b.mp4"),
    ],
)
def test_sns_invokes_the_function_with_a_request_or_news(message: object, video: object, key: str) -> None:
    delivery = parse(sns_event(message, "mail-1"), environment())
    request = only(delivery)
    assert (request.event["video"], request.key) == (video, key)
    assert delivery.answer(in_turn([{"objects": 1}])) == {"results": [{"key": key, "result": {"objects": 1}}]}
    with pytest.raises(SourceUnavailable):
        delivery.answer(in_turn([BUSY]))


def test_the_test_event_of_s3_by_way_of_sns_is_ignored() -> None:
    delivery = parse(sns_event(s3_test_event(), "mail-1"), {})
    assert [*delivery.answer(in_turn([]))["results"][0]] == ["key", "ignored"]


# EventBridge: Pipes, input transformers


def test_pipes_send_an_array_of_messages_and_are_told_which_failed() -> None:
    piped = sqs_batch(PLAIN, s3_notification(s3_record("a b.mp4")), "no json")["Records"]
    delivery = parse(piped, environment())
    assert [request.event["video"] for request in delivery.requests] == [
        PLAIN["video"],
        {"bucket": "uploads", "key": "a b.mp4"},
    ]
    assert messages(delivery, [BUSY, {}]) == ["m0", "m2"]


@pytest.mark.parametrize(
    ("item", "video"),
    [
        (PLAIN, PLAIN["video"]),
        (json.dumps(PLAIN), PLAIN["video"]),
        (s3_record("a b.mp4"), {"bucket": "uploads", "key": "a b.mp4"}),
        (s3_notification(s3_record("a b.mp4")), {"bucket": "uploads", "key": "a b.mp4"}),
        (event_bridge("a b.mp4"), {"bucket": "uploads", "key": "a b.mp4"}),
        (sns_envelope(s3_notification(s3_record("a b.mp4"))), {"bucket": "uploads", "key": "a b.mp4"}),
    ],
)
def test_an_input_transformer_of_a_pipe_makes_requests_or_news_of_its_messages(item: object, video: object) -> None:
    delivery = parse([item, item], environment())
    assert [request.event["video"] for request in delivery.requests] == [video, video]
    assert [told["result"] for told in delivery.answer(in_turn([{}, {"objects": 1}]))["results"]] == [
        {},
        {"objects": 1},
    ]
    with pytest.raises(SourceUnavailable):
        delivery.answer(in_turn([{}, BUSY]))


@pytest.mark.parametrize("event", [[], [7], [None], [[PLAIN]], ["frames, please"]])
def test_an_array_of_something_else_is_refused(event: list[object]) -> None:
    delivery = parse(event, environment())
    assert refusal(delivery)
    with pytest.raises(BadRequest):
        delivery.answer(in_turn([]))


def test_an_input_transformer_of_a_rule_makes_a_request() -> None:
    assert parse(PLAIN, {}).requests == (Request(PLAIN),)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
SHAPES = [
    s3_notification(s3_record("a.mp4")),
    s3_test_event(),
    event_bridge("a.mp4"),
    sqs_batch(PLAIN, sns_envelope(s3_notification(s3_record("a.mp4")))),
    http_request(PLAIN),
    http_get("video=s3://uploads/a.mp4&at=1.5&format=webp"),
    rest_request(PLAIN),
    rest_request(None, "GET", {"video": "s3://uploads/a.mp4", "row": "1"}),
    sns_event(s3_notification(s3_record("a.mp4"))),
    fifo_batch(("m0", "a", PLAIN), ("m1", "a", "no json")),
    [*sqs_batch(PLAIN)["Records"], s3_record("a.mp4"), PLAIN],
    s3_batch(s3_task("a.mp4"), s3_task("b.mp4", "task-2", version="2.0"), version="2.0", request=json.dumps(ON_UPLOAD)),
    {"HWANG_ON_UPLOAD": "x"},
]


def damaged(data: st.DataObject, value: Any) -> Any:
    """The value with something inside replaced."""
    if isinstance(value, dict) and value and data.draw(st.booleans()):
        name = data.draw(st.sampled_from(sorted(value)))
        return value | {name: damaged(data, value[name])}
    if isinstance(value, list) and value and data.draw(st.booleans()):
        return [damaged(data, value[0]), *value[1:]]
    return data.draw(JSON)


@given(st.data(), st.sampled_from(SHAPES), st.text() | st.just(json.dumps(ON_UPLOAD)))
def test_any_event_and_configuration_gives_requests_or_typed_errors(
    data: st.DataObject, shape: Any, variable: str
) -> None:
    delivery = parse(damaged(data, shape), {"HWANG_ON_UPLOAD": variable, "HWANG_GET_PREFIXES": "s3://uploads/"})
    ends: list[Outcome] = [picture("image/webp"), GONE, BUSY, NO_VIDEO]
    try:
        json.dumps(delivery.answer(lambda _: data.draw(st.sampled_from(ends))))
    except FunctionError as error:
        assert error.message.isprintable()  # noqa: PT017 - not every event fails
