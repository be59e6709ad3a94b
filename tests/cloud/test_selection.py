"""Which frames: every way to say it, and every way to say it wrong.

F1 to F10 of docs/robustness.md. The video has 40 frames at 25 a second.
"""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.cloud.asked import OK, SMALL_FRAMES, SMALL_URI, Asked, Put, check_report
from tests.cloud.function import Function
from tests.cloud.postconditions import Postconditions
from tests.cloud.stack import RESULTS
from tests.support.faults.client import Faults

QUICK_SECONDS = 1
BAD, OUTSIDE = "BadRequest", "FrameOutOfRange"
ALL = list(range(SMALL_FRAMES))


@pytest.fixture
def asked(function: Function, put: Put, after: Postconditions, prefix: str) -> Asked:
    return Asked(function, after, prefix, put)


REFUSED: dict[str, list[tuple[object, str, str]]] = {
    "F1-empty": [([], BAD, "frames"), ({"timestamps": []}, BAD, "frames.timestamps"), ("", BAD, "frames")],
    "F2-negative": [([-1], OUTSIDE, "-1"), ([0, -40], OUTSIDE, "-40"), ("-1:", BAD, "frames"), ([5, -0.0], BAD, "[1]")],
    "F3-behind": [
        ([SMALL_FRAMES], OUTSIDE, "40 frames"),
        ([0, SMALL_FRAMES + 1], OUTSIDE, "41"),
        ([2**31], OUTSIDE, str(2**31)),
        ([2**32 + 3], OUTSIDE, "40 frames"),  # would be row 3 if someone cut it to 32 bits
        ([2**63], OUTSIDE, "40 frames"),
        ([2**64 + 3], OUTSIDE, "40 frames"),
        ([10**30], OUTSIDE, "40 frames"),
        ([-(2**63)], OUTSIDE, "40 frames"),
        ([10**400], OUTSIDE, "40 frames"),
    ],
    "F4-no-row": [
        ([1.0], BAD, "frames[0]"),
        ([0, 1.5], BAD, "frames[1]"),
        ([0, 0, "3"], BAD, "frames[2]"),
        ([True], BAD, "frames[0]"),
        ([None], BAD, "frames[0]"),
        ([[1]], BAD, "frames[0]"),
        ([{}], BAD, "frames[0]"),
    ],
    "F6-range": [
        ("5:2", BAD, "frames"),
        ("3:3", BAD, "frames"),
        ("0:10:0", BAD, "step"),
        ("10:0:-1", BAD, "frames"),
        ("0:10:1:1", BAD, "frames"),
        ("0 : 10", BAD, "frames"),
        ("0-10", BAD, "frames"),
        ("a:b", BAD, "frames"),
        ("\u0661:\u0665", BAD, "frames"),  # digits to Python, not to this
        ("ALL", BAD, "frames"),
        ("40:", OUTSIDE, "40"),
        ({"rows": "0:41", "strict": True}, OUTSIDE, "40"),
        ({"rows": "39:41", "strict": True}, OUTSIDE, "40"),
        ({"from": 2, "to": 1}, BAD, "frames"),
        ({"rows": "40:", "from": 1}, OUTSIDE, "40"),
    ],
    "F7-huge": [
        ({"rows": "0:1000000000000", "strict": True}, OUTSIDE, "40 frames"),
        ({"rows": f"0:{10**90}", "strict": True}, OUTSIDE, "40 frames"),
        (f"{10**90}:", OUTSIDE, "40 frames"),
        ({"count": 10**12, "strict": True}, OUTSIDE, "40"),
        ({"count": 41, "strict": True}, OUTSIDE, "40"),
        ({"every_seconds": 1e-9}, "LimitExceeded", "frames"),
        ({"every_seconds": 5e-324}, "LimitExceeded", "frames"),
    ],
    "F8-time": [
        ({"timestamps": [0, None]}, BAD, "frames.timestamps[1]"),  # what is no number is E7
        ({"timestamps": [-0.01], "strict": True}, OUTSIDE, "frames.timestamps[0]"),
        ({"timestamps": [0, 1.61], "strict": True}, OUTSIDE, "frames.timestamps[1]"),
        ({"timestamps": [1e300], "strict": True}, OUTSIDE, "frames.timestamps[0]"),
        ({"every_seconds": 1, "from": 1.61, "strict": True}, OUTSIDE, "1.61 s"),
        ({"every_seconds": 1, "from": "1"}, BAD, "frames.from"),
        ({"timestamps": ["1.5"]}, BAD, "frames.timestamps[0]"),
        ({"timestamps": [True]}, BAD, "frames.timestamps[0]"),
        ({"timestamps": 1.5}, BAD, "frames.timestamps"),
        ({"every_seconds": 0}, BAD, "frames.every_seconds"),
        ({"every_seconds": -1}, BAD, "frames.every_seconds"),
    ],
    "F9-mixed": [
        ({"timestamps": [0], "count": 2}, BAD, "count"),
        ({"keyframes": True, "every_seconds": 1}, BAD, "frames"),
        ([0, "3:5"], BAD, "frames[1]"),
        ([0, {"timestamps": [1]}], BAD, "frames[1]"),
        ({"row": [0]}, BAD, "frames"),
        ({"rows": [0], "count": 2}, BAD, "frames.rows"),
        ({"count": 2, "snap": "nearest"}, BAD, "frames.snap"),
        ({}, BAD, "frames"),
        ({"keyframes": False}, BAD, "frames.keyframes"),
        ({"count": 0}, BAD, "frames.count"),
    ],
}


@pytest.mark.parametrize("cases", REFUSED.values(), ids=REFUSED.keys())
def test_frames_that_are_none_are_refused_soon(cases: list[tuple[object, str, str]], asked: Asked) -> None:
    answer = None
    for frames, code, named in cases:
        answer = asked.frames(SMALL_URI, frames, reduce="sum", output=f"{asked.output}x.npy")
        check_report(answer, [code], "frames", named)
        assert answer.seconds < QUICK_SECONDS, frames
    assert answer
    asked.refused(answer, [BAD, OUTSIDE, "LimitExceeded"])


SHOWN: dict[str, tuple[object, list[int]]] = {
    "F5-unsorted": ([39, 0, 0, 17, 5, 39], [39, 0, 0, 17, 5, 39]),
    "F5-backwards": (ALL[::-1], ALL[::-1]),
    "F5-repeated": ([7] * 50, [7] * 50),
    "F6-open-end": ("30:", ALL[30:]),
    "F6-open-start": (":5", ALL[:5]),
    "F6-step": ("3:40:9", ALL[3:40:9]),
    "F6-long-step": (f"1:40:{10**90}", [1]),
    "F6-colon": (":", ALL),
    "F6-all": ("all", ALL),
    "F8-displayed": ({"timestamps": [0, 0.039, 0.04, 0.0799, 1.5599, 1.56, 1.6]}, [0, 0, 1, 1, 38, 39, 39]),
    "F8-rounded": ({"timestamps": [0.0399999, 1.5599995]}, [1, 39]),
    "F8-every": ({"every_seconds": 0.5}, [0, 12, 25, 37]),
    "F8-every-long": ({"every_seconds": 1e300}, [0]),
    "F6-behind": ("39:1000000000000", [39]),
    "F6-last": ([0, "last", 5], [0, 39, 5]),
    "F6-part": ({"from": 0.4, "to": 0.52}, [10, 11, 12]),
    "F6-part-behind": ({"from": 9}, [39]),
    "F8-outside": ({"timestamps": [-1, 0.04, 9]}, [0, 1, 39]),
    "F8-every-from": ({"every_seconds": 0.5, "from": 0.4, "to": -0.5}, [10, 22]),
    "F9-count-more": ({"count": 41}, ALL),
    "F9-count-from": ({"count": 2, "from": -0.4}, [32, 37]),
    "F9-thinned": ({"rows": "all", "max": 4}, [5, 15, 25, 35]),
    "F9-count": ({"count": 4}, [5, 15, 25, 35]),
    "F9-count-all": ({"count": 40}, ALL),
}


@pytest.mark.parametrize(("frames", "rows"), SHOWN.values(), ids=SHOWN.keys())
def test_frames_come_in_the_order_asked_for(frames: object, rows: list[int], asked: Asked) -> None:
    answer = asked.frames(SMALL_URI, frames)
    assert answer.code == OK, answer.value
    assert answer.value["frames"]["rows"] == rows
    assert answer.value["counters"]["samples_decoded"] <= SMALL_FRAMES, "no sample twice"
    asked.exact(answer, asked.truth()[rows])


def test_key_frames_are_where_decoding_starts(asked: Asked) -> None:
    """F9"""
    answer = asked.frames(SMALL_URI, {"keyframes": True})
    rows = answer.value["frames"]["rows"]
    assert rows[0] == 0
    assert answer.value["counters"]["samples_decoded"] == len(rows) == answer.value["video"]["keyframes"] > 1
    asked.exact(answer, asked.truth()[rows])


def test_snapped_frames_decode_one_sample_each_and_have_their_own_times(asked: Asked) -> None:
    """F8"""
    keys = asked.frames(SMALL_URI, {"keyframes": True}).value["frames"]
    answer = asked.frames(SMALL_URI, {"timestamps": [1.2, 0.1], "snap": "keyframe"})
    frames = answer.value["frames"]
    expected = [
        max(row for row, at in zip(keys["rows"], keys["timestamps"], strict=True) if at <= t) for t in (1.2, 0.1)
    ]
    assert (frames["rows"], frames["asked"]) == (expected, [1.2, 0.1])
    assert answer.value["counters"]["samples_decoded"] == len(set(expected)) == 2
    asked.exact(answer, asked.truth()[expected])


def reduced(kind: str, frames: NDArray[np.uint8]) -> NDArray[np.generic]:
    match kind:
        case "sum":
            return np.asarray(frames.sum(dtype=np.uint64))
        case "sum_frames":
            return np.asarray(frames.sum(axis=0, dtype=np.uint64))
        case "mean":
            return np.asarray(frames.sum(axis=0, dtype=np.uint64) / len(frames))
        case "min":
            return np.asarray(frames.min(axis=0))
    return np.asarray(frames.max(axis=0))


@pytest.mark.parametrize("kind", ["sum", "sum_frames", "mean", "min", "max"])
@pytest.mark.parametrize(
    "rows", [[17], [17] * 300, ALL, [39, 0, 0]], ids=["F10-one", "F10-overflow", "F10-all", "F10-unsorted"]
)
def test_reductions_are_exact_and_wide_enough(rows: list[int], kind: str, asked: Asked) -> None:
    """300 times a bright pixel does not fit 16 bits."""
    output = f"{asked.output}x.npy"
    answer = asked.frames(SMALL_URI, rows, reduce=kind, output=output)
    assert answer.code == OK, answer.value
    expected, stored = reduced(kind, asked.truth()[rows]), asked.function.stored_array(output)
    assert stored.dtype == expected.dtype
    np.testing.assert_array_equal(stored, expected)
    asked.after.succeeded(answer)


def test_a_reduction_in_the_answer_itself(asked: Asked) -> None:
    """F10"""
    answer = asked.frames(SMALL_URI, "all", reduce="mean")
    asked.exact(answer, reduced("mean", asked.truth()))


def test_a_reduction_over_frames_of_which_one_is_damaged_is_an_error(asked: Asked, faults: Faults) -> None:
    """F10: never over fewer frames than were asked for."""
    whole = asked.function.stored(SMALL_URI)
    uri = asked.video(whole[: len(whole) * 2 // 3])
    answer = asked.frames(uri, "all", reduce="sum", output=f"{asked.output}x.npy")
    assert [e for e in faults.log("PUT") if RESULTS in e.path] == [], "nothing was written"
    asked.refused(answer, ["FrameCorrupt"], "rows")
