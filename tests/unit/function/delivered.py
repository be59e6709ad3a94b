"""Deliveries taken apart: what the tests of triggers ask of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from function.errors import Outcome, SourceNotFound, SourceUnavailable
from function.triggers.delivery import Delivery, Refused, Request

PLAIN = {"video": "s3://films/clip.mp4", "frames": "0:100", "output": "s3://out/part1.npy"}
ON_UPLOAD = {"frames": {"count": 16}, "output": "s3://results/{key}.jpg"}
GONE = SourceNotFound("video: s3://films/clip.mp4 does not exist")
BUSY = SourceUnavailable("video: s3://films/clip.mp4 could not be reached")


def environment(**changes: object) -> dict[str, str]:
    """HWANG_ON_UPLOAD with these fields."""
    return {"HWANG_ON_UPLOAD": json.dumps(ON_UPLOAD | changes)}


def picture(content_type: str) -> dict[str, Any]:
    """The result of a request for one picture in the answer, its bytes AB."""
    facts = dict.fromkeys(("bytes", "width", "height", "rotation", "frames", "fps", "seconds", "keyframes"), 1)
    return {
        "request": "0f" * 16,
        "video": facts | {"uri": "s3://films/clip.mp4", "etag": "e", "codec": "h264", "container": "mp4"},
        "frames": {"count": 1, "rows": [0], "timestamps": [0.0]},
        "output": [],
        "objects": 0,
        "inline": {"content_type": content_type, "shape": [1, 1, 3], "dtype": "uint8", "data": "QUI="},
        "counters": dict.fromkeys(
            ("bytes_read", "requests", "samples_decoded", "samples_skipped", "frames_decoded"), 1
        ),
    }


def in_turn(outcomes: Sequence[Outcome]) -> Callable[[Request], Outcome]:
    """Answers the requests with these outcomes."""
    left = iter(outcomes)
    return lambda _: next(left)


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
    answer = delivery.answer(in_turn(outcomes))
    assert list(answer) == ["batchItemFailures"]
    assert all(list(failure) == ["itemIdentifier"] for failure in answer["batchItemFailures"])
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]
