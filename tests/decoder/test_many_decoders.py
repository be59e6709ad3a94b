"""Idle decoders, their threads and their memory belong to the process: bounded, however many objects are open."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

import hwang
from tests.decoder.conftest import MakeClip, Truth
from tests.decoder.hostile import H264, LAVFI, encode

MANY = """
import sys, time, hwang

def used():
    with open("/proc/self/status") as status:
        lines = dict(line.split(":", 1) for line in status)
    return int(lines["Threads"]), int(lines["VmRSS"].split()[0]) // 1024

def ask(decoder):
    decoder.frames([3])
    decoder.frames([2, 9])
    next(decoder.iter_frames(range(len(decoder))))

opened = [hwang.Decoder(sys.argv[1])]
ask(opened[0])
threads_of_one, mb_of_one = used()
for _ in range(299):
    opened.append(hwang.Decoder(sys.argv[1]))
    ask(opened[-1])
threads, mb = used()
for decoder in opened:
    ask(decoder)
for decoder in opened:
    decoder.close()
until = time.monotonic() + 10
while used()[0] > 2 and time.monotonic() < until:  # threads that iterators left ended their work, and end
    time.sleep(0.01)
print(threads, mb - mb_of_one, used()[0], used()[1] - mb_of_one)
"""


def threads() -> set[Path]:
    return set(Path("/proc/self/task").iterdir())


def test_three_hundred_used_decoders_hold_few_threads_and_little_memory(tmp_path: Path) -> None:
    video = encode(
        tmp_path / "vga.mp4", *LAVFI, "testsrc2=s=640x480:r=25:d=0.4", *H264, "-x264-params", "keyint=5:scenecut=0"
    )
    done = subprocess.run([sys.executable, "-c", MANY, video], capture_output=True, text=True, check=True, timeout=120)
    of_all, growth_mb, of_none, left_mb = map(int, done.stdout.split())
    assert of_all <= 64
    assert growth_mb <= 150
    assert of_none <= 2
    assert left_mb <= 150


def test_a_decoder_goes_on_with_the_threads_that_it_has(clip: MakeClip) -> None:
    with hwang.Decoder(clip("h264-closed-gop")) as decoder:
        decoder.frames([5])
        first = threads()
        for row in (17, 30, 5):
            decoder.frames([row])
            assert threads() == first


def test_a_closed_decoder_ends_its_threads(clip: MakeClip) -> None:
    none_open = threads()
    with hwang.Decoder(clip("h264-closed-gop")) as decoder, hwang.Decoder(clip("hevc-open-gop")) as other:
        decoder.frames([5])
        own = threads() - none_open
        other.frames([5])
        assert threads() >= own
        decoder.close()
        assert not threads() & own
        assert threads() - none_open
    assert threads() <= none_open


@pytest.mark.parametrize("name", ["h264-open-gop", "hevc-open-gop", "vp8-alt-ref", "vp9", "av1", "mpeg4-b-frames"])
def test_frames_of_many_decoders_in_turn_are_the_same(name: str, clip: MakeClip, truth: Truth) -> None:
    with ExitStack() as opened, ThreadPoolExecutor(4) as pool:
        decoders = [opened.enter_context(hwang.Decoder(clip(name))) for _ in range(20)]

        def ask(number: int) -> None:
            rows = [number % 40, (7 * number) % 40]
            decoder = decoders[number % len(decoders)]
            np.testing.assert_array_equal(decoder.frames(rows), truth(name)[rows])
            for row, frame in zip(range(rows[0], 40), decoder.iter_frames(range(rows[0], 40)), strict=True):
                np.testing.assert_array_equal(frame, truth(name)[row])
                if row > rows[0] + 3:
                    break  # in the middle of a run

        list(pool.map(ask, range(60)))
