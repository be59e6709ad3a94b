"""Fingerprints: kept results of an earlier version are found again where they mean the same, and nowhere else."""

from __future__ import annotations

from typing import Any

import pytest

from function.models.event import Decode, parse_event
from function.models.fingerprint import fingerprint

EARLIER: list[tuple[Any, str]] = [
    ([0, 5], "f040e79d7fb84338d55d925ab8f487fd"),
    ("0:100:2", "dc299daa4361e588634fe1f9d5afa93a"),
    ({"timestamps": [1.5]}, "3f9569c3b7eaf1d0e12f1d527f0480cd"),
    ({"every_seconds": 2}, "2ab4040820254423411c150484580bf9"),
    ({"keyframes": True}, "de45713d2e9eee590b96ba3d9db59ba8"),
    ({"count": 16}, "2a13ac2669f707e65154211d1555a5bf"),
]
"""Frames and the fingerprint that version 1 gave them; of what it answered, the rows are the same ever since."""


def of(frames: Any, output: str = "s3://out/a.npz", **more: Any) -> str:
    event = {"video": "s3://films/clip.mp4", "frames": frames, "output": output, **more}
    request = parse_event(event)
    assert isinstance(request, Decode)
    [settled] = request.results
    return fingerprint(settled, ["e1"])


@pytest.mark.parametrize(("frames", "digest"), EARLIER, ids=str)
def test_a_result_of_an_earlier_version_is_found_again(frames: Any, digest: str) -> None:
    assert of(frames) == digest


def test_each_field_of_a_selection_is_another_question() -> None:
    fields: list[dict[str, Any]] = [
        *({}, {"strict": True}, {"from": 1}, {"to": 1}, {"from": 1, "to": 2}, {"max": 3}, {"snap": "keyframe"})
    ]
    questions = {of({"count": 16, **more}) for more in fields} | {of({"rows": "all"}), of("all"), of("last")}
    assert len(questions) == len(fields) + 3
    assert of({"count": 16, "strict": False}) == of({"count": 16})


def test_a_clip_at_the_rate_of_the_video_is_not_one_at_its_times() -> None:
    assert of([0, 5], "s3://out/a.mp4", rotate=False) != "38f23a49b7bd03a17320534aa114749c"  # version 1
    before = "953106ff402c9a1056e09734864b34c0"
    assert of([0, 5], "s3://out/a.mp4", format="mp4", fps=24.0, rotate=False) == before
    assert of([0, 5], "s3://out/a.mp4", format="mp4", fps=24.0) != before


def test_a_default_and_the_same_value_stated_are_one_question() -> None:
    assert of([0], "s3://out/a.npz") == of([0], "s3://out/a.npz", rotate=False, tone="stored", square_pixels=False)
    assert of([0], "s3://out/a.png") == of([0], "s3://out/a.png", rotate=True, tone="sdr")
    fields: list[dict[str, Any]] = [{}, {"rotate": False}, {"tone": "stored"}, {"square_pixels": True}]
    assert len({of([0], "s3://out/a.png", **more) for more in fields}) == len(fields)
    searches: list[dict[str, Any]] = [{"scenes": {}}, {"scenes": {"max": 2}}, {"representative": 2}]
    assert len({of(frames) for frames in searches}) == len(searches)
