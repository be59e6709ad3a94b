"""Matroska and MPEG-TS that are no files of this machine: indexed in one pass, through a window of memory."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest

import hwang
from hwang.index import NO_TRANSPORT
from tests.decoder.conftest import MakeClip
from tests.decoder.hostile import LAVFI, encode
from tests.decoder.test_timeouts import BlockedSource, Limit, left_behind
from tests.support.clips import CLIPS, encoder, run_ffmpeg
from tests.support.rare import RARE
from tests.support.strange import RECIPES

TARGETS = {"mkv": ("-f", "matroska"), "ts": ("-f", "mpegts"), "m2ts": ("-f", "mpegts", "-mpegts_m2ts_mode", "1")}
SUFFIXES = (".mkv", ".webm", ".ts")
STORED = "prores"  # Matroska leaves out a part of each sample, so that none is in the file
FIRST_SAMPLES_BYTES = 5 << 20  # are looked at again: whether the decoder changes their order


class Remote:
    """A video that is read in ranges. After `answers` of them reads raise `error`."""

    def __init__(self, data: bytes, answers: int = 1 << 30, error: Exception | None = None) -> None:
        self.data, self.answers, self.error = data, answers, error
        self.size, self.bytes_read = len(data), 0

    def read_ranges(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """The ranges."""
        self.answers -= 1
        if self.answers < 0 and self.error:
            raise self.error
        self.bytes_read += sum(length for _, length in ranges)
        return [self.data[offset : offset + length] for offset, length in ranges]


def refuse_to_store(*_: object, **__: object) -> NoReturn:
    raise AssertionError("a temporary file was made")


@pytest.fixture
def nothing_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "TemporaryFile", refuse_to_store)


def remuxed(source: Path, target: Path, kind: str) -> Path:
    run_ffmpeg(encoder(), "-i", str(source), "-map", "0:v:0", "-c", "copy", *TARGETS[kind], "-bitexact", str(target))
    return target


def assert_equal_to_the_file(path: Path) -> hwang.VideoIndex:
    """The index, and rows alone and together, are those of the file; the index is made of one pass."""
    remote = Remote(path.read_bytes())
    with hwang.Decoder(str(path)) as of_file, hwang.Decoder(remote) as streamed:
        index = streamed.video_index
        assert index.serialize() == of_file.video_index.serialize()
        rows = [*range(0, len(index), 9), len(index) - 1]
        for row in [*rows[::-1], rows]:
            np.testing.assert_array_equal(*(_frames(decoder, row) for decoder in (streamed, of_file)))
    return index


def _frames(decoder: hwang.Decoder, rows: int | list[int]) -> Any:
    try:
        return decoder.frames([rows] if isinstance(rows, int) else rows, width=96, height=64)
    except hwang.CorruptFrameError as error:
        return error.rows


NATIVE = [one.name for one in CLIPS if f".{one.suffix}" in SUFFIXES]
STRANGE = {**RECIPES, **RARE}


@pytest.mark.usefixtures("nothing_stored")
@pytest.mark.parametrize("name", NATIVE)
def test_clips_are_those_of_the_file(name: str, clip: MakeClip) -> None:
    assert assert_equal_to_the_file(clip(name)).ranged


@pytest.mark.usefixtures("nothing_stored")
@pytest.mark.parametrize("name", [name for name in STRANGE if name.endswith(SUFFIXES)])
def test_strange_clips_are_those_of_the_file(name: str, tmp_path: Path) -> None:
    assert assert_equal_to_the_file(STRANGE[name](tmp_path)).ranged


@pytest.mark.usefixtures("nothing_stored")
@pytest.mark.parametrize("kind", TARGETS)
@pytest.mark.parametrize(
    "name", ["h264-open-gop", "h264-intra-refresh", "hevc-open-gop", "mpeg2-mp4", "late-pictures-h264"]
)
def test_codecs_in_either_container_are_those_of_the_file(name: str, kind: str, clip: MakeClip, tmp_path: Path) -> None:
    source = STRANGE[name](tmp_path) if name in STRANGE else clip(name)
    index = assert_equal_to_the_file(remuxed(source, tmp_path / f"remuxed.{kind}", kind))
    assert index.ranged
    assert index.byte_addressable == (kind == "mkv")


def test_samples_that_are_not_in_the_file_are_read_of_a_stored_one(clip: MakeClip, tmp_path: Path) -> None:
    assert not assert_equal_to_the_file(remuxed(clip(STORED), tmp_path / "stored.mkv", "mkv")).ranged


@pytest.mark.parametrize("damage", ["lost packet", "flipped bit", "lost bytes", "cut"])
def test_damaged_transport_streams_are_those_of_the_file(damage: str, clip: MakeClip, tmp_path: Path) -> None:
    """Samples that libavformat marks as damaged are read from a stored file."""
    data = bytearray(clip("h264-mpegts").read_bytes())
    place = len(data) // 188 // 2 * 188
    if damage == "lost packet":
        del data[place : place + 188]
    elif damage == "flipped bit":
        data[place + 100] ^= 1
    elif damage == "lost bytes":
        del data[place + 50 : place + 80]
    else:
        del data[place + 77 :]
    path = tmp_path / "damaged.ts"
    path.write_bytes(data)
    index = assert_equal_to_the_file(path)
    plain = dataclasses.replace(index, transport=NO_TRANSPORT)
    with hwang.Decoder(str(path), index) as decoder, hwang.Decoder(str(path), plain) as linear:
        for row in range(len(index)):
            np.testing.assert_array_equal(_frames(decoder, row), _frames(linear, row), err_msg=f"row {row}")
    if damage.startswith("lost"):
        assert not index.ranged


LARGE = """
import os, resource, sys
import hwang

class Remote:
    def __init__(self, path):
        self.file, self.read = open(path, "rb"), 0
        self.size = os.fstat(self.file.fileno()).st_size
    def read_ranges(self, ranges):
        self.read += sum(length for _, length in ranges)
        return [os.pread(self.file.fileno(), length, offset) for offset, length in ranges]

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10

before, remote = peak(), Remote(sys.argv[1])
index = hwang.index_video(remote)
print(remote.size, remote.read, peak() - before, len(index), os.listdir(sys.argv[2]))
"""


@pytest.mark.parametrize("kind", ["mkv", "ts"])
def test_a_large_video_is_read_once_in_little_memory(kind: str, tmp_path: Path) -> None:
    noise = ("nullsrc=s=640x480:d=2:r=25,geq=lum='random(1)*255':cb=128:cr=128", "-pix_fmt", "yuv420p")
    codec = ("-c:v", "mpeg2video", "-q:v", "1", "-g", "5") if kind == "ts" else ("-c:v", "rawvideo")
    part = encode(tmp_path / f"part.{kind}", *LAVFI, *noise, *codec)
    path = tmp_path / f"large.{kind}"
    loops = ("-stream_loop", str((96 << 20) // part.stat().st_size))
    run_ffmpeg(encoder(), *loops, "-i", str(part), "-c", "copy", str(path))
    storage = tmp_path / "storage"
    storage.mkdir()
    run = subprocess.run(
        [sys.executable, "-c", LARGE, str(path), str(storage)],
        cwd=Path(hwang.__file__).parent.parent,
        env={"TMPDIR": str(storage), "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert not run.returncode, run.stderr
    size, read, grown_mib, _rows, left = run.stdout.split(maxsplit=4)
    assert int(size) > 96 << 20
    assert int(read) <= int(size) + FIRST_SAMPLES_BYTES
    assert int(grown_mib) < 64
    assert left.strip() == "[]"


class OwnError(hwang.HwangError):
    """An error of a source."""


@pytest.mark.usefixtures("nothing_stored")
@pytest.mark.parametrize("name", ["h264-matroska", "h264-mpegts"])
@pytest.mark.parametrize("error", [OwnError("gone"), ConnectionResetError("reset")])
def test_an_error_of_the_source_comes_out_as_itself(name: str, error: Exception, clip: MakeClip) -> None:
    remote = Remote(clip(name).read_bytes(), answers=2, error=error)
    with pytest.raises(type(error)) as caught:
        hwang.index_video(remote)
    assert caught.value is error


def test_a_source_that_does_not_answer_does_not_keep_its_caller(clip: MakeClip) -> None:
    source = BlockedSource(clip("h264-mpegts").read_bytes(), 2)
    with Limit():
        hwang.index_video(source, timeout=0.2)
    source.let_go()
    for thread in left_behind():
        thread.join(10)
    assert not left_behind()


SIGNALLED = """
import os, sys, threading
import hwang

class Blocked:
    def __init__(self, data):
        self.data, self.size, self.answers = data, len(data), 2
        self.pipe = os.pipe()
    def read_ranges(self, ranges):
        self.answers -= 1
        if self.answers < 0:
            threading.Timer(0.2, os.kill, (os.getpid(), 2)).start()
            os.read(self.pipe[0], 1)
        return [self.data[offset : offset + length] for offset, length in ranges]

try:
    hwang.index_video(Blocked(open(sys.argv[1], "rb").read()), **eval(sys.argv[2]))
except (KeyboardInterrupt, hwang.DecodeTimeoutError) as error:
    print(type(error).__name__)
"""


@pytest.mark.parametrize(("limit", "ends"), [({}, "KeyboardInterrupt"), ({"timeout": 0.1}, "DecodeTimeoutError")])
def test_a_signal_or_a_limit_ends_the_call_and_then_the_process(
    limit: dict[str, float], ends: str, clip: MakeClip
) -> None:
    run = subprocess.run(
        [sys.executable, "-c", SIGNALLED, str(clip("h264-mpegts")), str(limit)],
        cwd=Path(hwang.__file__).parent.parent,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert (run.returncode, run.stdout.strip()) == (0, ends), run.stderr


def test_no_thread_is_left_over(clip: MakeClip) -> None:
    hwang.index_video(Remote(clip("h264-mpegts").read_bytes()))
    for thread in threading.enumerate():
        if thread.name == "hwang-serve":
            thread.join(5)
    assert not [thread for thread in threading.enumerate() if thread.name == "hwang-serve"]
