"""Batches of SQS: the requests in their messages, and which messages come again."""

from __future__ import annotations

from typing import Any

import pytest

from function.errors import Outcome, SourceNotFound, UnsupportedMedia
from function.triggers.delivery import Delivery, Refused, Request, parse
from tests.unit.function.delivered import BUSY, GONE, PLAIN, environment, in_turn, messages, only
from tests.unit.function.deliveries import (
    event_bridge,
    fifo_batch,
    s3_notification,
    s3_record,
    s3_test_event,
    sns_envelope,
    sqs_batch,
    sqs_message,
)

# SQS


@pytest.mark.parametrize(
    ("body", "video"),
    [
        (PLAIN, PLAIN["video"]),
        (s3_notification(s3_record("a b.mp4")), {"bucket": "uploads", "key": "a b.mp4"}),
        (event_bridge("a b.mp4"), {"bucket": "uploads", "key": "a b.mp4"}),
        (sns_envelope(PLAIN), PLAIN["video"]),
        (sns_envelope(s3_notification(s3_record("a b.mp4"))), {"bucket": "uploads", "key": "a b.mp4"}),
        (sns_envelope(event_bridge("a b.mp4")), {"bucket": "uploads", "key": "a b.mp4"}),
    ],
)
def test_a_message_holds_a_request_or_news_also_sent_on_by_sns(body: object, video: object) -> None:
    request = only(parse(sqs_batch(body), environment()))
    assert isinstance(request, Request)
    assert (request.event["video"], request.key) == (video, "m0")


@pytest.mark.parametrize("body", [s3_test_event(), sns_envelope(s3_test_event())])
def test_a_message_with_a_test_event_is_done(body: object) -> None:
    assert messages(parse(sqs_batch(body), {}), []) == []


@pytest.mark.parametrize(
    "body",
    [
        "",
        "not json",
        "null",
        "[]",
        "7",
        '"text"',
        '{"frames": NaN}',
        '{"frames": [' + "1" * 5000 + "]}",
        "[" * 100_000,
        '{"a":' * 100_000,
        " " * (9 * 2**20),
        s3_notification(),
        {"Records": None},
        {"Records": [None]},
        {"Records": [{}]},
        s3_notification(s3_record("a.mp4") | {"eventSource": "aws:kinesis"}),
        sqs_batch(PLAIN),
        sns_envelope(sqs_batch(PLAIN)),
        sns_envelope("not json"),
        sns_envelope(PLAIN) | {"Message": None},
        sns_envelope(PLAIN) | {"Message": {"video": 1}},
        event_bridge("a.mp4") | {"source": "aws.ec2"},
        event_bridge("a.mp4") | {"detail": None},
        event_bridge("a.mp4") | {"detail-type": 7},
        {"detail-type": "Scheduled Event", "source": "aws.events", "detail": {}},
    ],
)
def test_a_message_that_makes_no_sense_comes_again_alone(body: object) -> None:
    delivery = parse(sqs_batch(PLAIN, body, PLAIN), environment())
    assert [type(item) for item in delivery.items] == [Request, Refused, Request]
    assert messages(delivery, [{}, {}]) == ["m1"]


def test_an_envelope_is_opened_once() -> None:
    inner = sns_envelope(PLAIN)
    request = only(parse(sqs_batch(sns_envelope(inner)), {}))
    assert request.event == inner  # which the event's own check refuses


def test_only_failed_messages_come_again() -> None:
    delivery = parse(sqs_batch(PLAIN, PLAIN, PLAIN, PLAIN), {})
    assert messages(delivery, [{}, BUSY, {}, GONE]) == ["m1", "m3"]
    assert messages(delivery, [{}, {}, {}, {}]) == []
    assert messages(delivery, [GONE] * 4) == ["m0", "m1", "m2", "m3"]


def test_a_message_with_several_uploads_fails_once_if_any_of_them_does() -> None:
    delivery = parse(sqs_batch(s3_notification(s3_record("a"), s3_record("b"), s3_record("c")), PLAIN), environment())
    assert messages(delivery, [{}, GONE, BUSY, {}]) == ["m0"]


@pytest.mark.parametrize("identifier", [None, "", 7])
def test_a_failed_message_without_an_id_fails_the_batch(identifier: Any) -> None:
    event = {"Records": [sqs_message("m0", PLAIN), sqs_message(identifier, PLAIN)]}
    with pytest.raises(SourceNotFound):
        parse(event, {}).answer(in_turn([{}, GONE]))
    assert messages(parse(event, {}), [GONE, {}]) == ["m0"]


# FIFO queues


def carried_out(delivery: Delivery, ends: dict[str, Outcome]) -> tuple[list[str], list[str]]:
    """The messages that were carried out, and those that come again; `ends` of other messages are results."""
    ran: list[str] = []

    def run(request: Request) -> Outcome:
        ran.append(request.key)
        return ends.get(request.key, {})

    answer = delivery.answer(run)
    return ran, [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def test_what_follows_a_failure_in_its_message_group_is_not_carried_out_and_comes_again() -> None:
    batch = fifo_batch(*((f"{group}{number}", group, PLAIN) for number in range(3) for group in "ab"))
    assert carried_out(parse(batch, {}), {"a1": BUSY}) == (["a0", "b0", "a1", "b1", "b2"], ["a1", "a2"])
    assert carried_out(parse(batch["Records"], {}), {"a1": BUSY}) == (["a0", "b0", "a1", "b1", "b2"], ["a1", "a2"])
    assert carried_out(parse(batch, {}), {"a0": GONE, "b2": BUSY}) == (
        ["a0", "b0", "b1", "b2"],
        ["a0", "a1", "a2", "b2"],
    )


def test_a_message_that_makes_no_sense_holds_up_its_group() -> None:
    batch = fifo_batch(("a0", "a", PLAIN), ("a1", "a", "no json"), ("a2", "a", PLAIN), ("b0", "b", PLAIN))
    assert carried_out(parse(batch, {}), {}) == (["a0", "b0"], ["a1", "a2"])


def test_a_message_with_several_uploads_ends_at_the_first_failure() -> None:
    news = s3_notification(s3_record("a"), s3_record("b"), s3_record("c"))
    batch = fifo_batch(("a0", "a", news), ("a1", "a", PLAIN))
    assert carried_out(parse(batch, environment()), {"a0": BUSY}) == (["a0"], ["a0", "a1"])


def test_an_upload_that_is_no_video_holds_up_nothing() -> None:
    batch = fifo_batch(("a0", "a", s3_notification(s3_record("notes.txt"))), ("a1", "a", PLAIN))
    no_video = UnsupportedMedia("no video")
    assert carried_out(parse(batch, environment()), {"a0": no_video}) == (["a0", "a1"], [])


def test_message_groups_of_a_standard_queue_have_no_order() -> None:
    batch = fifo_batch(("m0", "a", PLAIN), ("m1", "a", PLAIN))
    for record in batch["Records"]:
        record["eventSourceARN"] = record["eventSourceARN"].removesuffix(".fifo")
    assert carried_out(parse(batch, {}), {"m0": BUSY}) == (["m0", "m1"], ["m0"])
