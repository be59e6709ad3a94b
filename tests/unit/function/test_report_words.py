"""Numbers, times and names in the report's words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from function.report import formatting


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


def test_the_job_as_given_hides_secrets_and_is_cut_in_its_middle() -> None:
    videos = [f'https://u:hush@h/{n}"?sign=hush' for n in range(900)]
    shown = formatting.as_given({"videos": videos, "kms_key": "k\u202e"})
    assert "hush" not in shown
    assert "https://…@h/899" in shown
    assert "\u202e" not in shown
    assert len(shown) < 6001
