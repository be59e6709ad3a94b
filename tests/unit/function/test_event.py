"""Events: what is accepted, what is refused, and in which words."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from function.errors import BadRequest, FunctionError
from function.frames.rows import resolve_frames
from function.models.event import ACTIONS, Combine, Decode, parse_event
from function.models.places import S3Object, Url
from function.models.problems import MAX_PROBLEMS
from tests.unit.hwang.timelines import constant_rate

GOOD: dict[str, Any] = {
    "video": "s3://films/clip.mp4",
    "frames": "0:100",
    "reduce": "sum",
    "output": "s3://out/part1.npy",
}


def event(**changes: object) -> dict[str, Any]:
    return GOOD | changes


def decode_of(body: object) -> Decode:
    request = parse_event(body)
    assert isinstance(request, Decode)
    return request


def refusal(body: object) -> BadRequest:
    with pytest.raises(BadRequest) as caught:
        parse_event(body)
    return caught.value


def problems(body: object) -> dict[str, str]:
    listed = refusal(body).detail["problems"]
    assert isinstance(listed, list)
    return {problem["path"]: problem["message"] for problem in listed}


def test_the_tutorials_event_is_accepted() -> None:
    request = decode_of(GOOD)
    assert isinstance(request.video, S3Object)
    assert request.output
    assert (request.video.bucket, request.video.key, request.output.key) == ("films", "clip.mp4", "part1.npy")
    assert request.action == "decode"


@pytest.mark.parametrize(
    ("body", "kind"),
    [(None, "null"), ([], "an array"), ("text", "a string"), (7, "a number"), (1.5, "a number"), (True, "a boolean")],
)
def test_an_event_that_is_no_object_is_refused_by_its_type(body: object, kind: str) -> None:
    assert kind in refusal(body).message


def test_every_missing_field_is_listed() -> None:
    assert problems({}) == dict.fromkeys(("video", "frames", "output"), "is required")
    assert all(name in refusal({}).message for name in ("video", "frames", "output"))


def test_all_problems_are_listed_at_once() -> None:
    found = problems({"video": 1, "frame": [0], "format": "gif", "output": "s3://out/x.npy", "reduce": "median"})
    assert set(found) == {"video", "frame", "frames", "format", "reduce"}


@pytest.mark.parametrize(
    ("typo", "meant"), [("frame", "frames"), ("ouput", "output"), ("Video", "video"), ("reduction", "reduce")]
)
def test_an_unknown_field_is_told_the_nearest_name(typo: str, meant: str) -> None:
    assert f"did you mean {meant!r}?" in problems(event(**{typo: 1}))[typo]


def test_a_field_like_no_other_is_told_the_known_ones() -> None:
    assert "video, frames, output" in problems(event(Records=[]))["Records"]


@pytest.mark.parametrize(
    ("frames", "path"),
    [
        ([0, 1.0], "frames[1]"),
        ([1.5], "frames[0]"),
        (["3"], "frames[0]"),
        ([0, 1, True], "frames[2]"),
        ([None], "frames[0]"),
        ([[0]], "frames[0]"),
        ([], "frames"),
        (None, "frames"),
        (5, "frames"),
        (True, "frames"),
        ("", "frames"),
        ("5", "frames"),
        ("every", "frames"),
        ("-5:10", "frames"),
        ("0:10:-1", "frames"),
        ("0:10:0", "frames"),
        ("10:10", "frames"),
        ("20:10", "frames"),
        ("0:1:2:3", "frames"),
        ("0:٣", "frames"),
        (" 0:10", "frames"),
        ("0:10\n", "frames"),
        ("0:" + "9" * 5000, "frames"),
        ({}, "frames"),
        ({"timestamp": [1]}, "frames"),
        ({"timestamps": []}, "frames.timestamps"),
        ({"timestamps": 1.5}, "frames.timestamps"),
        ({"timestamps": [0.5, math.nan]}, "frames.timestamps[1]"),
        ({"timestamps": [math.inf]}, "frames.timestamps[0]"),
        ({"timestamps": ["1"]}, "frames.timestamps[0]"),
        ({"timestamps": [True]}, "frames.timestamps[0]"),
        ({"timestamps": [1.5], "count": 3}, "frames.count"),
        ({"every_seconds": 0}, "frames.every_seconds"),
        ({"every_seconds": -1}, "frames.every_seconds"),
        ({"every_seconds": math.inf}, "frames.every_seconds"),
        ({"keyframes": False}, "frames.keyframes"),
        ({"keyframes": 1}, "frames.keyframes"),
        ({"count": 0}, "frames.count"),
        ({"count": 2.0}, "frames.count"),
        ({"count": True}, "frames.count"),
        ("first", "frames"),
        ([0, "last", "3"], "frames[2]"),
        ({"rows": "first"}, "frames.rows"),
        ({"rows": [0, 1.0]}, "frames.rows[1]"),
        ({"from": "1"}, "frames.from"),
        ({"every_seconds": 1, "to": math.inf}, "frames.to"),
        ({"every_seconds": 1, "start": 1}, "frames.start"),
        ({"count": 3, "max": 0}, "frames.max"),
        ({"count": 3, "snap": "nearest"}, "frames.snap"),
        ({"count": 3, "snap": True}, "frames.snap"),
        ({"keyframes": True, "strict": 1}, "frames.strict"),
        ({"keyframes": True, "from": 5, "to": 5}, "frames"),
        ({"keyframes": True, "from": -1, "to": -2}, "frames"),
    ],
)
def test_wrong_frames_are_refused_with_their_place(frames: object, path: str) -> None:
    assert list(problems(event(frames=frames))) == [path]


def test_an_unknown_selection_is_told_the_nearest() -> None:
    assert "did you mean 'timestamps'?" in problems(event(frames={"timestamp": [1]}))["frames"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("video", "clip.mp4"),
        ("video", "h" + "https://" * 2000),
        ("video", "s3://bucket"),
        ("video", "s3:///key"),
        ("video", "s3://bucket/"),
        ("video", "s3://bu cket/key"),
        ("video", "s3://bucket/" + "k" * 1025),
        ("video", "s3://bucket/\ud800"),
        ("video", None),
        ("video", {"bucket": "films", "key": "a\ud800"}),
        ("output", 3),
        ("output", "part1.npy"),
        ("output", "s3://bucket/" + "é" * 506),
        ("output", "s3://bucket/a/../b.npy"),
        ("output", "s3://films/clip.mp4"),
        ("output", "s3://out/prefix/"),
        ("output", "s3://out/part1.png"),
        ("format", "gif"),
        ("format", "npz"),
        ("format", "jpeg"),
        ("size", {}),
        ("size", {"width": 0}),
        ("size", {"max_side": 64, "width": 64}),
        ("size", {"max_side": 10**6}),
        ("size", "512"),
        ("rotate", 1),
        ("quality", 0),
        ("quality", 101),
        ("fps", 0),
        ("name", "frame.jpg"),
        ("name", "{row.__class__}"),
        ("if_exists", "skip"),
        ("storage_class", "COLD"),
        ("kms_key", ""),
        ("format", None.__class__),
        ("reduce", "total"),
        ("reduce", 1),
        ("action", "delete"),
        ("action", None),
        ("action", ["decode"]),
    ],
)
def test_a_wrong_field_is_refused_by_its_name_without_its_secrets(field: str, value: object) -> None:
    error = refusal(event(**{field: value}))
    assert field in error.message
    assert len(error.message) <= 300
    assert "secret" not in error.report("id")


@pytest.mark.parametrize("missing", ["bucket", "key"])
def test_the_parts_of_a_video_are_checked(missing: str) -> None:
    parts = {"bucket": "films", "key": "clip.mp4"}
    del parts[missing]
    assert problems(event(video=parts)) == {f"video.{missing}": "is required"}
    assert "video.versionid" in problems(event(video={"bucket": "films", "key": "k", "versionid": "1"}))


@pytest.mark.parametrize(
    "key", ["my+video%281%29.mp4", "/leading", "a/../b", "-i", "$(reboot);`x`", "two\nlines", "é", "e\u0301", "a?b#c"]
)
def test_a_key_is_taken_as_it_is(key: str) -> None:
    for video in (f"s3://films/{key}", {"bucket": "films", "key": key, "version_id": "v"}):
        taken = decode_of(event(video=video)).video
        assert isinstance(taken, S3Object)
        assert taken.key == key


@pytest.mark.parametrize("url", ["https://host/v.mp4?X-Signature=a", "http://host", "file:///etc/passwd", "concat:a|b"])
def test_any_address_is_taken_and_judged_where_it_is_opened(url: str) -> None:
    assert decode_of(event(video=url)).video == Url(url=url)


@pytest.mark.parametrize(
    ("changes", "frame_count", "expected"),
    [
        ({"output": "s3://out/a.npy"}, 5, "npy"),
        ({"output": "s3://out/a"}, 5, None),
        ({"output": "s3://out/a", "format": "npy"}, 5, "npy"),
        ({"output": "s3://out/a", "reduce": "mean"}, 5, "npy"),
        ({"output": "s3://out/a/"}, 5, "jpeg"),
        ({"output": "s3://out/a/", "format": "png"}, 5, "png"),
        ({"output": "s3://out/a/", "format": "npy"}, 5, None),
        ({"output": "s3://out/a/", "format": "sheet"}, 5, None),
        ({"output": "s3://out/a.png"}, 5, "sheet"),
        ({"output": "s3://out/a.JPG"}, 5, "sheet"),
        ({"output": "s3://out/a.png"}, 1, "png"),
        ({"output": "s3://out/a.jpg"}, 1, "jpeg"),
        ({"output": "s3://out/a.png", "format": "sheet"}, 1, "sheet"),
        ({"output": "s3://out/a.png", "format": "jpeg"}, 1, None),
        ({"output": "s3://out/a.png", "format": "png"}, 2, None),
        ({"output": "s3://out/a.png", "format": "npy"}, 2, None),
        ({"output": "s3://out/a.txt", "format": "sheet"}, 2, None),
        ({"output": "s3://out/a.mp4"}, 2, "mp4"),
        ({"output": "s3://out/a.npz"}, 2, "npz"),
        ({"output": "s3://out/a.webp"}, 1, "webp"),
        ({"output": "s3://out/a.webp"}, 2, None),
        ({"output": "s3://out/a/", "format": "webp"}, 2, "webp"),
        ({"output": "s3://out/a.tif"}, 1, "tiff"),
        ({"output": "s3://out/a.tiff"}, 2, None),
        ({"output": "s3://out/a.tiff", "format": "sheet"}, 2, None),
        ({"output": "s3://out/a/", "format": "mp4"}, 2, None),
        ({"output": "s3://out/a.gif"}, 2, None),
        ({"format": "inline"}, 2, "inline"),
        ({"format": "inline", "reduce": "mean"}, 2, "inline"),
        ({"format": "inline", "output": "s3://out/a.npy"}, 2, None),
        ({}, 2, None),
    ],
)
def test_the_output_tells_the_format(changes: dict[str, Any], frame_count: int, expected: str | None) -> None:
    body = {"video": "s3://films/clip.mp4", "frames": "all"} | changes
    if expected:
        assert decode_of(body).resolved_format(frame_count) == expected
    else:
        with pytest.raises(BadRequest, match=r"output|format"):
            decode_of(body).resolved_format(frame_count)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"quality": 80, "format": "png", "output": "s3://out/a/"}, "quality"),
        ({"quality": 80, "format": "npy"}, "quality"),
        ({"fps": 25, "format": "npy"}, "fps"),
        ({"reduce": "sum", "format": "mp4", "output": "s3://out/a.mp4"}, "format"),
    ],
)
def test_fields_that_do_not_fit_each_other_are_refused(changes: dict[str, Any], field: str) -> None:
    body = {"video": "s3://films/clip.mp4", "frames": "all", "output": "s3://out/a.npy"} | changes
    assert list(problems(body)) == [field]


@pytest.mark.parametrize(
    ("frames", "problem"),
    [
        ({"rows": [0, 5], "asked": [0.0]}, "needs as many seconds in asked as rows"),
        ({"rows": [0], "asked": [0.0], "max": 1}, "has asked, which goes with rows and nothing else"),
        ({"rows": [0], "asked": [], "from": 0}, "must not be empty"),
    ],
)
def test_the_times_asked_for_stand_beside_rows_alone(frames: dict[str, Any], problem: str) -> None:
    found = problems(event(frames=frames))
    assert [message.split(";")[0] for message in found.values()] == [problem]
    assert decode_of(event(frames={"rows": "0:100:50", "asked": [0.0, 2.0]}))


OTHERS: dict[str, dict[str, Any]] = {
    "probe": {"video": "s3://films/clip.mp4"},
    "plan": {"video": "s3://films/clip.mp4", "frames": "0:100", "size": {"max_side": 64}},
    "index": {"video": "s3://films/clip.mp4", "output": "s3://out/clip.hwang"},
    "combine": {"parts": ["s3://out/a.npy", {"bucket": "out", "key": "b.npy"}], "output": "s3://out/sum.npy"},
}


@pytest.mark.parametrize("action", OTHERS)
def test_every_action_is_accepted_with_its_own_fields_alone(action: str) -> None:
    body = {**OTHERS[action], "action": action}
    assert isinstance(parse_event(body), ACTIONS[action])
    assert problems({**body, "stride": 3})["stride"].startswith("is not a known field")
    assert problems({"action": action})


@pytest.mark.parametrize(
    "form",
    [
        {"output": "s3://out/part1.npy", "reduce": "sum"},
        {"output": "s3://out/a/", "name": "{row}.{ext}", "quality": 70, "if_exists": "reuse"},
        {"outputs": [{"output": "s3://out/a.mp4", "fps": 5}, {"output": "s3://out/b/", "format": "webp"}]},
    ],
)
def test_a_decode_is_planned_with_its_own_fields_and_refused_for_the_same_reasons(form: dict[str, Any]) -> None:
    body = {"action": "plan", "video": "s3://films/clip.mp4", "frames": "0:100", **form}
    assert isinstance(parse_event(body), ACTIONS["plan"])
    broken = {**body, "fps": 9, "format": "png"}
    assert problems(broken) == problems({**broken, "action": "decode"})


def test_a_selftest_takes_no_field() -> None:
    assert isinstance(parse_event({"action": "selftest"}), ACTIONS["selftest"])
    assert list(problems({"action": "selftest", "video": "s3://films/clip.mp4"})) == ["video"]


def test_parts_to_combine_are_checked() -> None:
    body = {**OTHERS["combine"], "action": "combine"}
    assert list(problems({**body, "parts": []})) == ["parts"]
    assert list(problems({**body, "parts": ["s3://out/a.npy", 3]})) == ["parts[1]"]
    assert list(problems({**body, "output": "s3://out/prefix/"})) == ["output"]
    request = parse_event(body)
    assert isinstance(request, Combine)
    assert [part.uri for part in request.parts] == ["s3://out/a.npy", "s3://out/b.npy"]


def test_a_million_wrong_items_are_refused_with_one() -> None:
    assert list(problems(event(frames=["0"] * 1_000_000))) == ["frames[0]"]


def test_very_many_unknown_fields_are_counted() -> None:
    error = refusal(event(**{f"x{number}": 1 for number in range(1000)}))
    listed = error.detail["problems"]
    assert isinstance(listed, list)
    assert len(listed) == MAX_PROBLEMS + 1
    assert len(error.message) <= 300


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
FIELDS = st.sampled_from(sorted({*Decode.model_fields, *Combine.model_fields})) | st.text()


@given(st.dictionaries(FIELDS, JSON), st.booleans())
def test_any_event_is_accepted_or_refused_with_a_typed_error(body: dict[str, Any], from_good: bool) -> None:
    refused: FunctionError | None = None
    try:
        request = parse_event(GOOD | body if from_good else body)
        if isinstance(request, Decode):
            resolve_frames(request.frames, constant_rate(50))
    except FunctionError as error:
        refused = error
    if refused:
        assert 0 < len(refused.message) <= 300
        assert refused.message.isprintable()
