"""Decoder: frames of a video by row; each group of pictures is decoded once, on all cores."""

from __future__ import annotations

import enum
import math
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, Self, TypedDict, TypeVar, Unpack, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hwang import _core
from hwang.decoding import Counters, Decoding, StopFlags
from hwang.errors import HwangError, SourceError, UnsupportedMediaError
from hwang.index import VideoIndex
from hwang.indexing import finished, scan_index
from hwang.isobmff.file import open_movie
from hwang.picture import (
    Arrays,
    PictureLayout,
    PixelFormat,
    Planes,
    check_picture_size,
    part_of,
    picture_layout,
    planes_of,
)
from hwang.plan import Plan, make_plan
from hwang.rows import Rows
from hwang.sources import CountingSource, FileSource, VideoInput, open_source
from hwang.spool import Spool

if TYPE_CHECKING:
    from hwang.timelimit import Deadline, Task

__all__ = ["MAX_PIXELS", "Decoder", "DeviceType", "Stats", "index_video"]

MAX_PIXELS = 8192 * 8192
"""Default limit of a Decoder: larger pictures are refused."""

ByteFormat = Literal["rgb24", "bgr24", "gray8"]
Keywords = tuple[int | None, int | None, int | None, PixelFormat]
"""(width, height, max_side, pixel_format) of a request."""

Result = TypeVar("Result")


class _Options(TypedDict, total=False):
    width: int | None
    height: int | None
    max_side: int | None
    timeout: float | None


class DeviceType(enum.Enum):
    """Devices to decode on. There is no GPU build."""

    CPU = 0
    GPU = 1


@dataclass(frozen=True, slots=True)
class Stats:
    """Work that a Decoder has done so far. Counts only grow."""

    bytes_read: int
    requests: int  # byte ranges read
    samples_decoded: int
    samples_skipped: int  # inside the runs that were decoded: not needed, so not decoded
    frames: int  # converted


def index_video(video: VideoInput, *, timeout: float | None = None) -> VideoIndex:
    """Index a video without decoding it (unless its container does not determine the order of the frames).

    timeout: seconds after which it raises DecodeTimeoutError.
    Raises UnsupportedMediaError, EncryptedMediaError, CorruptMediaError, LimitExceededError, SourceError.
    """
    deadline = _deadline(timeout)
    with Decoder(video, timeout=timeout) as decoder:
        return decoder._within(deadline, lambda: decoder.video_index)  # a fragmented one is completed here


class Decoder:
    """Frames of one video.

    video: a path, an https:// or s3:// address, bytes, a binary file object, a file or (file system, path) of fsspec,
        or an object with `size` and `read_ranges`.
    video_index: from index_video() or VideoIndex.deserialize(); made from the video if absent or incomplete.
    threads: number of cores to use; by default all that this process may run on.
    track: id of the video track of an MP4 or MOV; by default the first one.
    max_pixels: larger pictures raise LimitExceededError before memory is taken for one.
    timeout: seconds that opening may take.

    Rows are 0-based positions in presentation order: the frames that the ffmpeg tool shows, in its order. They come in
    any order, duplicates are kept, each is decoded once. Methods may be called from several threads at once.
    Raises UnsupportedMediaError, EncryptedMediaError, CorruptMediaError, LimitExceededError, SourceError.

    Methods that return frames take these keywords:

    pixel_format: "rgb24", "bgr24": uint8 [N, H, W, 3]; "gray8": uint8 [N, H, W]; "rgb48": uint16 [N, H, W, 3];
        "yuv420p": Planes, with the matrix and range of the video.
    width, height: size in pixels; one alone keeps the aspect ratio. max_side: shrink larger pictures to it.

    timeout: seconds after which the call raises DecodeTimeoutError (within 50 ms), even if a codec loops or the source
        does not answer; for iterators, seconds for each step. The Decoder can be used again. By default no limit.

    Returned arrays are C-contiguous and belong to the caller; their memory is used again once the caller releases it.
    """

    def __init__(
        self,
        video: VideoInput,
        video_index: VideoIndex | None = None,
        device_type: DeviceType = DeviceType.CPU,
        device_id: int = 0,
        *,
        threads: int | None = None,
        track: int | None = None,
        max_pixels: int = MAX_PIXELS,
        timeout: float | None = None,
    ) -> None:
        deadline = _deadline(timeout)
        if device_type is not DeviceType.CPU:
            raise HwangError(
                f"device {device_type.name} {device_id}: this build decodes on the CPU; use DeviceType.CPU"
            )
        self._threads = threads or len(os.sched_getaffinity(0))
        self._track = track
        self._max_pixels = max_pixels
        self._source = CountingSource(open_source(video))
        self._owns_source = self._source.source is not video
        self._spool = Spool(self._source)
        self._counters = Counters()
        self._stop_flags = StopFlags()
        self._opening = threading.Lock()
        self._decoding: Decoding | None = None
        self._index: VideoIndex | None = None
        self._closed = self._left_behind = False
        try:
            self._within(deadline, lambda: self._open(video_index))
        except BaseException:
            self.close()
            raise

    def _open(self, video_index: VideoIndex | None) -> None:
        if video_index is not None and video_index.complete:
            self._decoding = self._decoding_of(video_index)
            self._index = video_index
            return
        self._movie = open_movie(self._source, self._track)
        if self._movie is None or not self._movie.fragmented:
            self._opened()

    @property
    def video_index(self) -> VideoIndex:
        """The index. A fragmented MP4 is indexed when this is first needed; the index remains after close()."""
        return self._opened().index if self._index is None else self._index

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.video_index)

    @property
    def stats(self) -> Stats:
        """Counts of the work done so far."""
        done = self._counters
        return Stats(
            self._source.bytes_read, self._source.requests, done.samples_decoded, done.samples_skipped, done.frames
        )

    def keyframes(self) -> NDArray[np.int64]:
        """Return the rows that show a sync sample, int64 [K], ascending: the cheapest to decode."""
        return np.flatnonzero(self.video_index.sync[self.video_index.order])

    def plan(self, rows: Rows) -> Plan:
        """Return what frames(rows) would read and decode, without I/O. Raises FrameIndexError, TypeError."""
        return make_plan(self.video_index, rows)

    def retrieve(self, rows: Rows, *, timeout: float | None = None) -> list[NDArray[np.uint8]]:
        """Return a list of frames, uint8 [H, W, 3] RGB, one for each of `rows`; otherwise like frames()."""
        return list(self.frames(rows, timeout=timeout))

    @overload
    def frames(
        self,
        rows: Rows,
        *,
        pixel_format: ByteFormat = ...,
        out: NDArray[np.uint8] | None = ...,
        **options: Unpack[_Options],
    ) -> NDArray[np.uint8]: ...
    @overload
    def frames(
        self,
        rows: Rows,
        *,
        pixel_format: Literal["rgb48"],
        out: NDArray[np.uint16] | None = ...,
        **options: Unpack[_Options],
    ) -> NDArray[np.uint16]: ...
    @overload
    def frames(
        self, rows: Rows, *, pixel_format: Literal["yuv420p"], out: Planes | None = ..., **options: Unpack[_Options]
    ) -> Planes: ...
    @overload
    def frames(self, rows: Rows, *, pixel_format: PixelFormat, out: Any = ..., **options: Unpack[_Options]) -> Any: ...
    def frames(
        self,
        rows: Rows,
        *,
        pixel_format: PixelFormat = "rgb24",
        width: int | None = None,
        height: int | None = None,
        max_side: int | None = None,
        out: Any = None,
        timeout: float | None = None,
    ) -> Any:
        """Return one frame for each of `rows`, in one array: by default uint8 [N, H, W, 3] RGB.

        out: arrays to fill and return instead of new ones, of the shape and dtype that would be returned. With a
            timeout they are filled at the end, by a copy: nothing is written to them after DecodeTimeoutError.
        Raises FrameIndexError for a row outside [0, len), CorruptFrameError (with `.rows`) if some cannot be decoded
        exactly, SourceError if the bytes cannot be read, LimitExceededError for more than the machine's memory,
        StoppedError after stop(), DecodeTimeoutError, ValueError for keywords that make no sense.
        """
        deadline = _deadline(timeout)
        rows = _in_this_thread(rows)
        return self._answer(lambda: rows, (width, height, max_side, pixel_format), out, deadline)

    def frames_at(
        self,
        seconds: ArrayLike,
        *,
        pixel_format: PixelFormat = "rgb24",
        width: int | None = None,
        height: int | None = None,
        max_side: int | None = None,
        out: Any = None,
        timeout: float | None = None,
    ) -> Any:
        """Return the frames on display at `seconds` (one number or several), like frames().

        Raises FrameIndexError for a time at which no frame is on display; otherwise like frames().
        """
        keywords = width, height, max_side, pixel_format
        return self._answer(lambda: self.video_index.rows_at(seconds), keywords, out, _deadline(timeout))

    def iter_frames(
        self,
        rows: Rows,
        *,
        pixel_format: PixelFormat = "rgb24",
        width: int | None = None,
        height: int | None = None,
        max_side: int | None = None,
        timeout: float | None = None,
    ) -> Iterator[Any]:
        """Yield the frames of `rows` one by one, in their order, in the memory of a few: arrays like frames()[i].

        An array is part of a larger one: copy those that you keep for long. Otherwise like batches().
        """
        options: Any = {"pixel_format": pixel_format, "width": width, "height": height, "max_side": max_side}
        for part, frames in self.batches(rows, timeout=timeout, **options):
            for position in range(part.stop - part.start):
                yield part_of(frames, position)

    def batches(
        self,
        rows: Rows,
        max_bytes: int = 16 << 20,
        *,
        pixel_format: PixelFormat = "rgb24",
        width: int | None = None,
        height: int | None = None,
        max_side: int | None = None,
        timeout: float | None = None,
    ) -> Iterator[tuple[slice, Any]]:
        """Yield consecutive parts of frames(rows): (positions in `rows`, frames), of about `max_bytes` each.

        For requests longer than memory. Ascending rows are decoded once, and the next part is decoded while the
        caller works on this one. Raises like frames(); a CorruptFrameError may come after parts with rows it names.
        """
        from hwang.timelimit import Deadline, one_ahead  # not always needed

        deadline = _deadline(timeout)
        rows = _in_this_thread(rows)
        with self._stop_flags.call() as stop:

            def parts() -> Iterator[tuple[slice, Any]]:
                return self._parts(rows, (width, height, max_side, pixel_format), max_bytes, stop)

            first = self._within(deadline, parts)
            limit = deadline or Deadline(math.inf)
            yield from one_ahead(first, limit, lambda work: self._task(work, stop), self._abandon)

    def stop(self) -> None:
        """Stop all calls in progress, from another thread: they raise StoppedError. Later calls work."""
        self._stop_flags.set()

    def close(self) -> None:
        """Release decoders, their threads and memory, files and connections; the caller's stay open."""
        self._closed = True
        self._decoding = None
        self._spool.close()
        source = self._source.source
        if self._owns_source and not (self._left_behind and isinstance(source, FileSource)):  # else when all work ends
            source.close()  # type: ignore[attr-defined]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _opened(self) -> Decoding:
        opening = self._opening
        with opening:
            if self._closed:
                raise SourceError("the decoder is closed; open the video again")
            decoding = self._decoding
            if decoding is None:
                with self._stop_flags.call() as stop:
                    decoding = self._decoding_of(self._index or self._make_index(stop))
                if self._opening is not opening:  # left behind
                    return decoding
                self._decoding, self._movie = decoding, None
            self._index = decoding.index
            return decoding

    def _make_index(self, stop: _core.StopFlag) -> VideoIndex:
        movie = open_movie(self._source, self._track) if self._left_behind else self._movie
        index = movie.index() if movie else scan_index(self._spool, self._track, self._max_pixels, stop)
        return finished(index, self._spool, self._threads, self._max_pixels, stop)

    def _within(self, deadline: Deadline | None, function: Callable[[], Result]) -> Result:
        """Return the function's result, or raise DecodeTimeoutError at the deadline."""
        if deadline is None:
            return function()
        with self._stop_flags.call() as stop:
            task = self._task(function, stop)
            try:
                return task.result(deadline)
            finally:
                self._abandon(task)

    def _task(self, function: Callable[[], Result], stop: _core.StopFlag) -> Task[Result]:
        from hwang.timelimit import Task  # not always needed

        return Task(self._stop_flags.on_behalf_of(stop, function), stop.set)

    def _abandon(self, task: Task[Any]) -> None:
        """If the task still runs, never use again what it may hold."""
        if not task.is_left_behind:
            return
        if self._decoding is not None:
            self._decoding.page_pool.retire()
        self._left_behind = True
        self._opening = threading.Lock()
        self._decoding = None

    def _decoding_of(self, index: VideoIndex) -> Decoding:
        check_picture_size(index.width, index.height, self._max_pixels)
        return Decoding(index, self._spool, self._threads, self._counters)

    def _request(self, rows: Rows, keywords: Keywords) -> tuple[PictureLayout, Plan]:
        index = self.video_index
        return picture_layout((index.width, index.height), *keywords), make_plan(index, rows)

    def _answer(
        self, rows: Callable[[], Rows], keywords: Keywords, out: Arrays | None, deadline: Deadline | None
    ) -> Arrays:
        def work() -> Arrays:
            layout, plan = self._request(rows(), keywords)
            if out is not None:
                layout.check("out", out, len(plan.rows))
            return self._frames(plan, layout, None if deadline else out)

        frames = self._within(deadline, lambda: self._knowing_size(work))
        if deadline is None or out is None:
            return frames
        for into, plane in zip(planes_of(out), planes_of(frames), strict=True):
            into[...] = plane
        return out

    def _knowing_size(self, work: Callable[[], Result]) -> Result:
        """Return the function's result, called again if the size of the pictures is learnt by it."""
        try:
            return work()
        except UnsupportedMediaError as error:
            if "picture_size" not in error.detail or not self._learn_size():
                raise
            return work()

    def _learn_size(self) -> bool:
        """Adopt the size of the first picture: containers misstate it. Return whether it is news."""
        with self._stop_flags.call() as stop:
            decoding = self._opened()
            width, height = decoding.first_size(stop)
            if (width, height) == (decoding.index.width, decoding.index.height):
                return False
            self._index = replace(decoding.index, width=width, height=height)
            self._decoding = self._decoding_of(self._index)
            return True

    def _frames(self, plan: Plan, layout: PictureLayout, out: Arrays | None = None) -> Arrays:
        decoding = self._opened()
        if out is None:
            out = layout.empty(len(plan.rows), decoding.page_pool)
        with self._stop_flags.call() as stop:
            decoding.decode(plan, layout, out, stop)
        return out

    def _ahead(self, plan: Plan, parts: Iterator[tuple[slice, Arrays]]) -> Iterator[tuple[slice, Arrays]]:
        with self._opened().expect(plan):
            yield from parts

    def _parts(
        self, rows: Rows, keywords: Keywords, max_bytes: int, stop: _core.StopFlag
    ) -> Iterator[tuple[slice, Arrays]]:
        """Return parts of at most `max_bytes`, and at least a picture."""

        def begin() -> tuple[tuple[slice, Arrays] | None, Iterator[tuple[slice, Arrays]]]:
            layout, plan = self._request(rows, keywords)
            length = max(1, max_bytes // layout.picture_bytes)
            parts = self._ahead(plan, self._parts_of(plan, layout, length, stop))
            return next(parts, None), parts

        self._request(rows, keywords)  # mistakes show at once

        def all_parts() -> Iterator[tuple[slice, Arrays]]:
            first, others = self._knowing_size(begin)
            if first is not None:
                yield first
                yield from others

        return all_parts()

    def _parts_of(
        self, plan: Plan, layout: PictureLayout, length: int, stop: _core.StopFlag
    ) -> Iterator[tuple[slice, Arrays]]:
        """Parts of at most `length` pictures: short runs several at once, a long one as a stream."""
        decoding, done = self._opened(), 0
        for stop_position, is_stream in decoding.stretches(plan, length):
            if is_stream:
                stretch = make_plan(self.video_index, plan.rows[done:stop_position])
                for frames in decoding.stream(stretch, layout, length, stop):
                    count = len(frames.y if isinstance(frames, Planes) else frames)
                    yield slice(done, done + count), frames
                    done += count
            while done < stop_position:  # not a stream, or a frame came out of order
                part = slice(done, min(done + length, stop_position))
                yield part, self._frames(make_plan(self.video_index, plan.rows[part]), layout)
                done = part.stop


def _deadline(timeout: float | None) -> Deadline | None:
    if timeout is None:
        return None
    from hwang.timelimit import Deadline  # not always needed

    return Deadline(timeout)


def _in_this_thread(rows: Rows) -> Rows:
    """Return a list for an iterator: it must run in the caller's thread."""
    return list(rows) if isinstance(rows, Iterable) and not isinstance(rows, Sequence | np.ndarray) else rows
