"""One open video: its source, its index and its decoders, made when they are first needed."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from hwang import _core
from hwang.buffers import arrays_of
from hwang.decoding import Counters, Decoding, StopFlags
from hwang.errors import SourceError, UnsupportedMediaError
from hwang.fork import Lock
from hwang.index import VideoIndex
from hwang.indexing import finished, scan_index
from hwang.isobmff.file import open_movie
from hwang.picture import AnyArrays, AnyLayout, check_picture_size, planes_of
from hwang.plan import Plan, make_plan
from hwang.request import Request, Requests
from hwang.rows import Rows
from hwang.selections import Selection
from hwang.sources import open_source
from hwang.sources.local import CountingSource, FileSource, VideoInput
from hwang.spool import Spool

if TYPE_CHECKING:
    from hwang.metadata import VideoMetadata
    from hwang.timelimit import Deadline, Task

Result = TypeVar("Result")
AnyRows = Rows | Selection
Rate = float | tuple[int, int]
"""Frames per second, a number or (numerator, denominator)."""


@dataclass(frozen=True, slots=True)
class Stats:
    """Work that a Decoder has done so far. Counts only grow."""

    bytes_read: int
    requests: int  # byte ranges read
    samples_decoded: int
    samples_skipped: int  # inside the runs that were decoded: not needed, so not decoded
    frames: int  # converted


class Session:
    """An open video. `known` is its index, `fps` the rate of a raw stream; otherwise like Decoder."""

    def __init__(self, video: VideoInput, threads: int | None, track: int | None, max_pixels: int) -> None:
        self._threads = threads or len(os.sched_getaffinity(0))
        self._track = track
        self._max_pixels = max_pixels
        self._fps: Rate | None = None
        self._opening = Lock()
        self._decoding: Decoding | None = None
        self._left_behind = False
        self._process = os.getpid()
        self.source = CountingSource(open_source(video))
        self._owns_source = self.source.source is not video
        self._spool = Spool(self.source)
        self.counters = Counters()
        self.stop_flags = StopFlags()
        self.known_index: VideoIndex | None = None
        self.closed = False

    def open(self, index: VideoIndex | None, fps: Rate | None) -> None:
        """Read the header, and make the index unless it is given, or has to wait until it is needed."""
        self._fps = fps
        if index is not None and index.complete:
            index = self._with_rate(index)
            self._decoding = self._decoding_of(index)
            self.known_index = index
            return
        self._movie = open_movie(self.source, self._track)
        if self._movie is None or not self._movie.fragmented:
            self.opened()

    @property
    def index(self) -> VideoIndex:
        """The index; it remains after close()."""
        return self.opened().index if self.known_index is None else self.known_index

    @property
    def stats(self) -> Stats:
        """Counts of the work done so far."""
        done = self.counters
        return Stats(
            self.source.bytes_read, self.source.requests, done.samples_decoded, done.samples_skipped, done.frames
        )

    def metadata(self) -> VideoMetadata:
        """Return the facts about the video; a picture is decoded for them."""
        from hwang.metadata import describe  # not always needed

        with self.stop_flags.call() as stop:
            facts, index = self.opened().picture_facts(stop), self.index
            if facts[0] != (index.coded_size if any(index.coded_size) else (index.width, index.height)):
                self._learn_size()
            return describe(self.index, *facts[1:])

    def opened(self) -> Decoding:
        """Return the decoders. Raises SourceError after close()."""
        opening = self._opening
        with opening:
            if self.closed:
                raise SourceError("the decoder is closed; open the video again")
            decoding = self._decoding
            if decoding is None:
                with self.stop_flags.call() as stop:
                    decoding = self._decoding_of(self.known_index or self._make_index(stop))
                if self._opening is not opening:  # left behind
                    return decoding
                self._decoding, self._movie = decoding, None
            self.known_index = decoding.index
            return decoding

    def close(self) -> None:
        """Release decoders, their threads and memory, files and connections; the caller's stay open."""
        self.closed = True
        self._decoding = None
        self._spool.close()
        source = self.source.source
        if self._owns_source and not (self._left_behind and isinstance(source, FileSource)):  # else when all work ends
            source.close()  # type: ignore[attr-defined]

    def _prepared(self, rows: AnyRows, request: Request | Requests) -> tuple[AnyLayout, Plan]:
        return request.picture_layout(self.index), make_plan(self.index, rows)

    def answer(self, rows: AnyRows, request: Request, out: Any, deadline: Deadline | None) -> Any:
        """Return what Decoder.frames() does."""
        rows = _in_this_thread(rows)

        def work() -> tuple[AnyArrays, AnyArrays | None, Plan]:
            layout, plan = request.picture_layout(self.index), make_plan(self.index, rows)
            into = None if out is None else arrays_of(out, layout, len(plan.rows))
            return self.frames(plan, layout, None if deadline else into), into, plan

        frames, into, plan = self.within(deadline, lambda: self._knowing_size(work))
        if into is not None and deadline:
            for plane, decoded in zip(planes_of(into), planes_of(frames), strict=True):
                plane[...] = decoded
        return request.answer(frames if out is None else out, plan.rows, self.index)

    def batches(
        self, rows: AnyRows, max_bytes: int, request: Request | Requests, timeout: float | None
    ) -> Iterator[tuple[slice, Any]]:
        """Yield what Decoder.batches() does."""
        from hwang.timelimit import Deadline, one_ahead  # not always needed

        deadline = deadline_of(timeout)
        rows = _in_this_thread(rows)
        with self.stop_flags.call() as stop:

            def begin() -> tuple[Iterator[tuple[slice, AnyArrays]], Plan]:
                layout, plan = self._prepared(rows, request)
                parts = self._ahead(plan, self.parts(plan, layout, max(1, max_bytes // layout.picture_bytes), stop))
                return chain([first] if (first := next(parts, None)) else [], parts), plan

            def answers() -> Iterator[tuple[slice, Any]]:
                parts, plan = self._knowing_size(begin)
                for part, frames in parts:
                    yield part, request.answer(frames, plan.rows[part], self.index)

            self.within(deadline, lambda: self._prepared(rows, request))  # mistakes show at once
            limit = deadline or Deadline(math.inf)
            yield from one_ahead(answers(), limit, lambda work: self.task(work, stop), self.abandon)

    def _ahead(self, plan: Plan, parts: Iterator[tuple[slice, AnyArrays]]) -> Iterator[tuple[slice, AnyArrays]]:
        """Yield the parts while the source fetches what the rest of the plan needs."""
        with self.opened().expect(plan):
            yield from parts

    def frames(self, plan: Plan, layout: AnyLayout, out: AnyArrays | None = None) -> AnyArrays:
        """Decode one picture for each of plan.rows, into `out` if given."""
        decoding = self.opened()
        if out is None:
            out = layout.empty(len(plan.rows), decoding.page_pool)
        with self.stop_flags.call() as stop:
            decoding.decode(plan, layout, out, stop)
        return out

    def parts(
        self, plan: Plan, layout: AnyLayout, length: int, stop: _core.StopFlag
    ) -> Iterator[tuple[slice, AnyArrays]]:
        """Decode parts of at most `length` pictures: short runs several at once, a long one as a stream."""
        decoding, done = self.opened(), 0
        for stop_position, is_stream in decoding.stretches(plan, length):
            if is_stream:
                stretch = make_plan(self.index, plan.rows[done:stop_position])
                for frames in decoding.stream(stretch, layout, length, stop):
                    count = len(planes_of(frames)[0])
                    yield slice(done, done + count), frames
                    done += count
            while done < stop_position:  # not a stream, or a frame came out of order
                part = slice(done, min(done + length, stop_position))
                yield part, self.frames(make_plan(self.index, plan.rows[part]), layout)
                done = part.stop

    def within(self, deadline: Deadline | None, function: Callable[[], Result]) -> Result:
        """Return the function's result, or raise DecodeTimeoutError at the deadline."""
        if deadline is None:
            return function()
        with self.stop_flags.call() as stop:
            task = self.task(function, stop)
            try:
                return task.result(deadline)
            finally:
                self.abandon(task)

    def task(self, function: Callable[[], Result], stop: _core.StopFlag) -> Task[Result]:
        """Run a function in a thread, for the call with this flag."""
        from hwang.timelimit import Task  # not always needed

        return Task(self.stop_flags.on_behalf_of(stop, function), stop.set)

    def abandon(self, task: Task[Any]) -> None:
        """If the task still runs, never use again what it may hold."""
        if not task.is_left_behind:
            return
        self._left_behind = True
        self._opening = Lock()
        self._decoding = None

    def _knowing_size(self, work: Callable[[], Result]) -> Result:
        """Return the function's result, called again if the size of the pictures is learnt by it."""
        try:
            return work()
        except UnsupportedMediaError as error:
            if "picture_size" not in error.detail or not self._learn_size():
                raise
            return work()

    def _learn_size(self) -> bool:
        """Adopt the size of the first picture: containers misstate it. Return False if it is known already."""
        with self.stop_flags.call() as stop:
            decoding = self.opened()
            if decoding.size_is_known:
                return False
            width, height = decoding.first_size(stop)
            self.known_index = replace(decoding.index, width=width, height=height)
            self._decoding = self._decoding_of(self.known_index)
            self._decoding.size_is_known = True
            return True

    def _make_index(self, stop: _core.StopFlag) -> VideoIndex:
        shared = self._left_behind or self._process != os.getpid()  # with a thread that may have been reading it
        movie = open_movie(self.source, self._track) if shared else self._movie
        index = movie.index() if movie else scan_index(self._spool, self._track, self._max_pixels, stop)
        return self._with_rate(finished(index, self._spool, self._threads, self._max_pixels, stop))

    def _with_rate(self, index: VideoIndex) -> VideoIndex:
        return index if self._fps is None else index.at_rate(self._fps)

    def _decoding_of(self, index: VideoIndex) -> Decoding:
        check_picture_size(index.width, index.height, self._max_pixels)
        return Decoding(index, self._spool, self._threads, self.counters)


def _in_this_thread(rows: AnyRows) -> AnyRows:
    """Return a list for an iterator: it must run in the caller's thread."""
    return list(rows) if isinstance(rows, Iterable) and not isinstance(rows, Sequence | np.ndarray) else rows


def deadline_of(timeout: float | None) -> Deadline | None:
    """Return the limit of a call that begins now."""
    if timeout is None:
        return None
    from hwang.timelimit import Deadline  # not always needed

    return Deadline(timeout)
