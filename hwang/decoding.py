"""Run plans in the core, and retry failed runs from an earlier sync sample."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from hwang import _core
from hwang.errors import CorruptFrameError, CorruptMediaError, UnsupportedMediaError
from hwang.index import Color, VideoIndex
from hwang.indexing import core_video
from hwang.picture import Arrays, PictureLayout, part_of
from hwang.plan import REQUEST_COST_BYTES, Plan, Run, earlier_start, make_plan, own_runs
from hwang.ranges import ByteRange, coalesce
from hwang.spool import Spool

__all__ = ["Counters", "Decoding", "StopFlags"]

Result = TypeVar("Result")

_STEPS_BACK = (1, 32, 512)
"""Minimum number of samples to start earlier by, at each retry after decoding from a sync sample failed."""

_WITNESS_SAMPLES = 16
"""Minimum number of samples by which the decode that confirms another starts earlier."""

_WITNESS_BYTES = 64 << 20
"""Limit of the pictures that are compared at a time."""

_KEYFRAMES_TRIED = 4

PictureFacts = tuple[tuple[int, int], str, int, tuple[int, int], Color]
"""(coded size, FFmpeg's pixel format, bits of a channel, sample aspect ratio or zeros, color) of a picture."""


class StopFlags:
    """Stop flags of all calls in progress."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
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
        self._lock = threading.Lock()
        self.samples_decoded = self.samples_skipped = self.frames = 0

    def add(self, report: _core.Report, runs: tuple[Run, ...]) -> None:
        """Add the work that the core reports for these runs."""
        known_disposable = sum(int(run.samples[-1]) - int(run.samples[0]) + 1 - len(run.samples) for run in runs)
        with self._lock:
            self.samples_decoded += report[1]
            self.samples_skipped += report[2] + known_disposable
            self.frames += report[3]


class _Request:
    """The layout of a request, the slots of its samples (ascending), and what its decodes report."""

    def __init__(
        self,
        decoding: Decoding,
        layout: PictureLayout,
        samples: NDArray[np.uint32],
        slots: NDArray[np.intp],
        stop: _core.StopFlag,
    ) -> None:
        self.layout = layout
        self.resized: list[NDArray[np.uint32]] = []
        self.size = 0, 0
        self._decoding, self._samples, self._slots, self._stop = decoding, samples, slots, stop

    def slots_of(self, samples: NDArray[np.uint32]) -> NDArray[np.int64]:
        """Return the slots of these samples in the output."""
        return self._slots[np.searchsorted(self._samples, samples)].astype(np.int64)

    def decode(
        self,
        runs: tuple[Run, ...],
        ranges: tuple[ByteRange, ...] | None,
        out: Arrays,
        care: _core.Care,
        slots: NDArray[np.int64] | None = None,
        *,
        skip: bool = False,
    ) -> NDArray[np.uint32]:
        """Decode the wanted samples of runs into their slots, or those given; return the samples that failed."""
        core_runs = [
            _core.Run(run.samples, run.wanted, self.slots_of(run.wanted) if slots is None else slots) for run in runs
        ]
        report = self._decoding.run_core(runs, core_runs, ranges, self.layout, out, care, skip, self._stop)
        if len(report[4]):
            self.resized, self.size = [*self.resized, report[4]], report[5]
        return report[0]


class Decoding:
    """Decodes one video, for any number of callers at once."""

    def __init__(self, index: VideoIndex, spool: Spool, threads: int, counters: Counters) -> None:
        self.index = index
        self.page_pool = _core.PagePool()
        self._counters = counters
        self._spool = spool
        self._threads = threads
        self._video = core_video(index, threads)
        self._may_skip = not index.separate_fields

    def expect(self, plan: Plan) -> AbstractContextManager[object]:
        """Let the source fetch the plan's bytes ahead of their use, until the end of the context."""
        return self._spool.expect(plan.ranges if self.index.byte_addressable else ())

    def decode(self, plan: Plan, layout: PictureLayout, out: Arrays, stop: _core.StopFlag) -> None:
        """Fill `out`, one picture for each of plan.rows. Raises CorruptFrameError."""
        by_sample = np.argsort(plan.sample_of_position, kind="stable")
        ascending = plan.sample_of_position[by_sample]
        is_first = np.ones(len(ascending), np.bool_)
        np.not_equal(ascending[1:], ascending[:-1], out=is_first[1:])
        first = by_sample[is_first]
        self._decode_samples(plan, layout, out, ascending[is_first], first, stop)
        repeated = np.flatnonzero(~is_first)
        for position, source in zip(by_sample[repeated], first[np.cumsum(is_first)[repeated] - 1], strict=True):
            for plane in layout.bytes_of(out):
                plane[position] = plane[source]

    def _decode_samples(
        self,
        plan: Plan,
        layout: PictureLayout,
        out: Arrays,
        samples: NDArray[np.uint32],
        slots: NDArray[np.intp],
        stop: _core.StopFlag,
    ) -> None:
        """Decode `samples` (ascending) into their slots of `out`: fast, and with care where that failed."""
        self._look_for_sets(plan, stop)
        request = _Request(self, layout, samples, slots, stop)
        failed = request.decode(plan.runs, plan.ranges, out, _core.Care.none, skip=self._may_skip)
        lost = self._decode_with_care(request, failed, out)
        if request.resized:
            raise self.resized(plan, np.concatenate(request.resized), request.size)
        if len(lost):
            raise self.corrupt(plan, lost)

    def _decode_with_care(self, request: _Request, samples: NDArray[np.uint32], out: Arrays) -> NDArray[np.uint32]:
        """Decode samples whose first decode failed, and return those that fail again.

        They start at their own sync sample, and if that fails further and further back. What does not start at sample
        0 has to equal a decode from further back still: a picture that depends on where decoding starts is not exact.
        """
        runs = own_runs(self.index, samples)
        lost: list[NDArray[np.uint32]] = []
        for samples_back in (*_STEPS_BACK, None):
            if not runs:
                break
            failed = request.decode(runs, None, out, _core.Care.full)
            sound = [part for run in runs if (part := _only(run, ~np.isin(run.wanted, failed)))]
            lost += [wanted for run in sound if len(wanted := self._not_confirmed(request, run, out))]
            rest = [part for run in runs if (part := _only(run, np.isin(run.wanted, failed)))]
            earlier = [samples_back and earlier_start(self.index, run, samples_back=samples_back) for run in rest]
            lost += [run.wanted for run, again in zip(rest, earlier, strict=True) if not again]
            runs = tuple(run for run in earlier if run)
        return np.concatenate([np.empty(0, np.uint32), *lost])

    def _not_confirmed(self, request: _Request, run: Run, out: Arrays) -> NDArray[np.uint32]:
        """Return the wanted samples of a run that look otherwise when decoding starts earlier."""
        witness = earlier_start(self.index, run, samples_back=_WITNESS_SAMPLES)
        if witness is None:
            return run.wanted[:0]
        different = []
        length = max(1, _WITNESS_BYTES // request.layout.picture_bytes)
        for first in range(0, len(run.wanted), length):
            wanted = run.wanted[first : first + length]
            pictures = request.layout.empty(len(wanted), self.page_pool)
            part = replace(witness, wanted=wanted)
            failed = request.decode((part,), None, pictures, _core.Care.witness, np.arange(len(wanted)))
            equal = ~np.isin(wanted, failed)
            for seen, again in zip(request.layout.bytes_of(out), request.layout.bytes_of(pictures), strict=True):
                equal &= (seen[request.slots_of(wanted)] == again).all(axis=1)
            different.append(wanted[~equal])
        return np.concatenate(different)

    def stream(self, plan: Plan, layout: PictureLayout, length: int, stop: _core.StopFlag) -> Iterator[Arrays]:
        """Yield the pictures of plan.rows, at most `length` at a time, decoded one run after another.

        Ends early if a picture comes out of order. Raises CorruptFrameError, possibly late.
        """
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

    def run_core(
        self,
        runs: tuple[Run, ...],
        core_runs: list[_core.Run],
        ranges: tuple[ByteRange, ...] | None,
        layout: PictureLayout,
        out: Arrays,
        care: _core.Care,
        skip_unreferenced: bool,
        stop: _core.StopFlag,
    ) -> _core.Report:
        source = self._bytes(self._ranges(runs) if ranges is None else ranges)
        planes = layout.bytes_of(out)
        report = self._video.decode(source, core_runs, layout.core(), planes, skip_unreferenced, care, stop)
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
        return self._spool.ranges(ranges) if self.index.byte_addressable else self._spool.whole()

    def _ranges(self, runs: tuple[Run, ...]) -> tuple[ByteRange, ...]:
        samples = np.unique(np.concatenate([run.samples for run in runs]))
        return coalesce(self.index.sample_offset[samples], self.index.sample_size[samples], REQUEST_COST_BYTES)


def _named(plan: Plan, samples: NDArray[np.uint32]) -> tuple[list[int], str]:
    """Return the rows of a plan that these samples show, and the first of them in words."""
    rows: list[int] = np.unique(plan.rows[np.isin(plan.sample_of_position, samples)]).tolist()
    return rows, ", ".join(map(str, rows[:8])) + (", …" if len(rows) > 8 else "")


def _only(run: Run, chosen: NDArray[np.bool_]) -> Run | None:
    """Return the run with some of its wanted samples; None without any."""
    return replace(run, wanted=run.wanted[chosen]) if chosen.any() else None
