"""A Decoder used as a sequence, by times, turned, planar, and into memory of other libraries."""

from __future__ import annotations

import array
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import hwang
from tests.decoder.conftest import MakeClip, Truth
from tests.support.clips import encoder, numbers_of, run_ffmpeg

CLIP = "h264-open-gop"
TURNED = "h264-rotated"  # by 270 degrees clockwise


def upright(frames: NDArray[Any], degrees: int = 270) -> NDArray[Any]:
    """[N, H, W, ...] turned clockwise."""
    return np.rot90(frames, -degrees // 90, axes=(1, 2))


@pytest.mark.parametrize(
    "key",
    [
        5,
        -1,
        np.int64(7),
        slice(10, 20, 2),
        slice(None, None, -7),
        slice(50, 60),
        [0, -1, 0],
        [],
        np.arange(40) % 9 == 2,
    ],
    ids=str,
)
def test_subscripts_are_those_of_an_array_of_all_frames(key: Any, clip: MakeClip, truth: Truth) -> None:
    with hwang.Decoder(clip(CLIP)) as decoder:
        found = decoder[key]
    np.testing.assert_array_equal(found, truth(CLIP)[key if not isinstance(key, list) else np.array(key, int)])
    assert found.flags.c_contiguous


def test_iterating_yields_all_frames_and_looking_for_one_is_an_error(clip: MakeClip, truth: Truth) -> None:
    with hwang.Decoder(clip(CLIP)) as decoder:
        np.testing.assert_array_equal(list(decoder), truth(CLIP))
        assert numbers_of(reversed(decoder)) == list(range(39, -1, -1))
        assert decoder.stats.samples_decoded < 200  # not from a key frame on for each frame
        with pytest.raises(TypeError):
            decoder[0] in decoder  # noqa: B015
        for key in (40, -41, [0, 40], [True]):
            with pytest.raises(IndexError):
                decoder[key]
        with pytest.raises(IndexError):
            decoder.frames([-1])


def test_selections_are_taken_wherever_rows_are(clip: MakeClip) -> None:
    rows = [0, 12, 25, 37]
    every = hwang.every(0.5)
    with hwang.Decoder(clip(CLIP)) as decoder:
        assert numbers_of(decoder.frames(every)) == rows
        assert numbers_of(decoder.retrieve(every)) == rows
        assert numbers_of(decoder.iter_frames(every)) == rows
        assert [numbers_of(frames) for _, frames in decoder.batches(every)] == [rows]
        assert decoder.plan(every).rows.tolist() == rows
        assert numbers_of(decoder.frames(hwang.keyframes())) == decoder.keyframes().tolist()
        assert numbers_of(decoder.frames(hwang.nearest_keyframe([0.3, 1.5]))) == [12, 36]


def test_the_nearest_key_frames_cost_a_tenth_of_the_processor_time_of_exact_rows(tmp_path: Path) -> None:
    path, raw = tmp_path / "gop-250.mp4", tmp_path / "raw"
    random = np.random.default_rng(1)
    picture = random.integers(0, 200, (90, 160), np.uint8).repeat(4, 0).repeat(4, 1)
    noise = random.integers(0, 32, (7, *picture.shape), np.uint8)
    raw.write_bytes(b"".join(np.roll(picture, row, 1) + noise[row % 7] for row in range(500)))
    source = ["-f", "rawvideo", "-pix_fmt", "gray", "-s", "640x360", "-r", "25", "-i", str(raw)]
    gop = ["-pix_fmt", "yuv420p", "-x264-params", "keyint=250:min-keyint=250:scenecut=0"]
    run_ffmpeg(encoder(), *source, "-c:v", "libx264", "-preset", "veryfast", *gop, str(path))

    def processor_seconds(selection: hwang.Selection | list[int]) -> float:
        before = time.process_time()
        with hwang.Decoder(path) as decoder:
            decoder.frames(selection)
        return time.process_time() - before

    seconds = [9.0, 19.0]
    with hwang.Decoder(path) as decoder:
        assert decoder.keyframes().tolist() == [0, 250]
        assert decoder.plan(hwang.nearest_keyframe(seconds)).rows.tolist() == [250, 250]
    processor_seconds(hwang.nearest_keyframe(seconds))
    exact = processor_seconds([225, 475])
    assert processor_seconds(hwang.nearest_keyframe(seconds)) <= 0.1 * exact


def test_frames_between_two_times_are_those_on_display(clip: MakeClip) -> None:
    with hwang.Decoder(clip(CLIP)) as decoder:
        assert numbers_of(decoder.frames_between(0.1, 0.2)) == [2, 3, 4]
        assert numbers_of(decoder.frames_between(1.5, None)) == [37, 38, 39]
        assert numbers_of(decoder.frames_between(0.1, 0.2, 50)) == [2, 3, 3, 4, 4]
        assert numbers_of(decoder.frames_between(0, 1.6, fps=2.5)) == [0, 10, 20, 30]
        assert len(decoder.frames_between(1, 1)) == 0
        with pytest.raises(hwang.FrameIndexError):
            decoder.frames_between(1, 1.7)


def test_frames_come_with_their_times(clip: MakeClip, truth: Truth) -> None:
    with hwang.Decoder(clip("h264-vfr")) as decoder:
        seconds = decoder.video_index.timestamps()
        timed = decoder.frames([39, 3, 3], with_times=True, max_side=80)
        assert isinstance(timed, hwang.TimedFrames)
        assert (timed.frames.shape, timed.rows.tolist()) == ((3, 48, 80, 3), [39, 3, 3])
        np.testing.assert_array_equal(timed.seconds, seconds[[39, 3, 3]])
        np.testing.assert_allclose(timed.durations, [seconds[39] / 39, *[seconds[4] - seconds[3]] * 2])
        parts = [answer for _, answer in decoder.batches(range(40), 100_000, with_times=True)]
        one_by_one = list(decoder.iter_frames(range(40), with_times=True))
    assert len(parts) > 1
    np.testing.assert_array_equal(np.concatenate([part.frames for part in parts]), truth("h264-vfr"))
    np.testing.assert_array_equal(np.concatenate([part.seconds for part in parts]), seconds)
    assert [(one.rows, one.seconds) for one in one_by_one] == list(enumerate(seconds))
    assert sum(one.durations for one in one_by_one) == pytest.approx(seconds[-1] * 40 / 39)


@pytest.mark.parametrize("pixel_format", ["rgb24", "bgr24", "gray8", "rgb48", "yuv420p"])
@pytest.mark.parametrize("size", [{}, {"width": 64}, {"max_side": 77}], ids=str)
def test_turned_frames_are_the_same_pixels(pixel_format: Any, size: dict[str, Any], clip: MakeClip) -> None:
    with hwang.Decoder(clip(TURNED)) as decoder:
        turned = decoder.frames([30, 2], pixel_format=pixel_format, rotate=True, **size)
        first = turned[0] if isinstance(turned, hwang.Planes) else turned
        height, width = first.shape[1:3]
        plain = decoder.frames([30, 2], pixel_format=pixel_format, width=height, height=width)
        streamed = list(decoder.iter_frames([2, 30], pixel_format=pixel_format, rotate=True, **size))
    expected = {"": (160, 96), "width": (107, 64), "max_side": (77, 46)}[next(iter(size), "")]
    assert (height, width) == expected
    for mine, theirs in zip(*((x if isinstance(x, tuple) else (x,)) for x in (turned, plain)), strict=True):
        np.testing.assert_array_equal(mine, upright(theirs))
        assert mine.flags.c_contiguous
    assert len(streamed) == 2


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_every_rotation_is_clockwise(degrees: int, clip: MakeClip, truth: Truth) -> None:
    import dataclasses

    index = dataclasses.replace(hwang.index_video(clip("h264-odd-size")), rotation=degrees)
    frames = truth("h264-odd-size")[[3, 35]]
    with hwang.Decoder(clip("h264-odd-size"), index) as decoder:
        turned = decoder.frames([3, 35], rotate=True)
        planar = decoder.frames([3, 35], rotate=True, layout="NCHW")
    np.testing.assert_array_equal(turned, upright(frames, degrees))
    np.testing.assert_array_equal(planar, upright(frames, degrees).transpose(0, 3, 1, 2))


@pytest.mark.parametrize("pixel_format", ["rgb24", "bgr24", "gray8", "rgb48"])
def test_planar_frames_are_the_same_pixels(pixel_format: Any, clip: MakeClip) -> None:
    with hwang.Decoder(clip("h264-odd-size")) as decoder:
        frames = decoder.frames([30, 2], pixel_format=pixel_format).reshape(2, 91, 161, -1)
        planar = decoder.frames([30, 2], pixel_format=pixel_format, layout="NCHW")
    np.testing.assert_array_equal(planar, frames.transpose(0, 3, 1, 2))
    assert planar.flags.c_contiguous


def test_keywords_that_make_no_sense_are_named(clip: MakeClip) -> None:
    with hwang.Decoder(clip(CLIP)) as decoder:
        with pytest.raises(ValueError, match="yuv420p has planes"):
            decoder.frames([0], pixel_format="yuv420p", layout="NCHW")
        with pytest.raises(ValueError, match="there are NHWC and NCHW"):
            decoder.frames([0], layout="CHW")  # type: ignore[call-overload]
        with pytest.raises(TypeError, match="widht"):
            decoder.frames_at([0], widht=5)  # type: ignore[call-arg]


class Tensor:
    """Another library's memory: DLPack, with or without versions, on a device."""

    def __init__(self, memory: NDArray[Any], versions: bool = True) -> None:
        self._memory, self._versions = memory, versions

    def __dlpack__(self, **options: Any) -> Any:
        if "max_version" in options and not self._versions:
            raise TypeError("unexpected keyword argument 'max_version'")
        return self._memory.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return 1, 0


SHAPE = (2, 96, 160, 3)
OUTS: dict[str, Callable[[NDArray[np.uint8]], Any]] = {
    "bytearray": lambda _: bytearray(2 * 96 * 160 * 3),
    "memoryview": lambda memory: memory.data,
    "flat memoryview": lambda memory: memory.data.cast("B"),
    "array": lambda _: array.array("B", bytes(2 * 96 * 160 * 3)),
    "tensor": Tensor,
    "tensor without versions": lambda memory: Tensor(memory, versions=False),
}


@pytest.mark.parametrize("timeout", [None, 60])
@pytest.mark.parametrize("make", OUTS.values(), ids=OUTS)
def test_memory_of_others_is_filled_without_a_copy(
    make: Callable[[NDArray[np.uint8]], Any], timeout: float | None, clip: MakeClip, truth: Truth
) -> None:
    memory = np.zeros(SHAPE, np.uint8)
    out = make(memory)
    with hwang.Decoder(clip(CLIP)) as decoder:
        assert decoder.frames([33, 4], out=out, timeout=timeout) is out
    filled = np.frombuffer(out, np.uint8).reshape(SHAPE) if isinstance(out, bytearray | array.array) else memory
    np.testing.assert_array_equal(filled, truth(CLIP)[[33, 4]])


def test_planes_and_planar_frames_are_filled_too(clip: MakeClip) -> None:
    y, u, v = (np.zeros((1, h, w), np.uint8) for h, w in ((160, 96), (80, 48), (80, 48)))
    planar = np.zeros((1, 3, 160, 96), np.uint8)
    with hwang.Decoder(clip(TURNED)) as decoder:
        out = (Tensor(y), u.data, v)
        assert decoder.frames([9], pixel_format="yuv420p", rotate=True, out=out) is out
        for mine, theirs in zip((y, u, v), decoder.frames([9], pixel_format="yuv420p"), strict=True):
            np.testing.assert_array_equal(mine, upright(theirs))
        timed = decoder.frames([9], layout="NCHW", rotate=True, out=Tensor(planar), with_times=True)
        np.testing.assert_array_equal(planar, upright(decoder.frames([9])).transpose(0, 3, 1, 2))
    assert isinstance(timed.frames, Tensor)


def read_only() -> NDArray[np.uint8]:
    memory = np.zeros(SHAPE, np.uint8)
    memory.flags.writeable = False
    return memory


@pytest.mark.parametrize(
    "out",
    [
        bytes(2 * 96 * 160 * 3),
        read_only().data,
        read_only(),
        Tensor(read_only()),
        bytearray(7),
        np.zeros((*SHAPE[:3], 6), np.uint8)[..., ::2],
        Tensor(np.zeros((*SHAPE[:3], 6), np.uint8)[..., ::2]),
        Tensor(np.zeros(SHAPE, np.int8)),
        Tensor(np.zeros((1, *SHAPE[1:]), np.uint8)),
        "text",
        object(),
    ],
    ids=lambda out: type(out).__name__,
)
def test_memory_that_does_not_fit_is_refused(out: Any, clip: MakeClip) -> None:
    with hwang.Decoder(clip(CLIP)) as decoder:
        with pytest.raises(ValueError, match="out"):
            decoder.frames([33, 4], out=out)
        with pytest.raises(ValueError, match="out must be hwang"):
            decoder.frames([33, 4], out=out, pixel_format="yuv420p")


def test_a_repr_says_what_is_open(clip: MakeClip) -> None:
    decoder = hwang.Decoder(clip("h264-fragmented").read_bytes())
    assert repr(decoder) == "<hwang.Decoder: not indexed yet>"
    len(decoder)
    assert repr(decoder) == "<hwang.Decoder: h264 160x96, 40 rows, 25 fps, mov>"
    decoder.close()
    assert repr(decoder) == "<hwang.Decoder: h264 160x96, 40 rows, 25 fps, mov, closed>"
    assert repr(hwang.Decoder.__new__(hwang.Decoder)) == "<hwang.Decoder: closed>"
