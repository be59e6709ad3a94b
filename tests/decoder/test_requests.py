"""Ways to ask: by time, one by one, from several threads; and ways to end."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hwang
from hwang.request import FrameOptions
from local import clip as real_clip
from tests.decoder.conftest import MakeClip, Truth
from tests.support.clips import linear_decode, read_number
from tests.support.processes import there_and_back


def test_frames_at_shows_what_is_on_display(clip: MakeClip, truth: Truth) -> None:
    with hwang.Decoder(clip("h264-closed-gop")) as decoder:
        seconds = [0.0, 0.0399, 0.04, 0.05, 1.5599, 1.56, 1.6, 0.12]
        np.testing.assert_array_equal(decoder.frames_at(seconds), truth("h264-closed-gop")[[0, 0, 1, 1, 38, 39, 39, 3]])
        assert read_number(decoder.frames_at(0.4)[0]) == 10
        for outside in (-0.1, 1.7, float("nan"), float("inf")):
            with pytest.raises(hwang.FrameIndexError, match="on display"):
                decoder.frames_at([0.5, outside])


def test_keyframes_are_the_rows_that_cost_one_sample(clip: MakeClip) -> None:
    with hwang.Decoder(clip("h264-closed-gop")) as decoder:
        assert decoder.keyframes().tolist() == [0, 12, 24, 36]
        decoder.frames(decoder.keyframes())
        assert decoder.stats.samples_decoded == 4


def test_a_plan_is_an_upper_bound(clip: MakeClip) -> None:
    with hwang.Decoder(clip("h264-closed-gop")) as decoder:
        plan = decoder.plan([23, 35])
        decoder.frames([23, 35])
        stats = decoder.stats
    assert len(plan.runs) == 2
    assert stats.samples_decoded < plan.samples_decoded
    assert stats.samples_decoded + stats.samples_skipped == plan.samples_decoded + plan.samples_skipped


@pytest.mark.parametrize("rows", [range(40), range(3, 40, 9), [39, 0, 17, 17, 5]])
@pytest.mark.parametrize("name", ["h264-closed-gop", "h264-one-gop", "vp8-alt-ref", "av1"])
def test_iter_frames_gives_them_one_by_one(name: str, rows: Sequence[int], clip: MakeClip, truth: Truth) -> None:
    with hwang.Decoder(clip(name)) as decoder:
        count = 0
        for row, frame in zip(rows, decoder.iter_frames(rows), strict=True):
            np.testing.assert_array_equal(frame, truth(name)[row])
            count += 1
        assert count == len(rows)
        small = list(decoder.iter_frames(rows, max_side=40, pixel_format="yuv420p"))
        assert {tuple(plane.shape for plane in planes) for planes in small} == {((24, 40), (12, 20), (12, 20))}


@pytest.mark.parametrize("rows", [range(40), range(3, 40, 9), [39, 0, 17, 17, 5]])
@pytest.mark.parametrize(
    "name", ["h264-closed-gop", "h264-one-gop", "h264-rotated", "h264-intra-refresh", "hevc-10bit", "av1"]
)
def test_several_forms_are_each_as_alone_and_decoded_once(name: str, rows: Sequence[int], clip: MakeClip) -> None:
    forms: list[FrameOptions] = [
        {},
        {"max_side": 80},
        {"width": 37, "height": 53, "rotate": True, "layout": "NCHW"},
        {"max_side": 40, "pixel_format": "yuv420p"},
        {"pixel_format": "gray8", "with_times": True},
        {"pixel_format": "rgb48"},
    ]
    with hwang.Decoder(clip(name)) as decoder, hwang.Decoder(clip(name)) as alone:
        shown = [alone.frames(rows, **form) for form in forms]
        for max_bytes in (1, 1 << 20):
            done = 0
            for part, several in decoder.batches_in(forms, rows, max_bytes):
                assert part.start == done
                done = part.stop
                for frames, whole in zip(several, shown, strict=True):
                    _assert_same(frames, whole, part)
            assert done == len(rows)
    with hwang.Decoder(clip(name)) as decoder, hwang.Decoder(clip(name)) as alone:
        list(decoder.batches_in(forms, rows))
        list(alone.batches(rows))
        assert decoder.stats == alone.stats


def _assert_same(frames: Any, whole: Any, part: slice) -> None:
    """Arrays, or tuples of them, are the part of the whole."""
    if isinstance(frames, tuple):
        for one, all_of_it in zip(frames, whole, strict=True):
            _assert_same(one, all_of_it, part)
    else:
        np.testing.assert_array_equal(frames, whole[part], strict=True)


def test_frames_in_no_form_are_refused(clip: MakeClip) -> None:
    with hwang.Decoder(clip("h264-closed-gop")) as decoder, pytest.raises(ValueError, match="at least one form"):
        decoder.batches_in([], [0])


def test_iter_frames_decodes_several_short_runs_at_once_and_none_twice(clip: MakeClip) -> None:
    with hwang.Decoder(clip("h264-closed-gop")) as decoder:
        rows = range(0, 40, 6)
        numbers = [read_number(frame) for frame in decoder.iter_frames(rows)]
        assert numbers == list(rows)
        once = decoder.stats.samples_decoded
        decoder.frames(rows)
        assert decoder.stats.samples_decoded == 2 * once


@pytest.mark.parametrize("name", ["h264-closed-gop", "hevc-open-gop", "hevc-10bit", "h264-mpegts", "h264-raw"])
def test_pictures_that_nothing_refers_to_are_left_out(name: str, clip: MakeClip, truth: Truth) -> None:
    with hwang.Decoder(clip(name)) as decoder:
        before = decoder.stats
        for row in range(len(decoder)):
            np.testing.assert_array_equal(decoder.frames([row])[0], truth(name)[row], err_msg=f"row {row}")
        after = decoder.stats
    assert after.samples_skipped - before.samples_skipped > len(decoder)
    assert after.frames - before.frames == len(decoder)


@pytest.mark.parametrize("name", ["h264-closed-gop", "vp9", "h264-mpegts", "av1"])
def test_threads_may_share_a_decoder(name: str, clip: MakeClip, truth: Truth) -> None:
    def ask(seed: int) -> None:
        rows = np.random.default_rng(seed).integers(0, 40, 7)
        np.testing.assert_array_equal(decoder.frames(rows), truth(name)[rows])
        np.testing.assert_array_equal(list(decoder.iter_frames(rows[:3])), truth(name)[rows[:3]])

    with hwang.Decoder(clip(name)) as decoder, ThreadPoolExecutor(6) as pool:
        list(pool.map(ask, range(40)))
        assert decoder.stats.frames >= 40


def test_an_index_goes_to_another_process(clip: MakeClip, truth: Truth) -> None:
    index = there_and_back(hwang.index_video(clip("h264-trimmed")))
    with hwang.Decoder(clip("h264-trimmed"), index) as decoder:
        np.testing.assert_array_equal(decoder.frames([7]), truth("h264-trimmed")[[7]])


class Slow:
    """A range source that takes its time, and says when it was asked."""

    def __init__(self, data: bytes) -> None:
        self.data, self.size, self.asked = data, len(data), threading.Event()

    def read_ranges(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        self.asked.set()
        time.sleep(0.2)
        return [self.data[offset : offset + length] for offset, length in ranges]


@pytest.mark.parametrize("way", ["frames", "iter_frames"])
def test_stop_ends_calls_in_progress_and_only_those(way: str) -> None:
    path = real_clip.fetch()
    rows = range(132)
    slow = Slow(path.read_bytes())
    with hwang.Decoder(slow, hwang.index_video(path)) as decoder, ThreadPoolExecutor(1) as pool:
        slow.asked.clear()
        call = pool.submit(lambda: list(getattr(decoder, way)(rows)))
        assert slow.asked.wait(10)
        decoder.stop()
        begin = time.monotonic()
        with pytest.raises(hwang.StoppedError):
            call.result(timeout=10)
        assert time.monotonic() - begin < 2
        np.testing.assert_array_equal(decoder.frames([5])[0], linear_decode(path, (1280, 720))[5])


def test_an_interrupt_ends_a_long_decode_at_once() -> None:
    program = (
        "import hwang, sys\n"
        "with hwang.Decoder(sys.argv[1]) as decoder:\n"
        "    print('decoding', flush=True)\n"
        "    while True:\n"
        "        decoder.frames(range(131, -1, -1))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(real_clip.fetch())],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=Path(hwang.__file__).parent.parent,
        text=True,
    )
    assert process.stdout
    assert process.stdout.readline() == "decoding\n"
    time.sleep(0.3)
    begin = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert time.monotonic() - begin < 2
    assert "KeyboardInterrupt" in errors


@pytest.mark.parametrize("name", ["vp9", "h264-matroska", "mpeg4-b-frames", "h264-flv", "ffv1"])
def test_other_containers_read_ranges_once_they_are_indexed(name: str, clip: MakeClip, truth: Truth) -> None:
    data = clip(name).read_bytes()
    index = hwang.VideoIndex.deserialize(hwang.index_video(data).serialize())
    source = Slow(data)
    with hwang.Decoder(source, index) as decoder:
        np.testing.assert_array_equal(decoder.frames([0]), truth(name)[[0]])
        wanted = int(index.order[0])
        assert decoder.stats.bytes_read == int(index.sample_size[: wanted + 1].sum()) < len(data) / 2


@pytest.mark.parametrize("name", ["h264-fragmented", "h264-fragmented-delay"])
def test_a_fragmented_file_opens_before_its_fragments_are_read(name: str, clip: MakeClip, truth: Truth) -> None:
    source = Slow(clip(name).read_bytes())
    with hwang.Decoder(source) as decoder:
        assert decoder.stats.requests <= 5
        np.testing.assert_array_equal(decoder.frames([0, 33]), truth(name)[[0, 33]])


def test_a_track_can_be_named(clip: MakeClip) -> None:
    number = hwang.index_video(clip("h264-no-b")).track_id
    with hwang.Decoder(clip("h264-no-b"), track=number) as decoder:
        assert len(decoder) == 40
    with pytest.raises(hwang.UnsupportedMediaError, match="track 77"):
        hwang.Decoder(clip("h264-no-b"), track=77)
    with pytest.raises(hwang.UnsupportedMediaError, match="MP4"):
        hwang.Decoder(clip("h264-matroska"), track=1)
