"""Every frame is the right one, bit for bit, in any order: the reason to use this decoder."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import hwang
from hwang.sources.local import VideoInput
from local import clip as real_clip
from tests.decoder.conftest import MakeClip, Truth
from tests.support.clips import CLIPS, Clip, linear_decode, numbers_of

NAMES = [clip.name for clip in CLIPS]


def shuffled(count: int, seed: int = 20) -> NDArray[np.int64]:
    return np.random.default_rng(seed).permutation(count)


@pytest.mark.parametrize("name", NAMES)
def test_all_rows_in_random_order_equal_the_linear_decode(name: str, clip: MakeClip, truth: Truth) -> None:
    expected = truth(name)
    with hwang.Decoder(clip(name)) as decoder:
        assert len(decoder) == len(expected)
        rows = shuffled(len(decoder))
        np.testing.assert_array_equal(decoder.frames(rows), expected[rows])


@pytest.mark.parametrize("recipe", CLIPS, ids=NAMES)
def test_rows_show_the_numbers_drawn_into_them(recipe: Clip, clip: MakeClip) -> None:
    with hwang.Decoder(clip(recipe.name)) as decoder:
        assert (decoder.video_index.container, decoder.video_index.codec) == (recipe.container, recipe.codec)
        assert numbers_of(decoder.retrieve(range(len(decoder)))) == list(recipe.numbers)


@pytest.mark.parametrize("name", NAMES)
def test_each_row_alone_equals_the_linear_decode(name: str, clip: MakeClip, truth: Truth) -> None:
    with hwang.Decoder(clip(name), threads=1) as decoder:
        for row in shuffled(len(decoder), seed=3)[:12]:
            np.testing.assert_array_equal(decoder.frames([row])[0], truth(name)[row], err_msg=f"row {row}")


@pytest.mark.parametrize("name", ["h264-open-gop", "h264-one-gop", "hevc-open-gop", "av1", "mpeg4-b-frames", "vp9"])
@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_change_nothing(name: str, threads: int, clip: MakeClip, truth: Truth) -> None:
    rows = [31, 2, 17, 17, 39, 0]
    with hwang.Decoder(clip(name), threads=threads) as decoder:
        np.testing.assert_array_equal(decoder.frames(rows), truth(name)[rows])


@pytest.mark.parametrize("name", ["h264-closed-gop", "h264-mpegts", "hevc-open-gop", "vp8-alt-ref", "h264-odd-size"])
@pytest.mark.parametrize("step", [1, 3])
def test_batches_give_the_same_frames_in_parts(name: str, step: int, clip: MakeClip, truth: Truth) -> None:
    with hwang.Decoder(clip(name)) as decoder:
        rows = range(1, len(decoder), step)
        parts = [(part, frames.copy()) for part, frames in decoder.batches(rows, max_bytes=200_000)]
        assert len(parts) > 1
        assert [part.start for part, _ in parts] == [0, *(part.stop for part, _ in parts[:-1])]
        np.testing.assert_array_equal(np.concatenate([frames for _, frames in parts]), truth(name)[list(rows)])


def test_ascending_batches_decode_each_sample_once(clip: MakeClip) -> None:
    with hwang.Decoder(clip("h264-one-gop")) as decoder:
        assert sum(len(frames) for _, frames in decoder.batches(range(len(decoder)), max_bytes=100_000)) == len(decoder)
        assert decoder.stats.samples_decoded == decoder.video_index.samples


def test_batches_in_any_order(clip: MakeClip, truth: Truth) -> None:
    with hwang.Decoder(clip("h264-closed-gop")) as decoder:
        rows = shuffled(len(decoder))
        frames = np.concatenate([part.copy() for _, part in decoder.batches(rows, max_bytes=200_000)])
        np.testing.assert_array_equal(frames, truth("h264-closed-gop")[rows])


def test_the_real_clip_whole_and_shuffled() -> None:
    path = real_clip.fetch()
    expected = linear_decode(path, (1280, 720))
    with hwang.Decoder(path) as decoder:
        rows = shuffled(132)
        np.testing.assert_array_equal(decoder.frames(rows), expected[rows])


def test_a_run_stops_at_the_last_row_needed(clip: MakeClip) -> None:
    with hwang.Decoder(clip("h264-no-b")) as decoder:
        decoder.frames([0, 3])
        assert decoder.stats.samples_decoded == 4
        assert decoder.stats.frames == 2


@pytest.mark.parametrize("name", ["h264-closed-gop", "h264-matroska", "av1"])
def test_every_kind_of_source_gives_the_same_frames(name: str, clip: MakeClip, truth: Truth) -> None:
    path = clip(name)
    rows = [7, 33, 7]

    class Ranges:
        def __init__(self, data: bytes) -> None:
            self.data, self.size, self.read = data, len(data), 0

        def read_ranges(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
            self.read += sum(length for _, length in ranges)
            return [self.data[offset : offset + length] for offset, length in ranges]

    sources: list[VideoInput] = [path, str(path), path.read_bytes(), Ranges(path.read_bytes())]
    for source in sources:
        with hwang.Decoder(source) as decoder:
            np.testing.assert_array_equal(decoder.frames(rows), truth(name)[rows])
    with Path(path).open("rb") as file, hwang.Decoder(file) as decoder:
        np.testing.assert_array_equal(decoder.frames(rows), truth(name)[rows])


def test_an_index_made_earlier_serves(clip: MakeClip, truth: Truth) -> None:
    for name in ("h264-trimmed", "mpeg4-b-frames", "hevc-10bit"):
        index = hwang.VideoIndex.deserialize(hwang.index_video(clip(name)).serialize())
        with hwang.Decoder(clip(name), index) as decoder:
            np.testing.assert_array_equal(decoder.frames([20, 3]), truth(name)[[20, 3]])


class FailingOnce:
    """A range source whose second read fails, as a network does."""

    def __init__(self, data: bytes) -> None:
        self.data, self.size, self.reads = data, len(data), 0

    def read_ranges(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        self.reads += 1
        if self.reads == 2:
            raise hwang.SourceError("reset")
        return [self.data[offset : offset + length] for offset, length in ranges]


@pytest.mark.parametrize("name", ["h264-closed-gop", "h264-one-gop"])
def test_a_failed_read_leaves_the_decoder_usable(name: str, clip: MakeClip, truth: Truth) -> None:
    data = clip(name).read_bytes()
    source = FailingOnce(data)
    with hwang.Decoder(source, hwang.index_video(data)) as decoder:
        decoder.frames([0])
        with pytest.raises(hwang.SourceError):
            decoder.frames([20])
        np.testing.assert_array_equal(decoder.frames([20, 1]), truth(name)[[20, 1]])


def test_batches_that_are_left_early_leave_the_decoder_usable(clip: MakeClip, truth: Truth) -> None:
    with hwang.Decoder(clip("h264-one-gop")) as decoder:
        for _, frames in decoder.batches(range(40), max_bytes=100_000):
            np.testing.assert_array_equal(frames[0], truth("h264-one-gop")[0])
            break
        np.testing.assert_array_equal(decoder.frames([39])[0], truth("h264-one-gop")[39])
    abandoned = hwang.Decoder(clip("h264-one-gop"))
    parts = abandoned.batches(range(40), max_bytes=100_000)
    next(parts)
    abandoned.close()
    rest = np.concatenate([frames.copy() for _, frames in parts])
    np.testing.assert_array_equal(rest, truth("h264-one-gop")[40 - len(rest) :])


def test_the_colour_that_only_the_container_states_is_honoured(clip: MakeClip, truth: Truth) -> None:
    path = clip("h264-colour-in-the-container")
    index = hwang.index_video(path)
    assert index.color[2] == 1
    untagged = dataclasses.replace(index, color=(2, 2, 2, 0))
    with hwang.Decoder(path, untagged) as decoder:
        assert not np.array_equal(decoder.frames([3])[0], truth(path.stem)[3])
    with hwang.Decoder(path, index) as decoder:
        np.testing.assert_array_equal(decoder.frames([3])[0], truth(path.stem)[3])
