"""Deliveries taken apart: what the tests of triggers ask of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from function.errors import Outcome, SourceNotFound, SourceUnavailable
from function.triggers.delivery import Delivery, Refused

PLAIN = {"video": "s3://films/clip.mp4", "frames": "0:100", "output": "s3://out/part1.npy"}
ON_UPLOAD = {"frames": {"count": 16}, "output": "s3://results/{key}.jpg"}
GONE = SourceNotFound("video: s3://films/clip.mp4 does not exist")
BUSY = SourceUnavailable("video: s3://films/clip.mp4 could not be reached")


def environment(**changes: object) -> dict[str, str]:
    """HWANG_ON_UPLOAD with these fields."""
    return {"HWANG_ON_UPLOAD": json.dumps(ON_UPLOAD | changes)}


def only(delivery: Delivery) -> Any:
    (item,) = delivery.items
    return item


def refusal(delivery: Delivery) -> str:
    item = only(delivery)
    assert isinstance(item, Refused)
    problems = item.error.detail["problems"]
    assert isinstance(problems, list)
    return item.error.message


def messages(delivery: Delivery, outcomes: Sequence[Outcome]) -> list[str]:
    """The messages that come again."""
    answer = delivery.answer(outcomes)
    assert list(answer) == ["batchItemFailures"]
    assert all(list(failure) == ["itemIdentifier"] for failure in answer["batchItemFailures"])
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]
