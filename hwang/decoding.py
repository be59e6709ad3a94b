"""Run plans in the core, and retry failed runs from an earlier sync sample."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from hwang import _core
from hwang.care import Slots, decode_samples
from hwang.errors import CorruptFrameError, CorruptMediaError, UnsupportedMediaError
from hwang.fork import Lock
from hwang.index import Color, VideoIndex
from hwang.indexing import core_video
from hwang.parameters import sequence_parameters
from hwang.picture import AnyArrays, AnyLayout, PictureLayout, part_of
from hwang.plan import REQUEST_COST_BYTES, Plan, Run, make_plan
from hwang.ranges import ByteRange
from hwang.spool import Spool

Result = TypeVar("Result")

_KEYFRAMES_TRIED = 4

PictureFacts = tuple[tuple[int, int], str, int, tuple[int, int], Color]
"""(coded size, FFmpeg's pixel format, bits of a channel, sample aspect ratio or zeros, color) of a picture."""


class StopFlags:
    """Stop flags of all calls in progress."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._running: set[_core.StopFlag] = set()
        self._inherited = threading.local()

    @contextmanager
    def call(self) -> Iterator[_core.StopFlag]:
        """Yield the flag of the call that this thread works for, or of a new call."""
        inherited: _core.StopFlag | None = getattr(self._inherited, "flag", None)
        if inherited is not None:
            yield inherited
            return
        flag = _core.StopFlag()
        with self._lock:
            self._running.add(flag)
        try:
            yield flag
        finally:
            with self._lock:
                self._running.discard(flag)

    def on_behalf_of(self, flag: _core.StopFlag, function: Callable[[], Result]) -> Callable[[], Result]:
        """Wrap a function for another thread, which then works for the call with this flag."""

        def work() -> Result:
            self._inherited.flag = flag
            return function()

        return work

    def set(self) -> None:
        """Stop all calls in progress."""
        with self._lock:
            for flag in self._running:
                flag.set()


class Counters:
    """Counts of samples and frames so far. Thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self.samples_decoded = self.samples_skipped = self.frames = 0

    def add(self, report: _core.Report, runs: Sequence[Run]) -> None:
        """Add the work that the core reports for these runs."""
        known_disposable = sum(int(run.samples[-1]) - int(run.samples[0]) + 1 - len(run.samples) for run in runs)
        with self._lock:
            self.samples_decoded += report[1]
            self.samples_skipped += report[2] + known_disposable
            self.frames += report[3]


class Decoding:
    """Decodes one video, for any number of callers at once."""

    def __init__(self, index: VideoIndex, spool: Spool, threads: int, counters: Counters) -> None:
        self.index = index
        self.size_is_known = sequence_parameters(index.codec, index.extradata) is not None
        self.page_pool = _core.PagePool()
        self._counters = counters
        self._spool = spool
        self._threads = threads
        self._video = core_video(index, threads)
        self._may_skip = not index.separate_fields

    def expect(self, plan: Plan) -> AbstractContextManager[object]:
        """Let the source fetch the plan's bytes ahead of their use, until the end of the context."""
        return self._spool.expect(plan.ranges if self.index.ranged else ())

    def decode(self, plan: Plan, layout: AnyLayout, out: AnyArrays, stop: _core.StopFlag) -> None:
        """Fill `out`, one picture for each of plan.rows. Raises CorruptFrameError."""
        by_sample = np.argsort(plan.sample_of_position, kind="stable")
        ascending = plan.sample_of_position[by_sample]
        is_first = np.ones(len(ascending), np.bool_)
        np.not_equal(ascending[1:], ascending[:-1], out=is_first[1:])
        first = by_sample[is_first]
        self._look_for_sets(plan, stop)
        decode_samples(self, plan, layout, out, Slots(ascending[is_first], first), stop)
        repeated = np.flatnonzero(~is_first)
        for position, source in zip(by_sample[repeated], first[np.cumsum(is_first)[repeated] - 1], strict=True):
            for plane in layout.bytes_of(out):
                plane[position] = plane[source]

    def stream(self, plan: Plan, layout: AnyLayout, length: int, stop: _core.StopFlag) -> Iterator[AnyArrays]:
        """Yield the pictures of plan.rows, at most `length` at a time, decoded one run after another.

        Ends early if a picture comes out of order. Raises CorruptFrameError, possibly late.
        """
        self._require_size(layout, stop)
        self._look_for_sets(plan, stop)
        runs = [_core.Run(run.samples, run.wanted, np.zeros(len(run.wanted), np.int64)) for run in plan.runs]
        pictures = _core.PictureStream(self._video, self._bytes(plan.ranges), runs, self._may_skip)
        done = 0
        while done < len(plan.rows):
            part = layout.empty(min(length, len(plan.rows) - done), self.page_pool)
            samples = pictures.read(layout.core(), layout.bytes_of(part), stop)
            if not len(samples) or not np.array_equal(samples, plan.sample_of_position[done : done + len(samples)]):
                break
            done += len(samples)
            yield part_of(part, slice(len(samples)))
        else:  # errors of the last run show at its end
            pictures.read(layout.core(), layout.bytes_of(layout.empty(1, self.page_pool)), stop)
        report = pictures.report()
        self._counters.add(report, plan.runs)
        suspect = report[0][np.isin(report[0], plan.sample_of_position[:done])]
        if len(suspect):
            raise self.corrupt(plan, suspect)

    def run(
        self,
        runs: Sequence[Run],
        slots: Sequence[NDArray[np.int64]],
        layout: AnyLayout,
        out: AnyArrays,
        stop: _core.StopFlag,
        *,
        care: _core.Care,
        ranges: tuple[ByteRange, ...] | None = None,
    ) -> _core.Report:
        """Decode the wanted samples of each run into their slots of `out`; `ranges` are those of the runs, if known."""
        source = self._bytes(self._ranges(runs) if ranges is None else ranges)
        work = [_core.Run(run.samples, run.wanted, places) for run, places in zip(runs, slots, strict=True)]
        skip = self._may_skip and care == _core.Care.none
        report = self._video.decode(source, work, layout.core(), layout.bytes_of(out), skip, care, stop)
        self._counters.add(report, runs)
        return report

    def picture_facts(self, stop: _core.StopFlag) -> PictureFacts:
        """Decode the first picture, or that of one of the next key frames, and return what it states of the video.

        Raises CorruptMediaError if none of them can be decoded.
        """
        keyframes = np.flatnonzero(self.index.sync[self.index.order])
        for row in [*range(min(1, len(self.index))), *keyframes[:_KEYFRAMES_TRIED].tolist()]:
            plan = make_plan(self.index, [row])
            run = plan.runs[0]
            core_run = _core.Run(run.samples, run.wanted, np.zeros(len(run.wanted), np.int64))
            if facts := self._video.picture_facts(self._bytes(plan.ranges), core_run, stop):
                return facts
        raise CorruptMediaError("none of the first pictures can be decoded: the video is damaged")

    def _require_size(self, layout: AnyLayout, stop: _core.StopFlag) -> None:
        """Raise UnsupportedMediaError if pictures would be scaled by a size that a container misstates."""
        if layout.any_size and not self.size_is_known:
            size = self.first_size(stop)
            if size != (self.index.width, self.index.height):
                raise UnsupportedMediaError("the container misstates the size", picture_size=size)
            self.size_is_known = True

    def first_size(self, stop: _core.StopFlag) -> tuple[int, int]:
        """Return width and height of the first row's picture, which is decoded for this."""
        layout, plan = PictureLayout("gray8", self.index.width, self.index.height), make_plan(self.index, [0])
        try:
            self.decode(plan, layout, layout.empty(1, self.page_pool), stop)
        except UnsupportedMediaError as error:
            if size := error.detail.get("picture_size"):
                return cast("tuple[int, int]", size)
            raise
        return self.index.width, self.index.height

    def _look_for_sets(self, plan: Plan, stop: _core.StopFlag) -> None:
        """Find the parameter sets in force at each sample, if some are in samples and a run begins without its own."""
        if not self.index.sets_unknown:
            return
        first = np.array([run.samples[0] for run in plan.runs if run.samples[0]], np.uint32)
        if not len(first) or not self._video.lack_sets(self._bytes(plan.ranges), first, stop).any():
            return
        changes = tuple(self._video.parameter_sets(self._spool.whole(), stop))
        self.index = replace(self.index, parameter_sets=changes, sets_unknown=False)
        self._video = core_video(self.index, self._threads)

    def resized(self, plan: Plan, samples: NDArray[np.uint32], size: tuple[int, int]) -> UnsupportedMediaError:
        """Return an error that names the rows of samples that show pictures of another size."""
        rows, named = _named(plan, samples)
        return UnsupportedMediaError(
            f"{len(rows)} of the frames asked for (rows {named}) are {size[0]}x{size[1]}, "
            f"not {self.index.width}x{self.index.height} as the first frame is: give a size to have all scaled to it",
            rows=rows,
            picture_size=size,
        )

    def corrupt(self, plan: Plan, failed: NDArray[np.uint32]) -> CorruptFrameError:
        """Return an error that names the rows of the failed samples."""
        rows, named = _named(plan, failed)
        return CorruptFrameError(
            f"{len(rows)} of the frames asked for cannot be decoded exactly (rows {named}): "
            "the video is damaged or truncated there; ask for other rows, or repair the file",
            rows,
        )

    def stretches(self, plan: Plan, length: int) -> Iterator[tuple[int, bool]]:
        """Split a request into stretches to decode one after another: (position behind it, whether to stream it).

        If the positions are in the order of the runs, a run of more than `length` pictures is streamed, and
        shorter ones are taken together. Otherwise there is one stretch.
        """
        if not self._is_in_stream_order(plan):
            yield len(plan.rows), False
            return
        done = waiting = 0
        for run in plan.runs:
            count = len(run.wanted)
            if waiting and waiting + count > length:
                done, waiting = done + waiting, 0
                yield done, False
            if count > length:
                done += count
                yield done, True
            else:
                waiting += count
        if waiting:
            yield done + waiting, False

    def _is_in_stream_order(self, plan: Plan) -> bool:
        pts = self.index.pts
        shown = [run.wanted[np.argsort(pts[run.wanted], kind="stable")] for run in plan.runs]
        return bool(shown) and np.array_equal(np.concatenate(shown), plan.sample_of_position)

    def _bytes(self, ranges: tuple[ByteRange, ...]) -> _core.Bytes:
        return self._spool.ranges(ranges) if self.index.ranged else self._spool.whole()

    def _ranges(self, runs: Sequence[Run]) -> tuple[ByteRange, ...]:
        samples = np.unique(np.concatenate([run.samples for run in runs]))
        return self.index.byte_ranges(samples, REQUEST_COST_BYTES)


def _named(plan: Plan, samples: NDArray[np.uint32]) -> tuple[list[int], str]:
    """Return the rows of a plan that these samples show, and the first of them in words."""
    rows: list[int] = np.unique(plan.rows[np.isin(plan.sample_of_position, samples)]).tolist()
    return rows, ", ".join(map(str, rows[:8])) + (", …" if len(rows) > 8 else "")
