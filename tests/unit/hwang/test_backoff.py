"""Pauses between attempts, and the Retry-After headers that are believed."""

from __future__ import annotations

import pytest

from hwang.sources.backoff import MAX_ATTEMPTS, MAX_PAUSE_SECONDS, pause_seconds, stated_seconds


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0.0),
        ("5", 5.0),
        ("99999999", 99999999.0),
        ("100000000", None),  # int() of a header of megabytes takes minutes
        ("9" * 1_000_000, None),
        ("1.5", None),
        ("-1", None),
        (" 1", None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
        ("²", None),
        ("", None),
        (None, None),
    ],
)
def test_only_a_short_whole_number_of_seconds_is_believed(header: str | None, seconds: float | None) -> None:
    assert stated_seconds(header) == seconds


@pytest.mark.parametrize(
    ("failures", "longest"), [(1, 0.2), (2, 0.4), (3, 0.8), (4, 1.6), (5, 3.2), (6, 5.0), (60, 5.0)]
)
def test_pauses_double_up_to_the_longest_and_are_never_in_step(failures: int, longest: float) -> None:
    pauses = [pause_seconds(failures) for _ in range(2000)]
    assert longest / 4 <= min(pauses) < longest / 4 * 1.05
    assert longest * 0.98 < max(pauses) <= longest


def test_a_request_is_tried_five_times_within_seconds() -> None:
    assert MAX_ATTEMPTS == 5
    assert MAX_PAUSE_SECONDS == 5.0
