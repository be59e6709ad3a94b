"""A forked child decodes with contexts, threads and locks of its own; its parent's are left alone."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager

import numpy as np
import pytest

import hwang
from tests.decoder.conftest import MakeClip, Truth

pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")

NAMES = ["h264-closed-gop", "h264-mpegts", "hevc-open-gop", "vp9", "av1", "mpeg4-b-frames"]


def in_child(work: Callable[[], None]) -> None:
    """Do the work in a forked child. Fails if it raises, or takes 30 seconds."""
    child = os.fork()
    if child == 0:
        signal.alarm(30)
        status = 1
        try:
            work()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@contextmanager
def busy(work: Callable[[int], object]) -> Iterator[None]:
    """Do the work over and over in two other threads."""
    ended = threading.Event()

    def loop() -> None:
        count = 0
        while not ended.is_set():
            work(count)
            count += 1

    workers = [threading.Thread(target=loop) for _ in range(2)]
    for worker in workers:
        worker.start()
    try:
        yield
    finally:
        ended.set()
        for worker in workers:
            worker.join()


@pytest.mark.parametrize("name", NAMES)
def test_a_child_decodes_with_a_decoder_that_its_parent_used(name: str, clip: MakeClip, truth: Truth) -> None:
    with hwang.Decoder(clip(name)) as decoder:
        kept = decoder.frames([3, 30])

        def work() -> None:
            for rows in ([5], [3, 30], [39, 17]):
                np.testing.assert_array_equal(decoder.frames(rows), truth(name)[rows])
                np.testing.assert_array_equal(decoder.frames(rows, timeout=20), truth(name)[rows])
            np.testing.assert_array_equal(list(decoder.iter_frames(range(10))), truth(name)[:10])
            np.testing.assert_array_equal(kept, truth(name)[[3, 30]])
            decoder.close()

        for _ in range(3):
            in_child(work)
            np.testing.assert_array_equal(decoder.frames([5, 25]), truth(name)[[5, 25]])


def test_children_decode_whatever_the_threads_of_their_parent_do(clip: MakeClip, truth: Truth) -> None:
    name = "h264-closed-gop"
    with hwang.Decoder(clip(name)) as decoder:

        def work() -> None:
            np.testing.assert_array_equal(decoder.frames([7, 21]), truth(name)[[7, 21]])
            assert decoder.stats.frames
            decoder.stop()

        with busy(lambda count: decoder.frames([count % 40, (count + 13) % 40])):
            for _ in range(100):
                in_child(work)


def test_a_child_opens_what_a_thread_of_its_parent_is_opening(clip: MakeClip, truth: Truth) -> None:
    path, last = clip("h264-fragmented"), truth("h264-fragmented")[[39]]
    for _ in range(20):
        with hwang.Decoder(path) as decoder:
            opening = threading.Thread(target=decoder.__len__)
            opening.start()
            in_child(lambda: np.testing.assert_array_equal(decoder.frames([39]), last))
            opening.join()


def test_children_do_not_move_the_file_of_their_parent(clip: MakeClip, truth: Truth) -> None:
    name = "h264-closed-gop"
    with clip(name).open("rb") as file, hwang.Decoder(file) as decoder, busy(lambda row: decoder.frames([row % 40])):
        for _ in range(20):
            in_child(lambda: np.testing.assert_array_equal(decoder.frames(range(40)), truth(name)))


def test_an_iterator_of_the_parent_ends_with_an_error_in_a_child(clip: MakeClip, truth: Truth) -> None:
    name = "h264-one-gop"
    with hwang.Decoder(clip(name)) as decoder:
        batches = decoder.batches(range(40), 3 * 160 * 96 * 4)
        assert isinstance(batches, Generator)
        next(batches)

        def work() -> None:
            with pytest.raises(hwang.HwangError, match="begun by the parent"):
                next(batches)
            batches.close()
            np.testing.assert_array_equal(decoder.frames([9]), truth(name)[[9]])

        in_child(work)
        for part, frames in batches:
            np.testing.assert_array_equal(frames, truth(name)[part])


OPENED: dict[str, hwang.Decoder] = {}


def _sum_of_epoch(name: str, epoch: int) -> int:
    """Decode as a data loader's worker does, with a decoder of its parent."""
    return int(OPENED[name].frames([(epoch + i) % 40 for i in range(4)]).sum())


def test_workers_of_a_data_loader_use_the_decoders_of_their_parent(clip: MakeClip, truth: Truth) -> None:
    for name in NAMES:
        OPENED[name] = hwang.Decoder(clip(name))
        OPENED[name].frames([3])
    work = [(name, epoch) for epoch in range(10) for name in NAMES]
    sums = [int(truth(name)[epoch : epoch + 4].sum()) for name, epoch in work]
    for _ in range(3):
        with multiprocessing.get_context("fork").Pool(4) as pool:
            assert pool.starmap_async(_sum_of_epoch, work).get(60) == sums
    while OPENED:
        OPENED.popitem()[1].close()
