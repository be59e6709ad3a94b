"""Connections that break, anywhere in a video: the same bytes, hardly more of them."""

from __future__ import annotations

from local import clip as real_clip
from tests.cloud.asked import CLIP_URI
from tests.cloud.function import Answer, Function
from tests.cloud.postconditions import Postconditions
from tests.soak.conftest import Report, times
from tests.support.faults import rules
from tests.support.faults.client import Faults

CLIP = "/videos/clip.mp4$"
MOST_MORE = 1.2  # times the bytes of an undisturbed run
EVENT = {"video": CLIP_URI, "frames": "all", "reduce": "sum", "format": "inline"}


def read(faults: Faults) -> int:
    """Bytes that went to the function, those included that a reset threw away."""
    return sum(entry.response_bytes for entry in faults.log("GET", "/videos/clip.mp4"))


def test_a_reset_costs_nothing_but_its_time(
    function: Function, after: Postconditions, faults: Faults, report: Report
) -> None:
    undisturbed = function.invoke(EVENT)
    expected, bytes_read = undisturbed.value["reduced"], read(faults)
    largest = max(entry.response_bytes for entry in faults.log("GET", "/videos/clip.mp4"))
    assert bytes_read >= real_clip.fetch().stat().st_size * 9 // 10
    most, applied_count, answer = 0.0, 0, Answer({}, 0)
    for number in range(times(100)):
        faults.clear()
        offset = largest * number // times(100)
        with faults.rule(rules.Reset(offset), method="GET", path=CLIP, times=1) as applied:
            answer = function.invoke(EVENT)
            applied_count += applied.hits
        assert answer.code == "ok", (offset, answer.value)
        assert answer.value["reduced"] == expected, offset
        most = max(most, read(faults) / bytes_read)
    report(resets=applied_count, exact=times(100), most_bytes_read=round(most, 3))
    assert applied_count == times(100)
    assert most <= MOST_MORE
    after.hold(answer)
