"""timeout=: calls return at their limit, whatever codecs and sources do; what they leave behind harms nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hwang
from tests.decoder.conftest import MakeClip, Truth
from tests.decoder.hostile import LAVFI, encode

LIMIT = 0.1  # seconds; a picture of the slow video takes ten times as long
TOLERANCE = 0.4  # of a machine that does other work as well
PROMISE = 0.05


@pytest.fixture(scope="session")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three pictures of 4096x4096 pixels, each in one call of a decoder that nothing stops."""
    noise = (*LAVFI, "nullsrc=s=1024x4096:r=1:d=3,format=gray,noise=alls=60:allf=t,scale=4096:4096:flags=neighbor")
    return encode(tmp_path_factory.mktemp("slow") / "slow.mkv", *noise, "-c:v", "ffv1", "-level", "1", "-g", "1")


def left_behind() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "hwang-timed"]


@pytest.fixture(autouse=True)
def _nothing_left_over() -> Iterator[None]:
    yield
    for thread in left_behind():
        thread.join(60)
    assert not left_behind()


class Limit:
    """Expects DecodeTimeoutError at the limit."""

    def __enter__(self) -> None:
        self._began = time.perf_counter()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        took = time.perf_counter() - self._began
        assert isinstance(error, hwang.DecodeTimeoutError), error
        assert isinstance(error, hwang.HwangError)
        assert isinstance(error, TimeoutError)
        assert LIMIT <= took < LIMIT + TOLERANCE
        return True


class BlockedSource:
    """A source that answers as long as `answers` says, and then reads from a pipe that nobody writes to."""

    def __init__(self, data: bytes, answers: int) -> None:
        self.data, self.answers = data, answers
        self.size = len(data)
        self._from, self._to = os.pipe()

    def read_ranges(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        self.answers -= 1
        if self.answers < 0:
            os.read(self._from, 1)
        return [self.data[offset : offset + length] for offset, length in ranges]

    def let_go(self) -> None:
        self.answers = 1 << 30
        os.write(self._to, b"x" * 64)


def test_a_codec_that_goes_on_does_not_keep_its_caller(slow: Path) -> None:
    with hwang.Decoder(slow) as decoder:
        for call in (decoder.frames, decoder.retrieve):
            with Limit():
                call([1], timeout=LIMIT)
        with Limit():
            decoder.frames_at([1.0], timeout=LIMIT)
        assert left_behind()


def test_a_call_returns_within_50_ms_of_its_limit(slow: Path) -> None:
    late = []
    for _ in range(5):
        with hwang.Decoder(slow, threads=1) as decoder:
            began = time.perf_counter()
            with pytest.raises(hwang.DecodeTimeoutError):
                decoder.frames([1], timeout=LIMIT)
            late.append(time.perf_counter() - began - LIMIT)
        for thread in left_behind():
            thread.join(60)
    assert 0 <= min(late) < PROMISE


def test_the_same_decoder_and_others_go_on_exactly_meanwhile(slow: Path, clip: MakeClip, truth: Truth) -> None:
    with hwang.Decoder(slow, threads=1) as decoder:
        with Limit():
            decoder.frames([0, 1, 2], timeout=LIMIT)
        with hwang.Decoder(clip("hevc-open-gop")) as other:
            np.testing.assert_array_equal(other.frames(range(40)), truth("hevc-open-gop"))
        assert left_behind()
        mine = decoder.frames([2], pixel_format="gray8")
    with hwang.Decoder(slow) as fresh:
        np.testing.assert_array_equal(mine, fresh.frames([2], pixel_format="gray8"))


def test_arrays_of_the_caller_are_not_written_after_the_return(slow: Path) -> None:
    out = np.full((3, 64, 64, 3), 77, np.uint8)
    with hwang.Decoder(slow) as decoder, Limit():
        decoder.frames([0, 1, 2], width=64, height=64, out=out, timeout=LIMIT)
    assert left_behind()
    for thread in left_behind():
        thread.join(60)
    assert (out == 77).all()


def test_memory_that_was_left_behind_is_nobody_elses(slow: Path) -> None:
    """Requests of the same size find other memory, before and after the work that was left behind ends."""
    with hwang.Decoder(slow, threads=2) as decoder:
        size: Any = {"width": 1024, "height": 1024}
        decoder.frames([0], **size)  # its memory comes back and would be used next
        with Limit():
            decoder.frames([0, 1, 2], timeout=LIMIT, **size)
        left = left_behind()
        assert left
        taken = []
        for value in range(6):
            array = decoder._session.opened().page_pool.take(3 * 1024 * 1024 * 3)
            array[:] = value
            taken.append(array)
        for thread in left:
            thread.join(60)
        assert [set(np.unique(array)) for array in taken] == [{value} for value in range(6)]


def test_a_limit_that_is_not_reached_changes_nothing(clip: MakeClip, truth: Truth) -> None:
    name = "h264-open-gop"
    with hwang.Decoder(clip(name), timeout=60) as decoder:
        rows = [39, 0, 7, 7]
        np.testing.assert_array_equal(decoder.frames(rows, timeout=60), truth(name)[rows])
        np.testing.assert_array_equal(decoder.frames(iter(rows), timeout=60), truth(name)[rows])
        out = np.zeros((4, *truth(name).shape[1:]), np.uint8)
        assert decoder.frames(rows, out=out, timeout=60) is out
        np.testing.assert_array_equal(out, truth(name)[rows])
        planes = decoder.frames(rows, pixel_format="yuv420p")
        into = hwang.Planes(*(np.zeros_like(plane) for plane in planes))
        assert decoder.frames(rows, pixel_format="yuv420p", out=into, timeout=60) is into
        for plane, expected in zip(into, planes, strict=True):
            np.testing.assert_array_equal(plane, expected)
        together = [frames for _, frames in decoder.batches(range(40), 160 * 96 * 3 * 7, timeout=60)]
        np.testing.assert_array_equal(np.concatenate(together), truth(name))
        np.testing.assert_array_equal(list(decoder.iter_frames(range(40), timeout=60)), truth(name))
        with pytest.raises(hwang.FrameIndexError):
            decoder.frames([40], timeout=60)
        with pytest.raises(ValueError, match="out must be"):
            decoder.frames([0], out=out, timeout=60)
    assert hwang.index_video(clip(name), timeout=60).frames() == 40


def test_iterators_have_the_limit_for_each_step(slow: Path, clip: MakeClip, truth: Truth) -> None:
    with hwang.Decoder(slow) as decoder:
        frames = decoder.iter_frames(range(3), timeout=LIMIT)
        with Limit():
            next(frames)
        assert list(frames) == []
    name = "h264-one-gop"
    with hwang.Decoder(clip(name)) as decoder:
        for position, frame in enumerate(decoder.iter_frames(range(40), timeout=0.5)):
            if position % 8 == 0:
                threading.Event().wait(0.1)  # the caller's own time does not count
            np.testing.assert_array_equal(frame, truth(name)[position])
        for _ in decoder.batches(range(40), 160 * 96 * 3 * 4, timeout=0.5):
            break
        assert len(decoder.frames([3])) == 1


def test_a_source_that_does_not_answer_while_a_video_is_opened(clip: MakeClip) -> None:
    source = BlockedSource(clip("h264-fragmented").read_bytes(), 0)
    with Limit():
        hwang.index_video(source, timeout=LIMIT)
    assert left_behind()
    source.let_go()


def test_a_source_that_answers_again(clip: MakeClip, truth: Truth) -> None:
    name = "h264-closed-gop"
    source = BlockedSource(clip(name).read_bytes(), 1 << 30)
    with hwang.Decoder(source) as decoder:
        source.answers = 0
        with Limit():
            decoder.frames([3], timeout=LIMIT)
        source.let_go()
        np.testing.assert_array_equal(decoder.frames([3, 30]), truth(name)[[3, 30]])


def test_stop_ends_calls_with_a_limit_too(clip: MakeClip) -> None:
    source = BlockedSource(clip("h264-closed-gop").read_bytes(), 1 << 30)
    with hwang.Decoder(source) as decoder:
        source.answers = 0
        threading.Timer(0.05, decoder.stop).start()
        threading.Timer(0.1, source.let_go).start()
        with pytest.raises(hwang.StoppedError):
            decoder.frames([3], timeout=60)


@pytest.mark.parametrize("timeout", [0, -1.0, float("nan")])
def test_limits_that_are_none(timeout: float, clip: MakeClip) -> None:
    with hwang.Decoder(clip("h264-closed-gop")) as decoder, pytest.raises(ValueError, match="timeout"):
        decoder.frames([0], timeout=timeout)


BEGIN = """
import os, sys, threading, time
import hwang
decoder = hwang.Decoder(sys.argv[1])
try:
    decoder.frames([0, 1, 2], max_side=64, timeout=0.1)
    raise SystemExit("no limit")
except hwang.DecodeTimeoutError:
    pass
"""


def ended(program: str, *arguments: object) -> tuple[str, float]:
    """Standard output of a Python program that ends well, and how long it took. Nothing may be said on its way out."""
    began = time.perf_counter()
    command = [sys.executable, "-c", textwrap.dedent(program), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout, time.perf_counter() - began


def test_the_process_exits_while_work_goes_on(slow: Path) -> None:
    whole = ended("import sys, hwang\nhwang.Decoder(sys.argv[1]).frames([0, 1, 2], max_side=64)", slow)[1]
    assert ended(BEGIN, slow)[1] < 0.7 * whole
    assert ended(BEGIN + "decoder.close()\ndel decoder", slow)[1] < 0.7 * whole


def test_work_may_end_while_the_process_exits(slow: Path) -> None:
    """The thread that was left behind comes back when Python has begun to end, and would be ended within C++."""
    lingering = """
class Lingering:
    def __del__(self, linger=time.sleep, seconds=float(sys.argv[2])):
        linger(seconds)
lingering = Lingering()
"""
    joined = "[thread.join() for thread in threading.enumerate()[1:]]"
    text, _ = ended(f"{BEGIN}began = time.perf_counter()\n{joined}\nprint(time.perf_counter() - began)", slow)
    assert ended(BEGIN + lingering, slow, 2 * float(text) + 0.5)[1] > 2 * float(text)


def test_the_process_exits_while_a_source_does_not_answer(clip: MakeClip) -> None:
    program = """
    import os, sys
    import hwang
    class Source:
        size = os.path.getsize(sys.argv[1])
        def read_ranges(self, ranges):
            os.read(os.pipe()[0], 1)
    try:
        hwang.Decoder(Source(), timeout=0.1)
    except hwang.DecodeTimeoutError:
        print("limit")
    """
    assert ended(program, clip("h264-closed-gop"))[0] == "limit\n"


def test_a_process_that_forks_while_work_goes_on(slow: Path, clip: MakeClip) -> None:
    program = BEGIN + textwrap.dedent("""
    import warnings
    warnings.simplefilter("ignore")
    child = os.fork()
    again = hwang.Decoder(sys.argv[2]).frames([0, 39]).shape
    if child:
        print(again, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """)
    assert ended(program, slow, clip("h264-closed-gop"))[0] == "(2, 96, 160, 3) 0\n"


def test_what_was_left_behind_is_freed_when_it_ends(slow: Path) -> None:
    program = """
    import os, sys, threading
    import hwang
    def resident():
        return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGESIZE") >> 20
    decoder = hwang.Decoder(sys.argv[1], threads=1)
    before = resident()
    for _ in range(3):
        try:
            decoder.frames([0, 1, 2], timeout=0.1)
        except hwang.DecodeTimeoutError:
            pass
        for thread in threading.enumerate()[1:]:
            thread.join()
    print(resident() - before)
    """
    assert int(ended(program, slow)[0]) < 100  # MiB; the pictures of one request alone have 144


def test_calls_without_a_limit_start_no_thread(clip: MakeClip) -> None:
    program = """
    import sys, threading
    import hwang
    with hwang.Decoder(sys.argv[1], threads=1) as decoder:
        decoder.frames([0, 39])
    print(threading.active_count(), "hwang.timelimit" in sys.modules)
    """
    assert ended(program, clip("h264-closed-gop"))[0] == "1 False\n"
