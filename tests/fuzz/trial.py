"""One trial: a damaged video, and requests that end in frames or in one of hwang's own errors."""

from __future__ import annotations

import contextlib
import io
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
from numpy.typing import NDArray

import hwang
from tests.fuzz.mutate import mutate
from tests.support.clips import make_clip

__all__ = ["CLIPS", "Outcome", "Trial", "run"]

CLIPS = (
    *("h264-open-gop", "h264-faststart", "h264-fragmented", "h264-trimmed", "h264-intra-refresh", "h264-odd-size"),
    *("h264-matroska", "h264-mpegts", "h264-flv", "h264-raw", "hevc-open-gop", "hevc-10bit", "vp8-alt-ref", "vp9"),
    *("vp9-mp4", "av1", "av1-matroska", "mpeg4-b-frames", "mpeg4-mp4", "mpeg2-program-stream", "mjpeg", "png-mov"),
    *("prores", "ffv1", "theora", "theora-odd-size", "wmv1", "wmv2", "wmv2-avi", "msmpeg4v2", "msmpeg4v3", "flv1"),
    *("h263", "h263-avi", "mpeg1", "mpeg2-mxf", "dv-ntsc", "dnxhr-mxf", "dnxhr-10bit", "raw-bgr24-avi"),
    *("raw-palettes-avi", "raw-palette-mov", "y4m", "huffyuv", "huffyuv-rgb", "ffvhuff", "utvideo", "utvideo-rgb"),
    *("animation", "animation-gray", "gif", "gif-palettes"),
)
"""The sound videos: every container's parser and every codec's decoder."""

_LONGEST_REQUEST = 60  # rows


@dataclass(frozen=True, slots=True)
class Outcome:
    """`name` is "frames" or an error's class. `failure` says what went wrong, empty for what is meant to happen."""

    name: str
    failure: str = ""
    details: str = ""


@dataclass(frozen=True, slots=True)
class Trial:
    """What `number` of `seed` stands for, always the same."""

    seed: int
    number: int

    def _random(self) -> Random:
        return Random(f"{self.seed} {self.number}")  # noqa: S311 - damage is no secret

    def video(self, clips: Path) -> tuple[str, bytes, Random]:
        """The clip's name, its damaged bytes, and the chances that the requests are drawn with."""
        random = self._random()
        name = random.choice(CLIPS)
        sound = make_clip(name, clips).read_bytes()
        return name, mutate(sound, random), random


class TwoAnswersError(AssertionError):
    """The same row of the same bytes was given as two different pictures."""


def run(trial: Trial, clips: Path) -> Outcome:
    """Does what a caller would do with the trial's video."""
    name, data, random = trial.video(clips)
    try:
        _request(data, random)
    except hwang.HwangError as error:
        return Outcome(type(error).__name__)
    except Exception as error:
        failure = f"{type(error).__name__} of {name} in {_deepest(error)}"
        return Outcome(type(error).__name__, failure, traceback.format_exc())
    return Outcome("frames")


def _deepest(error: Exception) -> str:
    """Where in hwang it came from."""
    stack = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in stack if Path(frame.filename).parent.name == "hwang"]
    where = (ours or stack)[-1]
    return f"{Path(where.filename).name}:{where.lineno}, {where.name}"


class _Ranges:
    """The video as an object store has it."""

    def __init__(self, data: bytes) -> None:
        self._data, self.size = data, len(data)

    def read_ranges(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        return [self._data[offset : offset + length] for offset, length in ranges]


def _request(data: bytes, random: Random) -> None:
    source = random.choice((bytes, io.BytesIO, _Ranges))(data)
    with hwang.Decoder(source, _stored_index(data, random), threads=random.randint(1, 3)) as decoder:
        count = len(decoder)
        if not count:
            return
        rows = [random.randrange(count) for _ in range(random.randint(1, 4))]
        seen: dict[int, NDArray[np.uint8]] = {}
        with contextlib.suppress(hwang.CorruptFrameError):  # others may be sound
            seen = dict(zip(rows, decoder.frames(rows), strict=True))
        start = random.randrange(count)
        stretch = range(start, min(count, start + _LONGEST_REQUEST), random.choice((1, 1, 3)))
        for row, frame in _in_batches(decoder, stretch, random.choice((1, 200_000, 8 << 20))):
            if row in seen and not np.array_equal(frame, seen[row]):
                raise TwoAnswersError(f"row {row} of {rows} and of {stretch}")


def _stored_index(data: bytes, random: Random) -> hwang.VideoIndex | None:
    """Now and then an index that was stored, and at times damaged on the way."""
    fate = random.random()
    if fate > 0.2:
        return None
    stored = hwang.index_video(data).serialize()
    return hwang.VideoIndex.deserialize(mutate(stored, random) if fate < 0.1 else stored)


def _in_batches(decoder: hwang.Decoder, rows: range, max_bytes: int) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    for part, frames in decoder.batches(rows, max_bytes):
        yield from zip(rows[part], frames, strict=True)
