"""Which rows a request means."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hwang
from function.errors import FrameOutOfRange, LimitExceeded
from function.frames.rows import MAX_FRAMES, resolve_frames
from function.models.event import Decode, parse_event
from function.models.selection import Frames
from hwang.cli.main import make_parser
from hwang.cli.video import UsageError, selected_rows
from hwang.index import VideoIndex
from tests.unit.hwang.timelines import constant_rate, timelines


def _frames(frames: object) -> Frames:
    request = parse_event({"video": "s3://films/clip.mp4", "frames": frames, "output": "s3://out/part1.npy"})
    assert isinstance(request, Decode)
    return request.frames


def rows(frames: object, index: VideoIndex) -> list[int]:
    found: list[int] = resolve_frames(_frames(frames), index).rows.tolist()
    return found


def strictly(frames: Any) -> Any:
    """The same frames, refused if the video cannot fill them."""
    if isinstance(frames, list):
        return frames
    return {**(frames if isinstance(frames, dict) else {"rows": frames}), "strict": True}


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        ([5, 0, 5, 49], [5, 0, 5, 49]),
        ([-0], [0]),
        ("0:3", [0, 1, 2]),
        ("47:", [47, 48, 49]),
        (":2", [0, 1]),
        ("0:50:20", [0, 20, 40]),
        ("::25", [0, 25]),
        ("0:50:" + "9" * 80, [0]),
        ("all", list(range(50))),
        (":", list(range(50))),
        ({"keyframes": True}, [0, 12, 24, 36, 48]),
        ({"count": 1}, [25]),
        ({"count": 2}, [12, 37]),
        ({"count": 50}, list(range(50))),
        ({"every_seconds": 0.5}, [0, 12, 24, 36, 48]),
        ({"every_seconds": 1e9}, [0]),
        ({"timestamps": [0, 0.04, 0.0417, 1, 2.05]}, [0, 0, 1, 24, 49]),
        ("last", [49]),
        ([0, "last", 3], [0, 49, 3]),
        ({"rows": "last"}, [49]),
        ({"from": 1, "to": 1.125}, [24, 25, 26]),
        ({"rows": "::10", "to": 1}, [0, 10, 20]),
        ({"rows": [7, "last", 48], "from": 1}, [49, 48]),
        ({"every_seconds": 0.5, "from": 0.75, "to": -0.4}, [18, 30]),
        ({"count": 2, "from": 1}, [30, 43]),
        ({"keyframes": True, "to": 1}, [0, 12]),
        ({"timestamps": [0, 1.1], "snap": "keyframe"}, [0, 24]),
        ({"rows": "all", "max": 2}, [12, 37]),
        ({"keyframes": True, "max": 1}, [24]),
    ],
)
def test_frames_mean_rows(frames: object, expected: list[int]) -> None:
    assert rows(frames, constant_rate(50)) == expected


@pytest.mark.parametrize(
    ("frames", "named"),
    [
        ([-1], "-1"),
        ([0, 50], "50"),
        ([51], "51"),
        ([2**31], str(2**31)),
        ([2**63], "9.22e+18"),
        ([10**30], "1e+30"),
        ([10**400], "300 digits"),
        ([-(10**30)], "-1e+30"),
        ("50:", "50"),
        ({"rows": "50:", "strict": True}, "50"),
        ({"rows": "0:51", "strict": True}, "50"),
        ({"rows": "0:100", "strict": True}, "99"),
        ({"rows": "0:1000000000000", "strict": True}, "999999999999"),
        ({"count": 51, "strict": True}, "51"),
        ({"count": 10**40, "strict": True}, "1e+40"),
        ({"timestamps": [0, -0.5], "strict": True}, "timestamps[1]"),
        ({"timestamps": [2.2], "strict": True}, "timestamps[0]"),
        ({"every_seconds": 1, "from": 2.2, "strict": True}, "2.2 s"),
    ],
)
def test_a_frame_outside_the_video_is_named_with_the_count(frames: object, named: str) -> None:
    with pytest.raises(FrameOutOfRange) as caught:
        rows(frames, constant_rate(50))
    assert named in caught.value.message
    assert "50" in caught.value.message or "2.08333 s" in caught.value.message


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        ("48:100", [48, 49]),
        ("0:1000000000000:40", [0, 40]),
        ({"count": 51}, list(range(50))),
        ({"count": 10**40}, list(range(50))),
        ({"timestamps": [0, -0.5, 2.2, 1e300]}, [0, 0, 49, 49]),
        ({"every_seconds": 1, "from": 9}, [49]),
        ({"count": 3, "from": 1, "to": -1.5}, [24]),
    ],
)
def test_what_a_short_video_cannot_fill_gives_what_is_there_unless_it_is_strict(
    frames: Any, expected: list[int]
) -> None:
    assert rows(frames, constant_rate(50)) == expected
    with pytest.raises(FrameOutOfRange):
        rows(strictly(frames), constant_rate(50))


def test_a_video_without_frames_is_out_of_range() -> None:
    with pytest.raises(FrameOutOfRange):
        rows("all", constant_rate(0))


def test_times_asked_for_that_do_not_fit_the_video_are_out_of_range() -> None:
    index = constant_rate(50, (1, 25))
    with pytest.raises(FrameOutOfRange, match=r"frames.asked: has 3 seconds for 2 rows"):
        rows({"rows": "0:200:25", "asked": [0.0, 1.0, 2.0]}, index)
    found = resolve_frames(_frames({"rows": "0:50:25", "asked": [0.1, 1.1]}), index)
    assert found.asked is not None
    assert (found.rows.tolist(), found.asked.tolist()) == ([0, 25], [0.1, 1.1])


def test_a_tiny_interval_is_refused_by_arithmetic() -> None:
    for interval in (1e-9, 5e-324):
        with pytest.raises(LimitExceeded):
            rows({"every_seconds": interval}, constant_rate(50))


def test_a_time_before_a_late_first_frame_means_that_and_intervals_start_there() -> None:
    late = constant_rate(50, first=24)
    assert rows({"timestamps": [0.5]}, late) == [0]
    with pytest.raises(FrameOutOfRange):
        rows({"timestamps": [0.5], "strict": True}, late)
    assert rows({"every_seconds": 1}, late) == [0, 24, 48]


def on_the_command_line(arguments: list[str], index: VideoIndex) -> list[int]:
    parsed = make_parser().parse_args(["plan", "clip.mp4", *arguments])
    found: list[int] = selected_rows(parsed, index).tolist()
    return found


def outcome(resolve: Callable[[], list[int]]) -> list[int] | str:
    try:
        return resolve()
    except (FrameOutOfRange, hwang.FrameIndexError):
        return "outside"


@settings(deadline=None)
@given(timelines(), st.data())
def test_an_event_and_the_command_line_mean_the_same_rows(index: VideoIndex, data: st.DataObject) -> None:
    row = st.integers(0, 40)
    begins = [round(seconds, 6) for seconds in index.timestamps().tolist()]
    time = st.sampled_from(begins) | st.integers(0, 2000).map(lambda part: round(begins[0] + part / 1000, 6))
    ranges = st.builds("{}:{}:{}".format, row | st.just(""), row | st.just(""), st.integers(1, 9))
    seconds = st.sampled_from([0.04, 0.1, 1 / 3, 1.001, 60.0]) | st.floats(0.01, 10)
    frames: Any = data.draw(
        st.lists(row, min_size=1)
        | ranges.filter(lambda text: _is_range(text))
        | st.sampled_from(["all", "last"])
        | st.just({"keyframes": True})
        | st.builds(lambda times: {"timestamps": times}, st.lists(time, min_size=1, max_size=9))
        | st.builds(lambda interval: {"every_seconds": interval}, seconds)
    )
    match frames:
        case {"keyframes": True}:
            arguments = ["keyframes"]
        case {"timestamps": times}:
            arguments = ["--", ",".join(f"{time:.6f}s" for time in times)]
        case {"every_seconds": interval}:
            arguments = ["--every", repr(interval)]
        case str():
            arguments = [frames]
        case numbers:
            arguments = [",".join(map(str, numbers))]
    expected = outcome(lambda: rows(strictly(frames), index))
    assert outcome(lambda: on_the_command_line(arguments, index)) == expected
    if "timestamps" in frames:
        assert outcome(lambda: index.rows_at(frames["timestamps"]).tolist()) == expected


def _is_range(text: str) -> bool:
    start, stop, _ = text.split(":")
    return not stop or int(stop) > int(start or 0)


def test_ten_frames_at_thirty_a_second_are_four_tenths_of_a_second_apart() -> None:
    index = constant_rate(10, (1, 30))
    assert rows({"every_seconds": 0.1}, index) == [0, 3, 6, 9]
    assert on_the_command_line(["--every", "0.1"], index) == [0, 3, 6, 9]
    assert index.rows_at([0, 0.1, 0.2, 0.3]).tolist() == [0, 3, 6, 9]


def test_parts_and_key_frames_mean_the_same_on_the_command_line() -> None:
    index = constant_rate(50)
    for frames, arguments in (
        ({"rows": "all", "from": 0.5, "to": 1}, ["all", "--from", "0.5", "--to", "1s"]),
        ({"every_seconds": 0.5, "from": -1.5}, ["--every", "0.5", "--from=-1.5"]),
        ({"timestamps": [0.3, 1.9], "snap": "keyframe"}, ["0.3s,1.9s", "--snap"]),
    ):
        assert on_the_command_line(arguments, index) == rows(strictly(frames), index) == rows(frames, index)
    with pytest.raises(UsageError, match="must be behind"):
        on_the_command_line(["all", "--from", "2", "--to", "1"], index)


def test_the_facts_of_a_refusal_are_in_its_detail() -> None:
    index = constant_rate(50)
    for frames, detail in (
        ([7, 50], {"row": 50, "frames": 50}),
        (
            {"timestamps": [0, 9], "strict": True},
            {"position": 1, "seconds": 9, "first_seconds": 0, "end_seconds": pytest.approx(50 / 24)},
        ),
    ):
        with pytest.raises(FrameOutOfRange) as caught:
            rows(frames, index)
        assert caught.value.detail == detail
    with pytest.raises(LimitExceeded) as exceeded:
        rows({"every_seconds": 1e-7}, index)
    assert exceeded.value.detail == {"limit": "frames", "wanted": 20416677, "maximum": MAX_FRAMES}
