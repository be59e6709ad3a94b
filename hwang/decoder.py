"""Decoder: frames of a video by row, each group of pictures decoded once, by as many cores as there are."""

from __future__ import annotations

import enum
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from hwang import _core
from hwang.errors import CorruptFrameError, HwangError
from hwang.index import VideoIndex
from hwang.indexing import build_index, core_stream, core_table
from hwang.plan import REQUEST_COST_BYTES, Plan, Rows, Run, earlier_start, make_plan
from hwang.ranges import ByteRange, coalesce
from hwang.source import CountingSource, FileSource, Video, open_source
from hwang.spool import Spool

__all__ = ["Decoder", "DeviceType", "Stats", "index_video"]

_ALIGNMENT = 64  # bytes: the widest vector that the conversion writes
_EARLIER_STARTS = 3  # sync samples to go back when one turns out not to be a place to start from


class DeviceType(enum.Enum):
    """Where to decode. There is no GPU build."""

    CPU = 0
    GPU = 1


@dataclass(frozen=True, slots=True)
class Stats:
    """What a Decoder has done so far. Counts only grow."""

    bytes_read: int
    requests: int  # byte ranges read
    samples_decoded: int
    samples_skipped: int  # of the groups of pictures that were decoded, not needed and left out
    frames: int  # converted to RGB


def index_video(video: Video) -> VideoIndex:
    """Index a video without decoding it (unless its container leaves the order of the frames in doubt).

    Raises UnsupportedMediaError, EncryptedMediaError, CorruptMediaError, LimitExceededError, SourceError.
    """
    with Decoder(video) as decoder:
        return decoder.video_index


class Decoder:
    """Frames of one video.

    video: a path, bytes, a binary file object, or an object with `size` and `read_ranges`.
    video_index: what index_video() or VideoIndex.deserialize() gave; made from the video if absent or incomplete.
    threads: cores to use; by default all that this process may run on.

    Rows are 0-based positions in presentation order: the frames that the ffmpeg tool shows, in its order.
    Raises UnsupportedMediaError, EncryptedMediaError, CorruptMediaError, LimitExceededError, SourceError.
    """

    def __init__(
        self,
        video: Video,
        video_index: VideoIndex | None = None,
        device_type: DeviceType = DeviceType.CPU,
        device_id: int = 0,
        *,
        threads: int | None = None,
    ) -> None:
        if device_type is not DeviceType.CPU:
            raise HwangError(
                f"device {device_type.name} {device_id}: this build decodes on the CPU; use DeviceType.CPU"
            )
        self._threads = threads or len(os.sched_getaffinity(0))
        self._source = CountingSource(open_source(video))
        self._spool = Spool(self._source)
        self._samples_decoded = self._samples_skipped = self._frames = 0
        try:
            complete = video_index is not None and video_index.complete
            self.video_index: VideoIndex = (
                video_index if complete and video_index else build_index(self._source, self._spool, self._threads)
            )
            self._stream_parameters = core_stream(self.video_index)
            self._table = core_table(self.video_index)
        except BaseException:
            self.close()
            raise

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.video_index)

    @property
    def stats(self) -> Stats:
        return Stats(
            self._source.bytes_read, self._source.requests, self._samples_decoded, self._samples_skipped, self._frames
        )

    def retrieve(self, rows: Rows) -> list[NDArray[np.uint8]]:
        """Frames as a list of uint8 [H, W, 3] RGB, one for each of `rows`; otherwise like frames()."""
        return list(self.frames(rows))

    def frames(self, rows: Rows) -> NDArray[np.uint8]:
        """uint8 [N, H, W, 3] RGB, C-contiguous, owned by the caller: one frame for each of `rows`.

        Rows come in any order, duplicates are kept, each is decoded once.
        Raises FrameIndexError for a row outside [0, len), CorruptFrameError (with `.rows`) if some cannot be decoded
        exactly, SourceError if the bytes cannot be read.
        """
        plan = make_plan(self.video_index, rows)
        out = self._empty(len(plan.rows))
        samples, first, inverse = np.unique(plan.sample_of_position, return_index=True, return_inverse=True)
        self._decode(plan, out, samples, first)
        for position in np.flatnonzero(first[inverse] != np.arange(len(plan.rows))):
            out[position] = out[first[inverse[position]]]
        return out

    def batches(self, rows: Rows, max_bytes: int = 8 << 20) -> Iterator[tuple[slice, NDArray[np.uint8]]]:
        """Consecutive parts of frames(rows): (positions in `rows`, uint8 [n, H, W, 3]), n > 0, of about `max_bytes`.

        For requests longer than memory. Ascending rows are decoded once, and the next part is decoded while the
        caller works on this one. An array is valid until the next part is asked for.
        Raises like frames(); a CorruptFrameError may come after parts that hold rows it names.
        """
        plan = make_plan(self.video_index, rows)
        length = max(1, max_bytes // max(1, self.video_index.width * self.video_index.height * 3))
        in_stream_order = self._is_in_stream_order(plan)
        done = 0
        while done < len(plan.rows):
            if in_stream_order:
                for frames in self._stream(make_plan(self.video_index, plan.rows[done:]) if done else plan, length):
                    yield slice(done, done + len(frames)), frames
                    done += len(frames)
            if done < len(plan.rows):  # in another order, or where a frame did not come in its turn
                part = slice(done, min(done + length, len(plan.rows)))
                yield part, self.frames(plan.rows[part])
                done = part.stop

    def close(self) -> None:
        """Release the files this object opened; the caller's own stay open."""
        self._spool.close()
        if isinstance(self._source.source, FileSource):
            self._source.source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _empty(self, count: int) -> NDArray[np.uint8]:
        index = self.video_index
        shape = (count, index.height, index.width, 3)
        memory = np.empty(int(np.prod(shape, dtype=np.int64)) + _ALIGNMENT, np.uint8)
        start = -memory.ctypes.data % _ALIGNMENT
        return memory[start : len(memory) - _ALIGNMENT + start].reshape(shape)

    def _bytes(self, plan_ranges: tuple[ByteRange, ...]) -> _core.Bytes:
        return self._spool.ranges(plan_ranges) if self.video_index.byte_addressable else self._spool.whole()

    def _ranges(self, runs: tuple[Run, ...]) -> tuple[ByteRange, ...]:
        samples = np.unique(np.concatenate([run.samples for run in runs]))
        index = self.video_index
        return coalesce(index.sample_offset[samples], index.sample_size[samples], REQUEST_COST_BYTES)

    def _count(self, report: _core.Report, runs: tuple[Run, ...]) -> None:
        spanned = sum(int(run.wanted[-1]) - int(run.samples[0]) + 1 for run in runs)
        self._samples_decoded += report[1]
        self._samples_skipped += max(0, spanned - report[1])
        self._frames += report[2]

    def _decode(self, plan: Plan, out: NDArray[np.uint8], samples: NDArray[np.uint32], slots: NDArray[np.intp]) -> None:
        """Decode `samples` (ascending) into their slots of `out`; again from earlier where that failed."""
        runs = plan.runs
        for _ in range(1 + _EARLIER_STARTS):
            core_runs = [
                _core.Run(run.samples, run.wanted, slots[np.searchsorted(samples, run.wanted)].astype(np.int64))
                for run in runs
            ]
            ranges = plan.ranges if runs is plan.runs else self._ranges(runs)
            report = _core.decode_runs(
                self._stream_parameters, self._table, self._bytes(ranges), core_runs, out, self._threads
            )
            self._count(report, runs)
            failed = np.sort(report[0])
            if not len(failed):
                return
            again = [replace(run, wanted=run.wanted[np.isin(run.wanted, failed)]) for run in runs]
            earlier = [earlier_start(self.video_index, run) for run in again if len(run.wanted)]
            runs = tuple(run for run in earlier if run is not None)
            if len(runs) < len(earlier):
                break  # one started at sample 0 already
        raise self._corrupt(plan, failed)

    def _corrupt(self, plan: Plan, failed: NDArray[np.uint32]) -> CorruptFrameError:
        rows = np.unique(plan.rows[np.isin(plan.sample_of_position, failed)]).tolist()
        named = ", ".join(map(str, rows[:8])) + (", …" if len(rows) > 8 else "")
        return CorruptFrameError(
            f"{len(rows)} of the frames asked for cannot be decoded exactly (rows {named}): "
            "the video is damaged or truncated there; ask for other rows, or repair the file",
            rows,
        )

    def _is_in_stream_order(self, plan: Plan) -> bool:
        """Whether decoding the runs one after another gives the positions of `rows` in their order."""
        pts = self.video_index.pts
        shown = [run.wanted[np.argsort(pts[run.wanted], kind="stable")] for run in plan.runs]
        return bool(shown) and np.array_equal(np.concatenate(shown), plan.sample_of_position)

    def _stream(self, plan: Plan, length: int) -> Iterator[NDArray[np.uint8]]:
        """The frames of `plan`, at most `length` at a time, decoded ahead of the caller.

        Ends early where a frame does not come in its turn. Arrays are used again for the part after the next.
        """
        runs = [_core.Run(run.samples, run.wanted, np.zeros(len(run.wanted), np.int64)) for run in plan.runs]
        pictures = _core.PictureStream(
            self._stream_parameters, self._table, self._bytes(plan.ranges), runs, self._threads
        )
        buffers = [self._empty(min(length, len(plan.rows))) for _ in range(2)]
        done, turn = 0, 0
        with ThreadPoolExecutor(1) as ahead:
            pending = ahead.submit(pictures.read, buffers[turn])
            while done < len(plan.rows):
                samples = pending.result()
                if not len(samples) or not np.array_equal(samples, plan.sample_of_position[done : done + len(samples)]):
                    break
                frames = buffers[turn][: len(samples)]
                turn = 1 - turn
                pending = ahead.submit(pictures.read, buffers[turn])
                yield frames
                done += len(samples)
            pending.result()
        report = pictures.report()
        self._count(report, plan.runs)
        suspect = report[0][np.isin(report[0], plan.sample_of_position[:done])]
        if len(suspect):
            raise self._corrupt(plan, suspect)
