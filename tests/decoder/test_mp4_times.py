"""The times of the pictures in an MP4 written by Mp4Writer: a duration for each, as the ffmpeg tool reads them."""

from __future__ import annotations

import json
import subprocess
from fractions import Fraction
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hwang
from hwang.mp4writer import MAX_FRAME_TICKS
from hwang.timeline import played_ticks
from tests.decoder.conftest import MakeClip
from tests.decoder.test_mp4_writer import boxes
from tests.decoder.written import noise, part, write_mp4
from tests.support.clips import FRAMES, linear_decode, numbers_of, oracle

SIZE = (160, 96)


def probed(path: Path) -> tuple[list[Fraction], dict[str, Any]]:
    """The seconds at which the tool shows each frame, and what it says of the stream and the file."""
    program = Path(oracle()).with_name("ffprobe")
    ask = ("-v", "error", "-show_frames", "-show_streams", "-show_format", "-of", "json", str(path))
    told = json.loads(subprocess.run([program, *ask], check=True, capture_output=True, timeout=60).stdout)
    stream = told["streams"][0]
    tick = Fraction(*map(int, stream["time_base"].split("/")))
    return [frame["pts"] * tick for frame in told["frames"]], stream | {"whole": told["format"]}


def begins(durations: list[int], timescale: int) -> list[Fraction]:
    return [Fraction(ticks, timescale) for ticks in accumulate(durations[:-1], initial=0)]


PATTERNS = {
    "slower and slower": [40 + 3 * n for n in range(FRAMES)],
    "a long still": [33] * 20 + [9_000] + [33] * 19,
    "one tick each, then seconds": [1] * 39 + [5_000],
    "a long first frame": [60_000] + [40] * 39,
    "irregular": [7 + 13 * n * n % 97 for n in range(FRAMES)],
}


@pytest.mark.parametrize("name", PATTERNS)
@pytest.mark.parametrize(("preset", "timescale"), [("veryfast", 1000), ("ultrafast", 90_000), ("slower", 30_000)])
def test_every_picture_is_shown_at_its_time(
    name: str, preset: str, timescale: int, pictures: hwang.Planes, tmp_path: Path
) -> None:
    durations = PATTERNS[name]
    path = write_mp4(tmp_path / "out.mp4", pictures, durations=durations, timescale=timescale, preset=preset)
    seconds, facts = probed(path)
    assert seconds == begins(durations, timescale)
    assert facts["time_base"] == f"1/{timescale}"
    assert float(facts["whole"]["duration"]) == pytest.approx(sum(durations) / timescale, abs=1e-5)
    assert numbers_of(linear_decode(path, SIZE)) == list(range(FRAMES))
    index = hwang.index_video(path)
    assert index.row_pts.tolist() == [0, *accumulate(durations[:-1])]
    assert (index.time_base, index.duration_ticks) == ((1, timescale), sum(durations))
    assert [kind for kind, _ in boxes(path) if kind != "free"] == ["ftyp", "moov", "mdat"]


@pytest.mark.parametrize("count", [1, 2, 3, 5, 300])
def test_any_number_of_pictures_has_times_of_its_own(count: int, tmp_path: Path) -> None:
    small = noise(1, 16, 16)
    cuts = hwang.Planes(*(np.concatenate([plane, 255 - plane] * count)[:count] for plane in small))
    durations = [100 + n % 7 + n for n in range(count)]
    path = write_mp4(tmp_path / "out.mp4", cuts, durations=durations, timescale=600)
    assert probed(path)[0] == begins(durations, 600)


def test_a_video_of_days_has_long_headers(pictures: hwang.Planes, tmp_path: Path) -> None:
    durations = [MAX_FRAME_TICKS - n for n in range(FRAMES)]
    path = write_mp4(tmp_path / "out.mp4", pictures, durations=durations, timescale=90_000)
    assert sum(durations) > 1 << 32
    assert probed(path)[0] == begins(durations, 90_000)
    assert hwang.index_video(path).duration_ticks == sum(durations)


def test_equal_durations_are_a_constant_rate(pictures: hwang.Planes, tmp_path: Path) -> None:
    constant = write_mp4(tmp_path / "rate.mp4", pictures, fps=(30000, 1001)).read_bytes()
    durations = np.full(FRAMES, 1001)
    assert write_mp4(tmp_path / "out.mp4", pictures, durations=durations, timescale=30000).read_bytes() == constant


def test_fewer_pictures_than_announced_keep_their_times(pictures: hwang.Planes, tmp_path: Path) -> None:
    durations = [10 + n for n in range(100)]
    some = part(pictures, slice(7))
    path = write_mp4(tmp_path / "out.mp4", some, frames=100, durations=durations, timescale=1000)
    assert probed(path)[0] == begins(durations[:7], 1000)


def test_the_stated_bitrate_is_that_of_the_times(pictures: hwang.Planes, tmp_path: Path) -> None:
    path = write_mp4(tmp_path / "out.mp4", pictures, durations=PATTERNS["irregular"], timescale=10)
    index = hwang.index_video(path)
    bits, seconds = int(index.sample_size.sum()) * 8, sum(PATTERNS["irregular"]) / 10
    assert int(probed(path)[1]["bit_rate"]) == pytest.approx(bits / seconds, rel=0.01)


def test_a_clip_of_a_variable_rate_keeps_the_times_of_the_video(clip: MakeClip, tmp_path: Path) -> None:
    with hwang.Decoder(clip("h264-vfr")) as decoder:
        index = decoder.video_index
        for rows in (np.arange(FRAMES), np.arange(5, 38), np.arange(0, FRAMES, 7), np.repeat(np.arange(4, 9), 3)):
            ticks, timescale = played_ticks(rows, index, MAX_FRAME_TICKS)
            pictures = decoder.frames(rows, pixel_format="yuv420p")
            path = write_mp4(tmp_path / "out.mp4", pictures, durations=ticks, timescale=timescale)
            expected = index.timestamps()[rows] - index.timestamps()[rows[0]]
            seconds = np.array([float(at) for at in probed(path)[0]])
            first = np.append(True, np.diff(rows) > 0)
            np.testing.assert_allclose(seconds[first], expected[first], atol=1e-9)
            assert numbers_of(linear_decode(path, SIZE)) == rows.tolist()


@pytest.mark.parametrize(
    "wrong",
    [
        {"durations": [1, 2]},
        {"durations": [1, 2, 0]},
        {"durations": [1, 2, MAX_FRAME_TICKS + 1]},
        {"durations": [1.0, 2.0, 3.0]},
        {"durations": [[1, 2, 3]]},
        {"durations": 3},
        {"durations": [1, 2, 3], "timescale": 0},
        {"durations": [1, 2, 3], "timescale": 1 << 31},
    ],
    ids=str,
)
def test_durations_that_make_no_sense_are_refused(wrong: dict[str, Any], tmp_path: Path) -> None:
    with (tmp_path / "out.mp4").open("w+b") as file, pytest.raises(ValueError, match=r"durations|timescale"):
        hwang.Mp4Writer(file, 16, 16, frames=3, **wrong)
