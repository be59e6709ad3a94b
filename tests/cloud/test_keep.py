"""What is there already: replaced, or kept where the request says so."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.cloud.asked import OK, SMALL_URI, Asked, Put
from tests.cloud.function import Answer, Function
from tests.cloud.postconditions import Postconditions
from tests.cloud.stack import RESULTS
from tests.support.faults.client import Faults


@pytest.fixture
def asked(function: Function, put: Put, after: Postconditions, prefix: str) -> Asked:
    return Asked(function, after, prefix, put)


def keeping(asked: Asked, video: str = SMALL_URI, rows: object = (3, 5), **more: object) -> Answer:
    frames = list(rows) if isinstance(rows, tuple) else rows
    return asked.frames(video, frames, **{"output": f"{asked.output}x.npy", "if_exists": "keep", **more})


def stored(asked: Asked) -> dict[str, tuple[str, object]]:
    """ETag and time of each of the test's results."""
    listed = asked.function.stack.s3.list_objects_v2(Bucket=RESULTS, Prefix=asked.prefix).get("Contents", [])
    return {item["Key"]: (item["ETag"], item["LastModified"]) for item in listed}


def check_conflict(asked: Asked, answer: Answer, before: dict[str, tuple[str, object]]) -> None:
    assert answer.code == "OutputConflict", answer.value
    assert answer.report["retryable"] is False
    assert "x" in answer.report["message"]
    assert stored(asked) == before
    asked.hold(answer)


@pytest.mark.parametrize("output", ["x.npy", "x.npz", "x/", "x.png"])
def test_the_same_request_again_is_answered_without_work(output: str, asked: Asked, faults: Faults) -> None:
    first = keeping(asked, output=f"{asked.output}{output}")
    assert first.code == OK, first.value
    before = stored(asked)
    faults.clear()
    again = keeping(asked, output=f"{asked.output}{output}")
    assert again.value["kept"] is True
    kept = {name: value for name, value in first.value.items() if name != "milliseconds"}
    assert {name: value for name, value in again.value.items() if name in kept} == kept
    assert [entry.method for entry in faults.log() if entry.method in ("PUT", "POST", "DELETE")] == []
    assert stored(asked) == before
    asked.after.succeeded(again)


@pytest.mark.parametrize(
    "more",
    [
        pytest.param({"rows": (3, 6)}, id="other-rows"),
        pytest.param({"rows": (5, 3)}, id="other-order"),
        pytest.param({"size": {"max_side": 64}}, id="other-size"),
        pytest.param({"reduce": "max"}, id="a-reduction"),
    ],
)
def test_another_request_does_not_replace_it(more: dict[str, Any], asked: Asked) -> None:
    assert keeping(asked).code == OK
    before = stored(asked)
    check_conflict(asked, keeping(asked, **more), before)


def test_the_same_request_for_a_video_that_is_another_now_is_a_conflict(asked: Asked) -> None:
    video = asked.video(asked.function.stored(SMALL_URI))
    assert keeping(asked, video).code == OK
    before = stored(asked)
    asked.put(video.partition("/videos/")[2], asked.clip("h264-no-b").read_bytes())
    check_conflict(asked, keeping(asked, video), before)


@pytest.mark.parametrize("name", ["x.npy", "x.npy.manifest.json"])
def test_what_somebody_else_wrote_stays(name: str, asked: Asked) -> None:
    asked.function.stack.s3.put_object(Bucket=RESULTS, Key=f"{asked.prefix}{name}", Body=b"another's")
    before = stored(asked)
    check_conflict(asked, keeping(asked), before)


def test_what_somebody_else_wrote_among_pictures_stays(asked: Asked) -> None:
    """And of the pictures that were written before it was met nothing is left."""
    asked.function.stack.s3.put_object(Bucket=RESULTS, Key=f"{asked.prefix}x/frame-000005.jpg", Body=b"another's")
    before = stored(asked)
    check_conflict(asked, keeping(asked, rows=(3, 5, 7), output=f"{asked.output}x/"), before)


def test_how_a_result_is_kept_makes_no_other_request(asked: Asked) -> None:
    first = keeping(asked)
    assert first.code == OK, first.value
    again = keeping(asked, storage_class="STANDARD")
    assert again.value["kept"] is True
    asked.after.succeeded(again)


def test_an_older_result_is_replaced_where_nothing_is_said(asked: Asked) -> None:
    output = f"{asked.output}x.npy"
    for rows in ([3, 5], [7]):
        answer = asked.frames(SMALL_URI, rows, output=output)
        assert answer.code == OK, answer.value
        np.testing.assert_array_equal(asked.function.stored_array(output), asked.truth()[rows])
        assert "kept" not in answer.value
    asked.after.succeeded(answer)
