"""How results are asked for: wrong ways are refused before any work, and what is large is written in parts.

O7 of docs/robustness.md.
"""

from __future__ import annotations

import hashlib
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from function.output.arrays import Stream
from local import clip as real_clip
from tests.cloud.asked import CLIP_URI, OK, SMALL_URI, Asked, Put, check_report
from tests.cloud.function import Function
from tests.cloud.postconditions import Postconditions
from tests.cloud.stack import RESULTS
from tests.support.clips import linear_decode
from tests.support.faults.client import Faults

MIB = 2**20
CLIP_ROWS = 132


@pytest.fixture
def asked(function: Function, put: Put, after: Postconditions, prefix: str) -> Asked:
    return Asked(function, after, prefix, put)


# What is asked for, with @ for a place in the results that is the test's own, and the field that is told.
REFUSED: dict[str, list[tuple[dict[str, Any], str]]] = {
    "O7-format": [
        ({"output": "@x.gif"}, "format"),
        ({"output": "@x.npy", "format": "gif"}, "format"),
        ({"output": "@x", "format": "JPEG"}, "format"),
        ({"output": "@x"}, "format"),
        ({"output": "@x.npy", "format": "png"}, "output"),
        ({"output": "@x.png", "format": "npy"}, "output"),
        ({"output": "@x/", "format": "npy"}, "output"),
        ({"output": "@x/", "format": "sheet"}, "output"),
        ({"output": "@x.npy", "format": "inline"}, "output"),
        ({"output": "@x.jpg", "reduce": "sum"}, "output"),
        ({"output": "@x.npy", "format": "png", "reduce": "sum"}, "format"),
        ({"output": "@x.webp", "frames": [0, 1]}, "output"),
    ],
    "O7-quality": [
        ({"output": "@x.jpg", "quality": 0}, "quality"),
        ({"output": "@x.jpg", "quality": 101}, "quality"),
        ({"output": "@x.jpg", "quality": -1}, "quality"),
        ({"output": "@x.jpg", "quality": 90.5}, "quality"),
        ({"output": "@x.jpg", "quality": "high"}, "quality"),
        ({"output": "@x.npy", "format": "npy", "quality": 90}, "quality"),
        ({"output": "@x.png", "format": "png", "quality": 90}, "quality"),
        ({"output": "@x.mp4", "fps": 0}, "fps"),
        ({"output": "@x.mp4", "fps": 1001}, "fps"),
        ({"output": "@x.npy", "format": "npy", "fps": 25}, "fps"),
    ],
    "O7-size": [
        ({"output": "@x.jpg", "size": {"width": 16385}}, "size.width"),
        ({"output": "@x.jpg", "size": {"height": -1}}, "size.height"),
        ({"output": "@x.jpg", "size": {"max_side": 0}}, "size.max_side"),
        ({"output": "@x.jpg", "size": {"scale": 2}}, "size.scale"),
    ],
    "O7-key": [
        ({"output": "@" + "k" * 1100}, "output"),
        ({"output": "@" + "k" * 980 + ".npy"}, "output"),  # it fits, its manifest does not
        ({"output": "@" + "\N{FILM FRAMES}" * 260 + ".npy"}, "output"),  # bytes count, not letters
        ({"output": "@../x.npy"}, "output"),
        ({"output": "@a/./x.npy"}, "output"),
        ({"output": "@.."}, "output"),
        ({"output": "@\ud800.npy"}, "output"),
        ({"output": f"s3://{RESULTS}/"}, "output"),
        ({"output": f"s3://{RESULTS}"}, "output"),
        ({"output": "s3://UP/x.npy"}, "output"),
        ({"output": "s3://a b/x.npy"}, "output"),
        ({"output": SMALL_URI, "format": "npy"}, "output"),
    ],
    "O7-template": [
        ({"name": "frame.jpg"}, "name"),  # all frames would have this name
        ({"name": "{ext}"}, "name"),
        ({"name": "{seconds:.0f}.{ext}"}, "name"),
        ({"name": "../{row}.jpg"}, "name"),
        ({"name": "{row}/{ext}"}, "name"),
        ({"name": "{row}\\{ext}"}, "name"),
        ({"name": "{row}\n"}, "name"),
        ({"name": "{missing}{row}"}, "name"),
        ({"name": "{row.__class__}"}, "name"),
        ({"name": "{row!r}"}, "name"),
        ({"name": "{0}{row}"}, "name"),
        ({"name": "{row:999999999d}"}, "name"),
        ({"name": "{row:{position}}"}, "name"),
        ({"name": "{row"}, "name"),
        ({"name": "row}{row}"}, "name"),
        ({"name": ""}, "name"),
        ({"name": "x" * 300 + "{row}"}, "name"),
        ({"name": "_manifest.json{row}"}, "name"),
        ({"name": "{row:099d}" * 20}, "output"),  # 1,980 letters
        ({"output": "@" + "k" * 930 + "/", "name": "{row:06d}" * 8}, "output"),  # each fits, together they do not
    ],
    "O7-writing": [
        ({"output": "@x.npy", "if_exists": "append"}, "if_exists"),
        ({"output": "@x.npy", "storage_class": "FLOPPY"}, "storage_class"),
        ({"output": "@x.npy", "kms_key": ""}, "kms_key"),
    ],
}


@pytest.mark.parametrize("cases", REFUSED.values(), ids=REFUSED.keys())
def test_a_result_that_makes_no_sense_is_refused_before_any_work(
    cases: list[tuple[dict[str, Any], str]], asked: Asked, faults: Faults
) -> None:
    answer = None
    for fields, told in cases:
        event = {"video": SMALL_URI, "frames": [0], "output": "@x/", **fields}
        event["output"] = str(event["output"]).replace("@", asked.output)
        answer = asked.function.invoke(event)
        assert answer.code == "BadRequest", (fields, answer.value)
        check_report(answer, ["BadRequest"], told)
        writes = [entry for entry in faults.log() if entry.method in ("PUT", "POST", "DELETE")]
        assert writes == [], fields
    assert answer
    asked.refused(answer, ["BadRequest"])


def test_a_key_as_long_as_they_come_is_written(asked: Asked) -> None:
    """O7: 1,024 bytes with the manifest's ending."""
    room = 1024 - len(".manifest.json") - len(asked.prefix) - len(".npy")
    folders = ("k" * 199 + "/") * 4  # the server here takes 255 bytes between slashes
    output = f"{asked.output}{folders}{'k' * (room - len(folders))}.npy"
    answer = asked.frames(SMALL_URI, [3], output=output)
    assert answer.code == OK, answer.value
    np.testing.assert_array_equal(asked.function.stored_array(output), asked.truth()[[3]])
    asked.after.succeeded(answer)


@pytest.mark.parametrize("quality", [1, 100])
def test_any_quality_gives_a_picture(quality: int, asked: Asked) -> None:
    """O7"""
    output = f"{asked.output}x.jpg"
    answer = asked.frames(SMALL_URI, [3], output=output, quality=quality)
    assert answer.code == OK, answer.value
    picture = np.asarray(Image.open(io.BytesIO(asked.function.stored(output))).convert("RGB"), dtype=np.int16)
    assert np.abs(picture - asked.truth()[3]).mean() < (60 if quality == 1 else 4)
    asked.after.succeeded(answer)


def test_the_same_frame_twice_is_one_picture(asked: Asked) -> None:
    """O7: no two objects have one name."""
    answer = asked.frames(SMALL_URI, [5, 3, 5], output=f"{asked.output}x/")
    assert answer.code == OK, answer.value
    assert [item["row"] for item in answer.value["output"]] == [5, 3]
    assert len(asked.function.keys(asked.prefix)) == 3
    asked.after.succeeded(answer)


@pytest.mark.limits(memory_mb=512, timeout_seconds=120)
def test_a_result_larger_than_memory_is_written_in_parts(asked: Asked, faults: Faults) -> None:
    rows = sorted([*range(CLIP_ROWS), *range(0, CLIP_ROWS, 2), *range(0, CLIP_ROWS, 6)])
    frames = linear_decode(real_clip.fetch(), (1280, 720))
    whole = hashlib.sha256(Stream((len(rows), 720, 1280, 3), np.dtype(np.uint8), []).header)
    for row in rows:
        whole.update(frames[row].data)
    del frames
    answer = asked.frames(CLIP_URI, rows, output=f"{asked.output}x.npy")
    assert answer.code == OK, answer.value
    [written] = answer.value["output"]
    assert written["bytes"] > 550 * MIB
    assert written["sha256"] == whole.hexdigest()
    parts = [e for e in faults.log("PUT") if "partNumber=" in e.query]
    assert len(parts) > 10
    assert sum(e.request_bytes for e in parts) >= written["bytes"]
    asked.after.succeeded(answer, faults.log())
