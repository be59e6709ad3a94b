"""Results: phases of time, lists that are too long, the schema in the documentation."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from function import schema
from function.clock import Clock
from function.models.event import parse_event
from function.models.fingerprint import fingerprint
from function.models.result import MAX_LISTED, returned

MIB = 2**20
DOCUMENTED = Path(__file__).parents[3] / "docs/function.schema.json"


def test_an_inner_phase_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    now: Iterator[float] = iter(range(100))
    monkeypatch.setattr("time.perf_counter", lambda: next(now))
    clock = Clock()
    with clock.phase("write"):
        for _ in clock.items("decode", [1, 2]):
            pass
    spent = clock.milliseconds()
    assert spent["decode"] == 3000  # two items and the end
    assert spent["write"] + spent["decode"] == spent["total"] - 2000


def whole(count: int) -> dict[str, Any]:
    output = [{"uri": "s3://out/" + "k" * 1000, "bytes": 10**9, "sha256": "0" * 64} for _ in range(count)]
    frames = {"count": count, "rows": list(range(count)), "timestamps": [row / 24 for row in range(count)]}
    return {"output": output, "objects": count, "frames": frames}


def test_a_small_result_is_returned_whole() -> None:
    assert returned(whole(MAX_LISTED)) == whole(MAX_LISTED)


def test_a_large_result_is_returned_with_short_lists_and_true_counts() -> None:
    result = returned(whole(100_000))
    assert len(json.dumps(result)) < 2 * MIB
    assert (result["objects"], result["frames"]) == (100_000, {"count": 100_000})
    assert len(result["output"]) == MAX_LISTED


def test_the_documented_schema_is_the_models() -> None:
    assert DOCUMENTED.read_text() == schema.text(), "python -m function.schema > docs/function.schema.json"


GOOD = {"video": "s3://films/clip.mp4", "frames": "0:100", "output": "s3://out/a.npy"}


@pytest.mark.parametrize("change", [{"if_exists": "keep"}, {"storage_class": "GLACIER"}, {"kms_key": "alias/a"}])
def test_how_a_result_is_kept_does_not_make_another_request(change: dict[str, str]) -> None:
    assert fingerprint(parse_event(GOOD), ["e"]) == fingerprint(parse_event({**GOOD, **change}), ["e"])


@pytest.mark.parametrize("change", [{"frames": "0:101"}, {"output": "s3://out/b.npy"}, {"size": {"max_side": 9}}])
def test_another_question_is_another_request(change: dict[str, Any]) -> None:
    assert fingerprint(parse_event(GOOD), ["e"]) != fingerprint(parse_event({**GOOD, **change}), ["e"])


def test_another_version_of_the_video_is_another_request() -> None:
    assert fingerprint(parse_event(GOOD), ["e"]) != fingerprint(parse_event(GOOD), ["f"])


@pytest.mark.parametrize(
    "frames",
    [[1, 2], "0:9", "all", {"timestamps": [1.5]}, {"every_seconds": 2}, {"keyframes": True}, {"count": 3}],
)
def test_a_request_is_serialised_without_a_warning(frames: object) -> None:
    """Each worker would write it to its log."""
    request = parse_event({**GOOD, "frames": frames})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fingerprint(request, ["e"])
