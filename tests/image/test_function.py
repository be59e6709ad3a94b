"""The function through its container: what it writes, what it answers, what it does with bad input."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from function.frames.sheet import layout
from local import clip as real_clip
from local.stack import Stack
from tests.image.conftest import BUCKET, Put, real_frames
from tests.image.objects import keys, result_of, stored, stored_array
from tests.support.clips import BY_NAME, encoder, linear_decode, make_clip, run_ffmpeg

BAD_INPUT_SECONDS = 2


def test_the_tutorials_job(stack: Stack, video: str) -> None:
    output = f"s3://{BUCKET}/out/part1.npy"
    result = result_of(stack, video=video, frames="0:100", reduce="sum", output=output)
    expected = int(real_frames()[:100].sum(dtype=np.uint64))
    assert result["reduced"] == expected
    assert int(stored_array(stack, output)) == expected
    assert result["frames"]["count"] == 100
    assert result["counters"]["frames_decoded"] == 100
    assert result["counters"]["bytes_read"] < result["video"]["bytes"] == 1_055_736


def test_frames_as_an_array_in_the_order_asked(stack: Stack, video: str) -> None:
    rows = [100, 3, 3, 131]
    output = f"s3://{BUCKET}/out/frames.npy"
    result = result_of(stack, video=video, frames=rows, output=output)
    np.testing.assert_array_equal(stored_array(stack, output), real_frames()[rows])
    assert result["frames"]["timestamps"] == pytest.approx([row / 25 for row in rows])
    written = result["output"][0]
    assert (written["shape"], written["dtype"], written["bytes"]) == (
        [4, 720, 1280, 3],
        "uint8",
        4 * 720 * 1280 * 3 + 128,
    )


def test_the_function_proves_itself_without_a_video(stack: Stack) -> None:
    result = result_of(stack, action="selftest")
    assert result["frames_checked"] == 5
    assert result["samples_decoded"] == 12


@pytest.mark.parametrize(("rows", "reduce"), [([3, 3, 100], None), ([100, 3, 3], "sum_frames")])
def test_repeated_rows_are_decoded_once(rows: list[int], reduce: str | None, stack: Stack, video: str) -> None:
    output = f"s3://{BUCKET}/out/repeated.npy"
    result = result_of(stack, video=video, frames=rows, reduce=reduce, output=output)
    frames = real_frames()[rows]
    np.testing.assert_array_equal(
        stored_array(stack, output), frames.sum(axis=0, dtype=np.uint64) if reduce else frames
    )
    assert result["counters"]["frames_decoded"] == 2


def test_frames_as_pictures_and_their_manifest(stack: Stack, video: str) -> None:
    result = result_of(stack, video=video, frames={"every_seconds": 2}, output=f"s3://{BUCKET}/pictures/")
    assert len(result["output"]) == 3
    for written, row in zip(result["output"], (0, 50, 100), strict=True):
        picture = np.asarray(Image.open(io.BytesIO(stored(stack, written["uri"]))).convert("RGB"), dtype=np.int16)
        assert np.abs(picture - real_frames()[row]).mean() < 4  # JPEG
    manifest = json.loads(stored(stack, f"s3://{BUCKET}/pictures/_manifest.json"))
    assert manifest["output"] == result["output"]


def test_png_pictures_are_exact(stack: Stack, video: str) -> None:
    result = result_of(stack, video=video, frames=[7], output=f"s3://{BUCKET}/out/seven.png")
    picture = np.asarray(Image.open(io.BytesIO(stored(stack, result["output"][0]["uri"]))))
    np.testing.assert_array_equal(picture, real_frames()[7])


def test_a_contact_sheet(stack: Stack, video: str) -> None:
    output = f"s3://{BUCKET}/out/sheet.png"
    rows = result_of(stack, video=video, frames={"count": 12}, output=output)["frames"]["rows"]
    sheet, grid = Image.open(io.BytesIO(stored(stack, output))), layout(12, 1280, 720)
    assert sheet.size == (grid.width_px, grid.height_px)
    size = grid.thumb_width_px, grid.thumb_height_px
    real = np.stack([np.asarray(Image.fromarray(real_frames()[row]).resize(size), dtype=np.int16) for row in rows])
    for position in range(12):
        left, top = grid.corner(position)
        shown = np.asarray(sheet.crop((left, top, left + size[0], top + size[1])), dtype=np.int16)
        differences = np.abs(real - shown).mean(axis=(1, 2, 3))
        assert differences.argmin() == position
        assert differences[position] < 2  # made smaller in another way


@pytest.mark.parametrize("reduce", ["sum_frames", "mean", "min", "max"])
def test_reductions_over_frames(reduce: str, stack: Stack, video: str) -> None:
    output = f"s3://{BUCKET}/out/{reduce}.npy"
    result_of(stack, video=video, frames="10:40:3", reduce=reduce, output=output)
    frames = real_frames()[10:40:3]
    expected = {
        "sum_frames": frames.sum(axis=0, dtype=np.uint64),
        "mean": frames.mean(axis=0, dtype=np.float64),
        "min": frames.min(axis=0),
        "max": frames.max(axis=0),
    }[reduce]
    got = stored_array(stack, output)
    assert got.dtype == expected.dtype
    np.testing.assert_allclose(got, expected, rtol=1e-12)


@pytest.mark.parametrize(
    "name", ["h264-open-gop", "h264-mpegts", "hevc-10bit", "vp9", "av1-matroska", "mpeg4-b-frames"]
)
def test_codecs_and_containers(name: str, stack: Stack, put: Put, tmp_path: Path) -> None:
    path = make_clip(name, tmp_path)
    output = f"s3://{BUCKET}/out/{name}.npy"
    result = result_of(stack, video=put(path.name, path), frames=[30, 5], output=output)
    np.testing.assert_array_equal(stored_array(stack, output), linear_decode(path, BY_NAME[name].size)[[30, 5]])
    assert result["video"]["codec"] == BY_NAME[name].codec


GOOD: dict[str, Any] = {"frames": [0], "output": f"s3://{BUCKET}/bad/x.npy"}
BAD_EVENTS: list[tuple[object, str, str]] = [
    (None, "BadRequest", "null"),
    ([1, 2], "BadRequest", "array"),
    ("sum, please", "BadRequest", "string"),
    (7, "BadRequest", "number"),
    ({}, "BadRequest", "video"),
    ({**GOOD}, "BadRequest", "video"),
    ({**GOOD, "video": "s3://tests/clip.mp4", "frame": [1]}, "BadRequest", "frames"),
    ({**GOOD, "video": "clip.mp4"}, "BadRequest", "video"),
    ({**GOOD, "video": "ftp://host/clip.mp4"}, "SourceBlocked", "https"),
    ({**GOOD, "video": "file:///etc/passwd"}, "SourceBlocked", "https"),
    ({**GOOD, "video": "https://169.254.169.254/latest/meta-data/?a=secret"}, "SourceBlocked", "169.254.169.254"),
    ({**GOOD, "video": "https://127.0.0.1:9001/"}, "SourceBlocked", "127.0.0.1"),
    ({**GOOD, "video": "s3://tests/clip.mp4", "frames": []}, "BadRequest", "frames"),
    ({**GOOD, "video": "s3://tests/clip.mp4", "frames": [1.5]}, "BadRequest", "frames"),
    ({**GOOD, "video": "s3://tests/clip.mp4", "frames": [-1]}, "FrameOutOfRange", "-1"),
    ({**GOOD, "video": "s3://tests/clip.mp4", "frames": [132]}, "FrameOutOfRange", "132"),
    ({**GOOD, "video": "s3://tests/clip.mp4", "frames": {"count": 133, "strict": True}}, "FrameOutOfRange", "132"),
    ({**GOOD, "video": "s3://tests/missing.mp4"}, "SourceNotFound", "missing.mp4"),
    ({**GOOD, "video": "s3://no-such-bucket/clip.mp4"}, "SourceNotFound", "no-such-bucket"),
    (
        {**GOOD, "video": "s3://tests/clip.mp4", "output": "s3://no-such-bucket/x.npy"},
        "OutputNotFound",
        "no-such-bucket",
    ),
    ({**GOOD, "video": "s3://tests/empty.mp4"}, "CorruptMedia", "empty"),
    ({**GOOD, "video": "s3://tests/text.mp4"}, "UnsupportedMedia", "text.mp4"),
    ({**GOOD, "video": "s3://tests/cut.mp4"}, "CorruptMedia", "cut.mp4"),
    ({**GOOD, "video": "s3://tests/truncated.mp4", "frames": [131]}, "FrameCorrupt", "131"),
]


@pytest.fixture(scope="module")
def objects(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Good and bad objects in the bucket; the path of the small good one."""
    folder = tmp_path_factory.mktemp("objects")
    small, faststart = make_clip("h264-faststart", folder), folder / "faststart.mp4"
    remux = ("-map", "0:v", "-c", "copy", "-movflags", "+faststart")
    run_ffmpeg(encoder(), "-i", str(real_clip.fetch()), *remux, str(faststart))
    whole = faststart.read_bytes()
    contents = {
        "clip.mp4": real_clip.fetch().read_bytes(),
        "small.mp4": small.read_bytes(),
        "empty.mp4": b"",
        "text.mp4": b"this is no video\n" * 50,
        "cut.mp4": whole[:406],
        "truncated.mp4": whole[: len(whole) * 2 // 3],
    }
    for key, content in contents.items():
        stack.s3.put_object(Bucket=BUCKET, Key=key, Body=content)
    return small


@pytest.mark.parametrize(("event", "code", "named"), BAD_EVENTS)
def test_bad_input_is_answered_and_the_next_request_works(
    event: object, code: str, named: str, stack: Stack, objects: Path
) -> None:
    before = stack.container("function")

    start = time.perf_counter()
    answer = stack.invoke(event)
    seconds = time.perf_counter() - start

    assert answer["errorType"] == code, answer
    report = json.loads(answer["errorMessage"])
    assert set(report) == {"message", "retryable", "detail", "request_id"}
    assert named in report["message"]
    assert len(report["message"]) <= 300
    assert not answer.get("stackTrace")
    assert seconds < BAD_INPUT_SECONDS
    assert keys(stack, "bad/") == []

    output = f"s3://{BUCKET}/good/next.npy"
    result_of(stack, video=f"s3://{BUCKET}/small.mp4", frames=[17], output=output)
    np.testing.assert_array_equal(stored_array(stack, output)[0], linear_decode(objects, (160, 96))[17])
    assert stack.container("function") == before


def test_a_failure_midway_leaves_nothing(stack: Stack, objects: Path) -> None:  # noqa: ARG001 - puts truncated.mp4
    video, output = f"s3://{BUCKET}/truncated.mp4", f"s3://{BUCKET}/midway/"
    answer = stack.invoke({"video": video, "frames": "0:132", "output": output})
    assert answer["errorType"] == "FrameCorrupt", answer
    assert min(json.loads(answer["errorMessage"])["detail"]["rows"]) > 12  # a batch or more was written before
    assert keys(stack, "midway/") == []


def test_an_earlier_result_survives_a_refused_request(stack: Stack, video: str) -> None:
    output = f"s3://{BUCKET}/earlier/part1.npy"
    result_of(stack, video=video, frames=[3], output=output)

    def etags() -> list[str]:
        names = keys(stack, "earlier/")
        return [stack.s3.head_object(Bucket=BUCKET, Key=key)["ETag"] for key in names]

    before = etags()
    answer = stack.invoke({"video": f"s3://{BUCKET}/missing.mp4", "frames": [4], "output": output})
    assert answer["errorType"] == "SourceNotFound", answer
    assert len(before) == 2  # the array and its manifest
    assert etags() == before


def test_what_is_not_json_is_refused_and_the_next_request_works(stack: Stack, video: str) -> None:
    answer = stack.invoke(b"{frames: please")
    assert "errorType" in answer
    assert result_of(stack, video=video, frames=[0], output=f"s3://{BUCKET}/out/after.npy")["frames"]["count"] == 1
