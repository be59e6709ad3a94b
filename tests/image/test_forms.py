"""Every form in which frames are given back, and every other thing that can be asked."""

from __future__ import annotations

import base64
import io
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from hwang.index import VideoIndex
from local import clip as real_clip
from local.stack import Stack
from tests.image.conftest import BUCKET, Put, real_frames
from tests.image.objects import keys, result_of, stored, stored_array
from tests.support.clips import encoder, linear_decode, run_ffmpeg

OUT = f"s3://{BUCKET}/forms"


def difference(shown: NDArray[Any], real: NDArray[Any]) -> float:
    """Mean over the pixels, in steps of 1/255."""
    return float(np.abs(shown.astype(np.int16) - real).mean())


def test_an_archive_of_arrays(stack: Stack, video: str) -> None:
    result = result_of(stack, video=video, frames=[100, 3], output=f"{OUT}/a.npz")
    with np.load(io.BytesIO(stored(stack, f"{OUT}/a.npz")), allow_pickle=False) as archive:
        np.testing.assert_array_equal(archive["frames"], real_frames()[[100, 3]])
        np.testing.assert_array_equal(archive["rows"], [100, 3])
        np.testing.assert_allclose(archive["timestamps"], [4.0, 0.12])
    assert result["output"][0]["shape"] == [2, 720, 1280, 3]


def test_pictures_are_named_and_compressed_as_asked(stack: Stack, video: str) -> None:
    options: Any = {"format": "webp", "quality": 60, "name": "{position:02d}-{seconds:.2f}.{ext}"}
    result_of(stack, video=video, frames=[50, 2, 50], size={"max_side": 320}, output=f"{OUT}/webp/", **options)
    assert keys(stack, "forms/webp/") == [
        f"forms/webp/{name}" for name in ("00-2.00.webp", "01-0.08.webp", "_manifest.json")
    ]
    picture = Image.open(io.BytesIO(stored(stack, f"{OUT}/webp/00-2.00.webp")))
    assert picture.format == "WEBP"
    small = Image.fromarray(real_frames()[50]).resize((320, 180))
    assert difference(np.asarray(picture.convert("RGB")), np.asarray(small)) < 6


def test_a_clip_of_frames_plays(stack: Stack, video: str, tmp_path: Path) -> None:
    rows = list(range(0, 132, 4))
    result = result_of(stack, video=video, frames=rows, size={"width": 641}, fps=12.5, output=f"{OUT}/clip.mp4")
    assert result["output"][0]["shape"] == [33, 360, 640, 3]
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(stored(stack, f"{OUT}/clip.mp4"))
    shown = linear_decode(clip, (640, 360))
    assert len(shown) == 33
    for frame, row in zip(shown, rows, strict=True):
        assert difference(frame, np.asarray(Image.fromarray(real_frames()[row]).resize((640, 360)))) < 6


def test_frames_in_the_answer_itself(stack: Stack, video: str) -> None:
    result = result_of(stack, video=video, frames=[7, 8], size={"max_side": 64}, format="inline")
    array = np.load(io.BytesIO(base64.b64decode(result["inline"]["data"])), allow_pickle=False)
    assert list(array.shape) == result["inline"]["shape"] == [2, 36, 64, 3]
    assert difference(array[0], np.asarray(Image.fromarray(real_frames()[7]).resize((64, 36)))) < 6
    answer = stack.invoke({"video": video, "frames": "all", "format": "inline"})
    assert answer["errorType"] == "LimitExceeded", answer


def test_a_size_is_the_tools(stack: Stack, video: str, tmp_path: Path) -> None:
    result_of(stack, video=video, frames=[3, 90], size={"width": 300, "height": 200}, output=f"{OUT}/small.npy")
    raw = tmp_path / "small.rgb"
    scale = ("-vf", "scale=300:200", "-pix_fmt", "rgb24", "-f", "rawvideo")
    run_ffmpeg(encoder(), "-i", str(real_clip.fetch()), *scale, str(raw))
    frames = np.fromfile(raw, np.uint8).reshape(-1, 200, 300, 3)
    np.testing.assert_array_equal(stored_array(stack, f"{OUT}/small.npy"), frames[[3, 90]])


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_frames_are_turned_on_request(degrees: int, stack: Stack, put: Put, tmp_path: Path) -> None:
    turned = tmp_path / "turned.mp4"
    rotate = ("-display_rotation", str(-degrees))
    run_ffmpeg(encoder(), *rotate, "-i", str(real_clip.fetch()), "-map", "0:v", "-c", "copy", str(turned))
    video = put(turned.name, turned)
    result = result_of(stack, video=video, frames=[9], rotate=True, output=f"{OUT}/turned.npy")
    assert result["video"]["rotation"] == degrees
    np.testing.assert_array_equal(
        stored_array(stack, f"{OUT}/turned.npy")[0], np.rot90(real_frames()[9], -degrees // 90)
    )
    result_of(stack, video=video, frames=[9], output=f"{OUT}/plain.npy")
    np.testing.assert_array_equal(stored_array(stack, f"{OUT}/plain.npy")[0], real_frames()[9])


def test_a_probe_tells_what_the_video_is(stack: Stack, video: str) -> None:
    result = result_of(stack, action="probe", video=video)
    facts = result["video"]
    assert (facts["width"], facts["height"], facts["frames"], facts["codec"]) == (1280, 720, 132, "h264")
    assert facts["seconds"] == pytest.approx(5.28)
    assert result["counters"]["samples_decoded"] == 0


def test_a_plan_is_what_a_decode_then_takes(stack: Stack, video: str) -> None:
    asked: Any = {"video": video, "frames": [0, 60, 131]}
    cost = result_of(stack, action="plan", **asked)["cost"]
    taken = result_of(stack, **asked, output=f"{OUT}/planned.npy")["counters"]
    assert taken["samples_decoded"] <= cost["samples"]
    assert taken["bytes_read"] <= cost["bytes"] + 2 * 65536
    assert cost["output_bytes"] == len(stored(stack, f"{OUT}/planned.npy"))
    assert 0 < cost["memory_mb"] <= 512


def test_an_index_is_written_and_is_hwangs(stack: Stack, video: str) -> None:
    result_of(stack, action="index", video=video, output=f"{OUT}/clip.hwang")
    index = VideoIndex.deserialize(stored(stack, f"{OUT}/clip.hwang"))
    assert (len(index), index.width) == (132, 1280)
    answer = stack.invoke({"action": "index", "video": video})
    assert "HWANG_INDEX_CACHE" in json.loads(answer["errorMessage"])["message"]


@pytest.mark.parametrize("reduce", ["sum", "sum_frames", "mean", "min", "max"])
def test_parts_of_any_length_combine_to_the_whole(reduce: str, stack: Stack, video: str) -> None:
    cuts = [0, 7, 8, 40]
    parts = []
    for start, stop in pairwise(cuts):
        parts.append(f"{OUT}/{reduce}-{start}.npy")
        result_of(stack, video=video, frames=f"{start}:{stop}", reduce=reduce, output=parts[-1])
    result = result_of(stack, action="combine", parts=parts, output=f"{OUT}/{reduce}-all.npy")
    result_of(stack, video=video, frames="0:40", reduce=reduce, output=f"{OUT}/{reduce}-once.npy")
    once = stored_array(stack, f"{OUT}/{reduce}-once.npy")
    np.testing.assert_array_equal(stored_array(stack, f"{OUT}/{reduce}-all.npy"), once, strict=True)
    assert result["partial"] == {"reduce": reduce, "frames": 40}


def test_missing_and_unfit_parts_are_named(stack: Stack, video: str) -> None:
    for kind in ("sum", "mean"):
        result_of(stack, video=video, frames="0:2", reduce=kind, output=f"{OUT}/unfit-{kind}.npy")
    answer = stack.invoke(
        {"action": "combine", "parts": [f"{OUT}/unfit-sum.npy", f"{OUT}/no.npy"], "output": f"{OUT}/c.npy"}
    )
    assert answer["errorType"] == "SourceNotFound"
    assert json.loads(answer["errorMessage"])["detail"]["missing"] == [f"{OUT}/no.npy"]
    both = [f"{OUT}/unfit-{kind}.npy" for kind in ("sum", "mean")]
    answer = stack.invoke({"action": "combine", "parts": both, "output": f"{OUT}/c.npy"})
    assert answer["errorType"] == "BadRequest"
    assert keys(stack, "forms/c.npy") == []


def test_an_equal_request_is_answered_with_its_finished_result(stack: Stack, video: str) -> None:
    asked: Any = {"video": video, "frames": [5], "output": f"{OUT}/kept.npy", "if_exists": "keep"}
    first, second = result_of(stack, **asked), result_of(stack, **asked)
    assert "kept" not in first
    assert second["kept"] is True
    assert second["output"] == first["output"]
    other = stack.invoke({**asked, "frames": [6]})
    assert other["errorType"] == "OutputConflict", other
    np.testing.assert_array_equal(stored_array(stack, f"{OUT}/kept.npy")[0], real_frames()[5])
