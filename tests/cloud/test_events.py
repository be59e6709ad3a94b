"""Events that are not what they should be, by form: refused in words, before anything is read.

E1 to E7 of docs/robustness.md. What a field may mean is in test_selection.py and test_forms.py, what triggers send
in test_triggers.py, names in test_names.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from function.errors import BadRequest
from function.models.event import Decode, parse_event
from tests.cloud.asked import SMALL_URI, Asked, Put, check_report
from tests.cloud.conftest import GOOD_ROW
from tests.cloud.function import Function
from tests.cloud.postconditions import Postconditions
from tests.cloud.stack import VIDEOS
from tests.support.faults.client import Faults

NOT_JSON = ("Runtime.UnmarshalError", "BadRequest")  # the first is the runtime client's own
QUICK_SECONDS = 1
PARSE_SECONDS = 3  # of 6 MB of JSON, in three processes
EVENT_BYTES = 6_000_000


@pytest.fixture
def asked(function: Function, put: Put, after: Postconditions, prefix: str) -> Asked:
    return Asked(function, after, prefix, put)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"{frames: please", b"[1, 2", b"\xff\xfe\x00", b'{"video": "\xff"}', b"{} {}", b"'x'", b"<xml/>"],
    ids=lambda body: f"E1-{body[:8]!r}",
)
def test_what_is_no_json_is_refused(body: bytes, asked: Asked) -> None:
    answer = asked.function.invoke(body)
    assert answer.code in NOT_JSON, answer.value
    asked.hold(answer)


@pytest.mark.parametrize(
    ("event", "named"),
    [
        pytest.param(None, "null", id="E2-null"),
        pytest.param([], "array", id="E2-list"),
        pytest.param("sum, please", "string", id="E2-string"),
        pytest.param(7, "number", id="E2-number"),
        pytest.param(1.5, "number", id="E2-fraction"),
        pytest.param(True, "boolean", id="E2-boolean"),
    ],
)
def test_an_event_that_is_no_object_is_refused_by_its_type(event: object, named: str, asked: Asked) -> None:
    asked.refused(asked.function.invoke(event), ["BadRequest"], named)


@pytest.mark.parametrize(
    "given", [(), ("video",), ("frames",), ("video", "frames")], ids=lambda names: f"E3-{len(names)}"
)
def test_all_missing_fields_are_listed(given: tuple[str, ...], asked: Asked) -> None:
    event = {name: value for name, value in {"video": SMALL_URI, "frames": [0]}.items() if name in given}
    answer = asked.function.invoke(event)
    missing = {"video", "frames", "output"} - set(given)
    assert {problem["path"] for problem in answer.report["detail"]["problems"]} == missing
    asked.refused(answer, ["BadRequest"], *missing)


@pytest.mark.parametrize(
    ("typo", "meant"),
    [("frame", "frames"), ("ouput", "output"), ("Video", "video"), ("sizes", "size"), ("reduced", "reduce")],
    ids=lambda name: f"E4-{name}",
)
def test_an_unknown_field_is_told_the_nearest_name(typo: str, meant: str, asked: Asked) -> None:
    answer = asked.frames(SMALL_URI, [0], output=f"{asked.output}x.npy", **{typo: 1})
    asked.refused(answer, ["BadRequest"], typo, f"did you mean '{meant}'")


WRONG_TYPES: list[tuple[str, object, str]] = [
    ("video", None, "video"),
    ("video", 7, "video"),
    ("video", ["s3://videos/small.mp4"], "video"),
    ("video", {"bucket": VIDEOS}, "video.key"),
    ("video", {"bucket": VIDEOS, "key": 7}, "video.key"),
    ("video", {"bucket": VIDEOS, "key": "small.mp4", "version_id": ""}, "video.version_id"),
    ("video", {"url": None}, "video.url"),
    ("frames", None, "frames"),
    ("frames", 10, "frames"),
    ("frames", True, "frames"),
    ("frames", "10", "frames"),
    ("frames", {"count": True}, "frames.count"),
    ("frames", {"count": "4"}, "frames.count"),
    ("frames", {"every_seconds": "2"}, "frames.every_seconds"),
    ("frames", {"keyframes": 1}, "frames.keyframes"),
    ("output", None, "output"),
    ("output", ["s3://results/x.npy"], "output"),
    ("output", "results/x.npy", "output"),
    ("output", "s3://results", "output"),
    ("output", "https://results/x.npy", "output"),
    ("format", 7, "format"),
    ("format", "NPY", "format"),
    ("size", 512, "size"),
    ("size", {}, "size"),
    ("size", {"width": "512"}, "size.width"),
    ("size", {"width": True}, "size.width"),
    ("size", {"width": 0}, "size.width"),
    ("size", {"max_side": 10**30}, "size.max_side"),
    ("size", {"max_side": 64, "width": 64}, "size"),
    ("rotate", 1, "rotate"),
    ("rotate", "true", "rotate"),
    ("reduce", "median", "reduce"),
    ("reduce", ["sum"], "reduce"),
    ("quality", True, "quality"),
    ("quality", 90.0, "quality"),
    ("fps", "25", "fps"),
    ("fps", 0, "fps"),
    ("name", 7, "name"),
    ("if_exists", True, "if_exists"),
    ("storage_class", "FLOPPY", "storage_class"),
    ("kms_key", "", "kms_key"),
    ("action", 7, "action"),
    ("action", "delete", "action"),
]


def test_a_wrong_type_is_refused_with_its_place(asked: Asked, faults: Faults) -> None:
    """E5"""
    answer = None
    for name, value, path in WRONG_TYPES:
        event = {"video": SMALL_URI, "frames": [0], "output": f"{asked.output}x.npy", name: value}
        answer = asked.function.invoke(event)
        check_report(answer, ["BadRequest"], path)
        assert answer.seconds < QUICK_SECONDS
    assert faults.log() == [], "nothing is read or written"
    assert answer
    asked.refused(answer, ["BadRequest"])


_VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=20),
        st.just(SMALL_URI),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
_NAMES = st.sampled_from(sorted(Decode.model_fields))


def test_any_json_is_taken_or_refused_as_it_is_without_the_container(asked: Asked) -> None:
    """E5: the way through two processes changes nothing."""
    good = {"video": f"s3://{VIDEOS}/missing.mp4", "frames": [0], "output": f"{asked.output}x.npy"}

    @settings(max_examples=150, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(st.dictionaries(_NAMES | st.text(max_size=8), _VALUES, min_size=1, max_size=3))
    def one(changes: dict[str, Any]) -> None:
        event = good | changes
        answer = asked.function.invoke(event)
        try:
            parse_event(event)
        except BadRequest:
            check_report(answer, ["BadRequest"])
        else:
            assert answer.code not in ("BadRequest", "Internal", "WorkerCrashed"), answer.value

    one()
    asked.refused(asked.function.invoke({}), ["BadRequest"])


def test_a_million_rows_are_taken(asked: Asked) -> None:
    """E6"""
    event = {"video": SMALL_URI, "frames": [GOOD_ROW] * 10**6, "reduce": "sum", "output": f"{asked.output}x.npy"}
    answer = asked.function.invoke(event)
    assert answer.value.get("reduced") == 10**6 * int(asked.truth()[GOOD_ROW].sum(dtype=np.uint64)), answer.value
    assert answer.value["counters"]["frames_decoded"] == 1
    asked.after.succeeded(answer)


@pytest.mark.parametrize(
    ("event", "code", "named"),
    [
        pytest.param({"frames": ["0"] * 10**6}, "BadRequest", "frames[0]", id="E6-wrong-items"),
        pytest.param({"frames": [0] * 10**6, "format": "inline"}, "LimitExceeded", "inline", id="E6-inline"),
        pytest.param({"frames": [0], "extra": "x" * EVENT_BYTES}, "BadRequest", "extra", id="E6-long-text"),
        pytest.param({"frames": [0], "video": "s3://videos/" + "x" * EVENT_BYTES}, "BadRequest", "video", id="E6-key"),
        pytest.param(
            {"frames": [0], "video": "https://h/" + "x" * EVENT_BYTES}, "BadRequest", "video", id="E6-address"
        ),
        pytest.param({"frames": "1" * EVENT_BYTES}, "BadRequest", "frames", id="E6-range"),
        pytest.param({str(n): n for n in range(300_000)}, "BadRequest", "300001 fields", id="E6-fields"),
        pytest.param({"size": {str(n): n for n in range(300_000)}}, "BadRequest", "300000 fields", id="E6-inner"),
    ],
)
def test_an_event_as_large_as_they_come_is_refused_soon(
    event: dict[str, object], code: str, named: str, asked: Asked
) -> None:
    answer = asked.function.invoke({"video": SMALL_URI, **event})
    assert answer.seconds < PARSE_SECONDS
    asked.refused(answer, [code], named)


@pytest.mark.parametrize("depth", [100, 900, 990, 1000, 3000, 9_990, 10_000, 100_000], ids=lambda n: f"E7-depth-{n}")
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")], ids=["lists", "objects"])
def test_deep_nesting_is_refused(opening: str, closing: str, depth: int, asked: Asked) -> None:
    """The runtime client gives up before the function does, from some depth on."""
    nest = opening * depth + "0" + closing * depth
    answer = None
    for body in (nest, f'{{"video": "{SMALL_URI}", "frames": {nest}}}', f'{{"video": {nest}, "frames": [0]}}'):
        answer = asked.function.invoke(body.encode())
        assert answer.code in NOT_JSON, answer.value
        assert answer.seconds < QUICK_SECONDS
    assert answer
    asked.hold(answer)


@pytest.mark.parametrize("number", ["1e400", "-1e400", "NaN", "Infinity", "-Infinity", "9" * 5000])
def test_numbers_that_are_none_are_refused(number: str, asked: Asked) -> None:
    """E7"""
    answer = None
    for field in ('"frames": {"timestamps": [@]}', '"frames": {"every_seconds": @}', '"frames": [0], "fps": @'):
        body = f'{{"video": "{SMALL_URI}", "output": "{asked.output}x.mp4", {field.replace("@", number)}}}'
        answer = asked.function.invoke(body.encode())
        assert answer.code in NOT_JSON, answer.value
    assert answer
    asked.hold(answer)
