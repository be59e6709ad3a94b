"""What Mp4Writer refuses, and what happens when a file cannot be written or the caller leaves."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hwang
from tests.decoder.written import noise, part
from tests.support.clips import FRAMES, linear_decode, numbers_of

WIDTH, HEIGHT = 160, 96
NUMBERS = list(range(FRAMES))


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"width": 161}, "even size, for example 160x96"),
        ({"height": 97}, "even size, for example 160x96"),
        ({"width": 0}, "width must be a whole number from 2"),
        ({"height": 1 << 20}, "height must be a whole number from 2 to 16384"),
        ({"frames": 0}, "frames"),
        ({"frames": 1.5}, "frames"),
        ({"frames": 1 << 40}, "frames"),
        ({"fps": (0, 1)}, "fps"),
        ({"fps": (25, -1)}, "fps"),
        ({"fps": 25}, "fps"),
        ({"fps": (1001, 1)}, "fps"),
        ({"fps": (1, 3601)}, "fps"),
        ({"fps": (10_000_019, 400_009)}, "limit_denominator"),
        ({"crf": 0}, "crf"),
        ({"crf": 52}, "crf"),
        ({"preset": "fastest"}, "fastest.*veryfast"),
        ({"color": (1, 1, 1)}, "color"),
        ({"color": (1, 1, 1, 3)}, "color"),
        ({"color": (1, 1, 256, 0)}, "color"),
        ({"color": (1, 1, 0, 0)}, "RGB"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(arguments: dict[str, Any], complaint: str, tmp_path: Path) -> None:
    options = {"width": WIDTH, "height": HEIGHT, "frames": 1, **arguments}
    path = tmp_path / "out.mp4"
    path.write_bytes(b"as it was")
    with path.open("r+b") as file, pytest.raises(ValueError, match=complaint):
        hwang.Mp4Writer(file, **options)
    assert path.read_bytes() == b"as it was"


def test_pictures_of_another_shape_are_refused_and_the_writer_goes_on(pictures: hwang.Planes, tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    y, u, v = pictures
    wrong: list[Any] = [
        (y, u),
        (y, u, v, v),
        (y, u, y),
        (y[:-1], u, v),
        (y[0], u[0], v[0]),
        (y[:, :, :-2], u, v),
        (y.astype(np.uint16), u, v),
        (y.astype(np.int8), u, v),
        (y.astype(np.float32), u, v),
        (np.uint8(1), u, v),
    ]
    with path.open("wb") as file, hwang.Mp4Writer(file, WIDTH, HEIGHT, frames=FRAMES) as writer:
        for planes in wrong:
            with pytest.raises(ValueError, match="pictures"):
                writer.write(planes)
        writer.write(pictures)
        with pytest.raises(ValueError, match="41 pictures, but 40 were announced"):
            writer.write(part(pictures, slice(1)))
    assert numbers_of(linear_decode(path, (WIDTH, HEIGHT))) == NUMBERS


def test_no_picture_is_no_file(tmp_path: Path) -> None:
    with (tmp_path / "out.mp4").open("wb") as file:
        writer = hwang.Mp4Writer(file, WIDTH, HEIGHT, frames=1)
        with pytest.raises(ValueError, match="no picture"):
            writer.close()
        writer.close()


@pytest.fixture
def full_device() -> Iterator[int]:
    descriptor = os.open("/dev/full", os.O_WRONLY)
    yield descriptor
    os.close(descriptor)


def test_a_full_device_is_an_oserror_with_its_number(full_device: int) -> None:
    with pytest.raises(OSError, match="No space left") as caught:
        hwang.Mp4Writer(full_device, WIDTH, HEIGHT, frames=1)
    assert caught.value.errno == errno.ENOSPC


def test_a_pipe_a_closed_file_and_one_to_read_are_oserrors(tmp_path: Path) -> None:
    reader, pipe = os.pipe()
    os.close(reader)
    path = tmp_path / "there"
    path.touch()
    read_only = os.open(path, os.O_RDONLY)
    for descriptor, number in ((pipe, errno.ESPIPE), (read_only, errno.EBADF), (reader, errno.EBADF)):
        with pytest.raises(OSError) as caught:  # noqa: PT011 - its number is looked at
            hwang.Mp4Writer(descriptor, WIDTH, HEIGHT, frames=1)
        assert caught.value.errno == number
    os.close(pipe)
    os.close(read_only)


def test_files_that_cannot_be_written_from_the_front_are_refused(tmp_path: Path) -> None:
    with (tmp_path / "out.mp4").open("ab") as file, pytest.raises(ValueError, match="appending"):
        hwang.Mp4Writer(file, WIDTH, HEIGHT, frames=1)
    with pytest.raises(TypeError, match="descriptor"):
        hwang.Mp4Writer("out.mp4", WIDTH, HEIGHT, frames=1)  # type: ignore[arg-type]


@pytest.mark.parametrize("room", [100_000, 3_000_000])
def test_a_disk_that_fills_up_on_the_way_is_an_oserror(room: int, tmp_path: Path) -> None:
    large = noise(30, 640, 360)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with (tmp_path / "out.mp4").open("wb") as file:
        writer = hwang.Mp4Writer(file, 640, 360, frames=30, crf=10)
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
        try:
            with pytest.raises(OSError, match="too large") as caught:
                writer.write(large)
            assert caught.value.errno == errno.EFBIG
            with pytest.raises(ValueError, match="failed before"):
                writer.write(large)
            writer.close()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_leaving_by_an_exception_leaves_an_unfinished_file(pictures: hwang.Planes, tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    with path.open("wb") as file, pytest.raises(KeyError):  # noqa: PT012, SIM117
        with hwang.Mp4Writer(file, WIDTH, HEIGHT, frames=FRAMES) as writer:
            writer.write(pictures)
            raise KeyError
    with pytest.raises(hwang.HwangError):
        hwang.index_video(path)


def test_many_writers_that_end_early_leave_no_descriptor(pictures: hwang.Planes, tmp_path: Path) -> None:
    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208

    before = descriptors()
    for _ in range(20):
        with (tmp_path / "out.mp4").open("wb") as file:
            hwang.Mp4Writer(file, WIDTH, HEIGHT, frames=FRAMES).write(pictures)
    assert descriptors() == before


def test_stop_ends_the_call_in_progress(tmp_path: Path) -> None:
    some = noise(10, 640, 360)
    with (tmp_path / "out.mp4").open("wb") as file:
        writer = hwang.Mp4Writer(file, 640, 360, frames=100_000)
        timer = threading.Timer(0.3, writer.stop)
        timer.start()
        begin = time.monotonic()
        with pytest.raises(hwang.StoppedError):  # noqa: PT012
            for _ in range(10_000):
                writer.write(some)
        assert time.monotonic() - begin < 5
        timer.join()
        with pytest.raises(ValueError, match="failed before"):
            writer.write(some)


def test_an_interrupt_ends_a_write_at_once(tmp_path: Path) -> None:
    program = (
        "import hwang, numpy, sys, _thread, threading\n"
        "random = numpy.random.default_rng(1)\n"
        "planes = [random.integers(0, 256, s, 'u1') for s in ((400, 360, 640), (400, 180, 320), (400, 180, 320))]\n"
        "with open(sys.argv[1], 'wb') as file:\n"
        "    with hwang.Mp4Writer(file, 640, 360, frames=400) as writer:\n"
        "        threading.Timer(0.3, _thread.interrupt_main).start()\n"
        "        writer.write(hwang.Planes(*planes))\n"
        "        print('written')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "out.mp4")],
        capture_output=True,
        cwd=Path(hwang.__file__).parent.parent,
        text=True,
        timeout=60,
        check=False,
    )
    assert "KeyboardInterrupt" in done.stderr
    assert done.stdout == ""


def test_threads_may_share_a_writer(pictures: hwang.Planes, tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    with path.open("wb") as file, hwang.Mp4Writer(file, WIDTH, HEIGHT, frames=FRAMES) as writer:
        workers = [
            threading.Thread(target=writer.write, args=(part(pictures, slice(first, first + 10)),))
            for first in range(0, FRAMES, 10)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    assert sorted(numbers_of(linear_decode(path, (WIDTH, HEIGHT)))) == NUMBERS
