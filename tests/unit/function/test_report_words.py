"""Numbers, times and names in the report's words."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from function.report import formatting, request_summary


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.00 kB"),
        (864_220, "864 kB"),
        (999_600, "1.00 MB"),
        (48.1e9, "48.1 GB"),
        (1e27, "1000000000 EB"),
    ],
)
def test_sizes_have_three_digits(number: float, text: str) -> None:
    assert formatting.size(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 ms"),
        (0.3404, "340 ms"),
        (0.9996, "1.0 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 00 s"),
        (3599.4, "59 min 59 s"),
        (3599.6, "1 h 00 min"),
        (100_000, "27 h 47 min"),
    ],
)
def test_durations_have_the_unit_that_people_use(seconds: float, text: str) -> None:
    assert formatting.duration(seconds) == text


@pytest.mark.parametrize(
    ("share", "text"), [(0, "0 %"), (0.0004, "less than 0.1 %"), (0.0253, "2.5 %"), (0.0996, "10 %"), (1.4, "140 %")]
)
def test_percentages(share: float, text: str) -> None:
    assert formatting.percent(share) == text


@pytest.mark.parametrize(
    ("values", "text"),
    [([], ""), ([4], "4"), ([9, 4], "4, 9"), ([1, 2, 3, 5], "1 to 3, 5"), (range(0, 50, 2), "0, 2 and 23 more")],
)
def test_numbers_are_told_as_ranges(values: list[int], text: str) -> None:
    assert formatting.numbers(values, limit=2) == text


@given(st.text())
def test_what_is_shown_of_a_name_stays_on_its_line_and_in_its_direction(name: str) -> None:
    shown = formatting.address(name)
    assert not any(c in shown for c in "\n\r\t\0\u202e\u2066\u2028")
    shown.encode()


@given(st.text(), st.integers(10, 40))
def test_shortened_texts_have_at_most_their_length(text: str, most: int) -> None:
    short = formatting.shortened(text, most)
    assert len(short) <= most
    assert short == text or text.startswith(short.partition("…")[0])


def test_emoji_of_several_signs_stay_whole() -> None:
    assert formatting.visible("👩‍🚀") == "👩‍🚀"


@given(st.lists(st.text("ab/", max_size=8), min_size=2))
def test_the_common_folder_is_one_of_all(names: list[str]) -> None:
    folder = formatting.common_folder(names)
    assert all(name.startswith(folder) for name in names)
    assert folder == "" or folder.endswith("/")


@given(st.floats(1e-3, 1e7), st.integers(4, 9))
def test_an_axis_has_at_most_its_number_of_marks_and_reaches_over_it(longest: float, most: int) -> None:
    places = formatting.time_steps(longest, most)
    assert places[0] == 0
    assert 2 <= len(places) <= most + 1
    assert longest / 3 < places[-1] <= longest * (1 + 1e-9)


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        ({"videos": "s3://b/p/", "frames": "0::1"}, "All frames of 3 videos below s3://b/p/."),
        ({"videos": [], "frames": "0::10"}, "One frame in 10 of 3 videos."),
        (
            {"videos": {"manifest": {"bucket": "b", "key": "l.txt"}}, "frames": "5:"},
            "Frames 5: of 3 videos listed in s3://b/l.txt.",
        ),
        ({"videos": "s3://b/p/"}, "All frames of 3 videos below s3://b/p/."),
        ({"videos": [], "frames": "0:100", "reduce": "sum"}, "The sum of all bytes of frames 0:100 of 3 videos."),
        (
            {"videos": {"manifest": "s3://b/l.jsonl"}, "frames": {"keyframes": True}, "format": "webp"},
            "Every keyframe of 3 videos listed in s3://b/l.jsonl, as WebP pictures.",
        ),
        (
            {"frames": {"count": 16}, "size": {"width": 640}},
            "16 frames, evenly spread, of each of 3 videos, 640 px wide.",
        ),
        ({"frames": [1, 2, 3], "reduce": "mean"}, "The mean of 3 given frames of each of 3 videos."),
        ({"frames": {"scenes": {"threshold": 0.06, "max": 20}}}, "A frame of each scene of each of 3 videos."),
        ({"frames": {"representative": 2}}, "2 representative frames of each of 3 videos."),
        ({"frames": "last"}, "The last frame of each of 3 videos."),
        ({"frames": {"keyframes": True, "to": -5}}, '{"keyframes": true, "to": -5} of 3 videos.'),
        ({"frames": {"timestamps": [1.5]}}, "The frames at 1 time of each of 3 videos."),
        ({"frames": {"odd": [1]}, "size": 7, "format": "x"}, '{"odd": [1]} of 3 videos, as x, size 7.'),
        (
            {"size": {"width": 64}, "outputs": [{"format": "jpeg"}, {"size": {"max_side": 9}}, {"format": "sheet"}]},
            "All frames of 3 videos, as JPEG pictures, 64 px wide; the longer side 9 px; as contact sheets, "
            "64 px wide.",
        ),
        ({"outputs": 7, "format": "png"}, "All frames of 3 videos, as PNG pictures."),
        ({"outputs": ["x", {"output": 3}]}, "All frames of 3 videos."),
    ],
)
def test_what_was_asked_is_told_in_a_sentence(request_: dict[str, Any], text: str) -> None:
    assert request_summary.sentence(request_, 3) == text


def test_the_job_as_given_hides_secrets_and_cuts_long_lists() -> None:
    shown = request_summary.as_given({"videos": [f"https://u:hush@h/{n}?sign=hush" for n in range(40)], "kms_key": "k"})
    assert "hush" not in shown
    assert "… and 28 more" in shown
