"""An MP4 written by Mp4Writer: what it shows and what its boxes say."""

from __future__ import annotations

import json
import os
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import hwang
from hwang.index import UNKNOWN_COLOR, Color
from hwang.mp4writer import PRESETS
from tests.decoder.conftest import MakeClip
from tests.decoder.written import noise, part, write_mp4
from tests.support.clips import FRAMES, linear_decode, numbers_of, oracle, tool_table

WIDTH, HEIGHT = 160, 96
NUMBERS = list(range(FRAMES))


def boxes(path: Path) -> list[tuple[str, int]]:
    """Kind and size of each box at the top."""
    data, found, at = path.read_bytes(), [], 0
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, at + 8)
        found.append((kind.decode(), size))
        at += size
    assert at == len(data)
    return found


def psnr(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    difference = one.astype(np.float64) - other
    return float(10 * np.log10(255**2 / max(1e-9, (difference**2).mean())))


def color_of_pictures(path: Path) -> tuple[str | None, ...]:
    """What the coded pictures themselves say: primaries, transfer, matrix, range."""
    program = Path(oracle()).with_name("ffprobe")
    ask = ("-v", "error", "-show_frames", "-of", "json", str(path))
    frame = json.loads(subprocess.run([program, *ask], check=True, capture_output=True, timeout=60).stdout)["frames"][0]
    return tuple(frame.get(f"color_{part}") for part in ("primaries", "transfer", "space", "range"))


def test_what_was_written_is_shown_in_order_and_looks_alike(pictures: hwang.Planes, tmp_path: Path) -> None:
    path = write_mp4(tmp_path / "out.mp4", pictures, crf=15)
    assert numbers_of(linear_decode(path, (WIDTH, HEIGHT))) == NUMBERS
    with hwang.Decoder(path) as decoder:
        assert len(decoder) == FRAMES
        shown = decoder.frames(range(FRAMES), pixel_format="yuv420p")
        assert min(psnr(before, after) for before, after in zip(pictures.y, shown.y, strict=True)) > 36
        assert min(psnr(before, after) for before, after in zip(pictures.u, shown.u, strict=True)) > 36
        assert min(psnr(before, after) for before, after in zip(pictures.v, shown.v, strict=True)) > 36


def test_batches_of_any_length_make_the_same_file(pictures: hwang.Planes, tmp_path: Path) -> None:
    at_once = write_mp4(tmp_path / "at-once.mp4", pictures).read_bytes()
    path = tmp_path / "in-batches.mp4"
    with path.open("wb") as file, hwang.Mp4Writer(file, WIDTH, HEIGHT, frames=FRAMES) as writer:
        for first, end in ((0, 1), (1, 1), (1, 18), (18, FRAMES)):
            writer.write(part(pictures, slice(first, end)))
    assert path.read_bytes() == at_once


def test_a_decoders_batches_can_be_written_as_they_come(clip: MakeClip, tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    with hwang.Decoder(clip("h264-odd-size")) as decoder, path.open("wb") as file:
        rows = range(5, 35, 3)
        with hwang.Mp4Writer(file.fileno(), 80, 48, frames=len(rows), fps=(5, 1)) as writer:
            for _, planes in decoder.batches(rows, 3 * 80 * 48 * 2, pixel_format="yuv420p", width=80, height=48):
                writer.write(planes)
    with hwang.Decoder(path) as decoder:
        assert len(decoder) == len(rows)
        assert decoder.video_index.fps() == 5


def test_the_index_lies_in_front_of_the_pictures(pictures: hwang.Planes, tmp_path: Path) -> None:
    found = boxes(write_mp4(tmp_path / "out.mp4", pictures))
    assert [kind for kind, _ in found if kind != "free"] == ["ftyp", "moov", "mdat"]
    assert sum(size for kind, size in found if kind == "free") < 45 * FRAMES + 4096
    assert (tmp_path / "out.mp4").read_bytes()[8:12] == b"isom"


@pytest.mark.parametrize("count", [1, 2, 3, 300])
def test_there_is_room_for_the_index_of_any_number(count: int, tmp_path: Path) -> None:
    small = noise(1, 16, 16)
    cuts = hwang.Planes(*(np.concatenate([plane, 255 - plane] * count)[:count] for plane in small))
    path = write_mp4(tmp_path / "out.mp4", cuts, fps=(1, 1))  # at this rate every picture may start a group
    assert len(tool_table(path)) == count
    assert [kind for kind, _ in boxes(path)][:3] == ["ftyp", "moov", "free"]


def test_pictures_of_a_megabyte_each_fit_too(tmp_path: Path) -> None:
    large = noise(8, 1920, 1080)
    path = write_mp4(tmp_path / "out.mp4", large, crf=1, preset="ultrafast")
    assert path.stat().st_size > 8 << 20
    assert len(tool_table(path)) == 8


def test_fewer_pictures_than_announced_make_a_sound_file(pictures: hwang.Planes, tmp_path: Path) -> None:
    path = write_mp4(tmp_path / "out.mp4", part(pictures, slice(7)), frames=1000)
    assert numbers_of(linear_decode(path, (WIDTH, HEIGHT))) == list(range(7))


@pytest.mark.parametrize("preset", ["ultrafast", "veryfast", "slower"])
@pytest.mark.parametrize("size", [(160, 96), (640, 360)])
def test_threads_do_not_change_a_byte(preset: str, size: tuple[int, int], clip: MakeClip, tmp_path: Path) -> None:
    width, height = size
    with hwang.Decoder(clip("h264-closed-gop")) as decoder:
        moving = decoder.frames(range(FRAMES), width=width, height=height, pixel_format="yuv420p")
    cores = os.sched_getaffinity(0)
    files = []
    try:
        for some in ({min(cores)}, cores, {min(cores)}, cores):
            os.sched_setaffinity(0, some)
            files.append(write_mp4(tmp_path / "out.mp4", moving, preset=preset).read_bytes())
    finally:
        os.sched_setaffinity(0, cores)
    assert len(set(files)) == 1


def test_the_file_does_not_tell_when_it_was_made(pictures: hwang.Planes, tmp_path: Path) -> None:
    data = write_mp4(tmp_path / "out.mp4", pictures).read_bytes()
    for box in (b"mvhd", b"tkhd", b"mdhd"):
        created = data.index(box) + 8
        assert data[created : created + 8] == bytes(8)


@pytest.mark.parametrize("preset", PRESETS[1:])
def test_the_profile_is_high(preset: str, pictures: hwang.Planes, tmp_path: Path) -> None:
    data = write_mp4(tmp_path / "out.mp4", part(pictures, slice(3)), preset=preset).read_bytes()
    assert data[data.index(b"avcC") + 5] == 100


def test_a_lower_crf_is_nearer_to_the_pictures(pictures: hwang.Planes, tmp_path: Path) -> None:
    sizes = [write_mp4(tmp_path / f"{crf}.mp4", pictures, crf=crf).stat().st_size for crf in (10, 20, 40)]
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize(
    ("color", "names"),
    [
        ((1, 1, 1, 1), ("bt709", "bt709", "bt709", "tv")),
        ((1, 13, 5, 2), ("bt709", "iec61966-2-1", "bt470bg", "pc")),
        ((9, 16, 9, 1), ("bt2020", "smpte2084", "bt2020nc", "tv")),
    ],
)
def test_colors_are_noted_in_container_and_pictures(
    color: Color, names: tuple[str, ...], pictures: hwang.Planes, tmp_path: Path
) -> None:
    path = write_mp4(tmp_path / "out.mp4", pictures, color=color)
    assert hwang.index_video(path).color == color
    assert color_of_pictures(path) == names


def test_what_is_known_of_the_color_is_noted_alone(pictures: hwang.Planes, tmp_path: Path) -> None:
    assert color_of_pictures(write_mp4(tmp_path / "out.mp4", pictures, color=(2, 2, 6, 2)))[2:] == ("smpte170m", "pc")
    path = write_mp4(tmp_path / "unknown.mp4", pictures)
    assert hwang.index_video(path).color == UNKNOWN_COLOR
    assert color_of_pictures(path)[:3] == (None, None, None)


@pytest.mark.parametrize("fps", [(25, 1), (30000, 1001), (1, 1), (1, 3600), (1000, 1), (50, 2), (999_983, 40_009)])
def test_the_rate_is_constant_and_kept(fps: tuple[int, int], pictures: hwang.Planes, tmp_path: Path) -> None:
    index = hwang.index_video(write_mp4(tmp_path / "out.mp4", pictures, fps=fps))
    assert index.fps() == pytest.approx(fps[0] / fps[1], rel=1e-12)
    np.testing.assert_allclose(index.timestamps(), np.arange(FRAMES) * fps[1] / fps[0], rtol=1e-9)
    assert {duration for _, _, duration, _ in tool_table(tmp_path / "out.mp4", "-c", "copy")} != set()


@pytest.mark.parametrize("size", [(2, 2), (16, 2), (2, 34), (1366, 768)])
def test_any_even_size_will_do(size: tuple[int, int], tmp_path: Path) -> None:
    path = write_mp4(tmp_path / "out.mp4", noise(2, *size), crf=1)
    assert linear_decode(path, size).shape == (2, size[1], size[0], 3)


def test_rows_of_a_larger_array_can_be_written(pictures: hwang.Planes, tmp_path: Path) -> None:
    every_third = hwang.Planes(*(plane[::3] for plane in pictures))
    wide = hwang.Planes(*(np.repeat(plane, 2, axis=2)[:, :, ::2] for plane in every_third))
    assert not wide.y.flags.c_contiguous
    path = write_mp4(tmp_path / "out.mp4", wide)
    assert numbers_of(linear_decode(path, (WIDTH, HEIGHT))) == NUMBERS[::3]


def test_a_longer_file_is_replaced(pictures: hwang.Planes, tmp_path: Path) -> None:
    expected = write_mp4(tmp_path / "out.mp4", pictures).read_bytes()
    longer = tmp_path / "longer.mp4"
    longer.write_bytes(b"x" * (len(expected) + 1000))
    with longer.open("r+b") as file:
        file.seek(77)
        with hwang.Mp4Writer(file, WIDTH, HEIGHT, frames=FRAMES) as writer:
            writer.write(pictures)
    assert longer.read_bytes() == expected


def test_the_caller_may_close_the_file_first(pictures: hwang.Planes, tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    with path.open("wb") as file:
        writer = hwang.Mp4Writer(file, WIDTH, HEIGHT, frames=FRAMES)
    writer.write(pictures)
    writer.close()
    writer.close()
    assert numbers_of(linear_decode(path, (WIDTH, HEIGHT))) == NUMBERS
    with pytest.raises(ValueError, match="closed"):
        writer.write(pictures)
