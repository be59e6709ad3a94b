"""Decoder: frames of a video by row; each group of pictures is decoded once, on all cores."""

from __future__ import annotations

import enum
import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self, SupportsIndex, Unpack, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hwang.errors import HwangError, SourceError
from hwang.index import VideoIndex, rate_of
from hwang.picture import PixelFormat, Planes
from hwang.plan import Plan, make_plan
from hwang.request import FrameOptions, Request, Requests, SizeOptions, TimedFrames, one_of, request_of
from hwang.rows import subscripted
from hwang.selections import Between, Times
from hwang.session import AnyRows, Rate, Session, Stats, deadline_of
from hwang.sources.local import VideoInput

if TYPE_CHECKING:
    from hwang.metadata import VideoMetadata

MAX_PIXELS = 8192 * 8192
"""Default limit of a Decoder: larger pictures are refused."""

ByteFormat = Literal["rgb24", "bgr24", "gray8"]


class DeviceType(enum.Enum):
    """Devices to decode on. There is no GPU build."""

    CPU = 0
    GPU = 1


def index_video(video: VideoInput, *, fps: Rate | None = None, timeout: float | None = None) -> VideoIndex:
    """Index a video without decoding it (unless its container does not determine the order of the frames).

    fps: frames per second of a raw stream, as for Decoder.
    timeout: seconds after which it raises DecodeTimeoutError.
    Raises UnsupportedMediaError, EncryptedMediaError, CorruptMediaError, LimitExceededError, SourceError.
    """
    deadline = deadline_of(timeout)
    with Decoder(video, fps=fps, timeout=timeout) as decoder:
        return decoder._session.within(deadline, lambda: decoder.video_index)  # a fragmented one is completed here


class Decoder:
    """Frames of one video.

    video: a path, bytes, a binary file object, or an object with `size` and `read_ranges`.
    video_index: from index_video() or VideoIndex.deserialize(); made from the video if absent or incomplete.
    threads: number of cores to use; by default all that this process may run on.
    track: id of the video track of an MP4 or MOV; by default the first one.
    max_pixels: larger pictures raise LimitExceededError before memory is taken for one.
    fps: frames per second of a raw stream, which states no times: a number, or (numerator, denominator). Without it
        rows work, and a request by time raises ClockError, as does an fps for other videos.
    timeout: seconds that opening may take.

    Rows are 0-based positions in presentation order: the frames that the ffmpeg tool shows, in its order. They come in
    any order, duplicates are kept, each is decoded once; or they are a selection, such as hwang.every(2.0). Methods may
    be called from several threads at once. A Decoder of a path, an address or bytes pickles and copies: the video is
    opened again, with this index.
    Raises UnsupportedMediaError, EncryptedMediaError, CorruptMediaError, LimitExceededError, SourceError.

    decoder[5] is one frame, uint8 [H, W, 3] RGB, decoder[-1] the last one; decoder[10:20:2], decoder[mask] and
    decoder[[1, -1]] are arrays [N, H, W, 3]. Iterating yields frame after frame in the memory of a few.

    Methods that return frames take these keywords:

    pixel_format: "rgb24", "bgr24": uint8 [N, H, W, 3]; "gray8": uint8 [N, H, W]; "rgb48": uint16 [N, H, W, 3];
        "yuv420p": Planes, with the matrix and range of the video.
    width, height: size in pixels; one alone keeps the aspect ratio. max_side: shrink larger pictures to it.
    rotate: turn frames upright by the rotation that the container states; sizes are then those of the turned frame.
    layout: "NCHW" for [N, 3, H, W] ([N, 1, H, W] for gray8), not for yuv420p.
    with_times: return TimedFrames: (frames, rows, seconds, durations).
    timeout: seconds after which the call raises DecodeTimeoutError (within 50 ms), even if a codec loops or the source
        does not answer; for iterators, seconds for each step. The Decoder can be used again. By default no limit.

    Returned arrays are C-contiguous and belong to the caller; their memory is used again once the caller releases it.
    """

    _metadata: VideoMetadata | None = None
    __contains__ = None  # `frame in decoder` would decode the whole video

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
        fps: Rate | None = None,
        timeout: float | None = None,
    ) -> None:
        deadline = deadline_of(timeout)
        if device_type is not DeviceType.CPU:
            raise HwangError(
                f"device {device_type.name} {device_id}: this build decodes on the CPU; use DeviceType.CPU"
            )
        if fps is not None:
            rate_of(fps)
        self._options = {"threads": threads, "track": track, "max_pixels": max_pixels}
        self._video = _as_found_again(video)
        self._session = session = Session(video, threads, track, max_pixels)
        try:
            session.within(deadline, lambda: session.open(video_index, fps))
        except BaseException:
            self.close()
            raise

    def __repr__(self) -> str:
        session: Session | None = getattr(self, "_session", None)  # absent if __init__ raised
        index = session and session.known_index
        facts = []
        if index:
            rate = "no clock" if index.clockless else f"{index.fps():.6g} fps"
            facts = [f"{index.codec} {index.width}x{index.height}, {len(index)} rows, {rate}, {index.container}"]
        elif session and not session.closed:
            facts = ["not indexed yet"]
        if session is None or session.closed:
            facts.append("closed")
        return f"<hwang.{type(self).__name__}: {', '.join(facts)}>"

    def __reduce__(self) -> tuple[Callable[..., Decoder], tuple[Any, ...]]:
        """Pickle and copy by opening the video again. Raises TypeError if only the caller can do that."""
        session = self._session
        if session.closed:
            raise SourceError("the decoder is closed; open the video again")
        if self._video is None:
            raise TypeError(
                "this Decoder can be neither pickled nor copied: only one of a path, an address or bytes can, as those "
                "can be opened again; pass the video itself, and its `video_index`"
            )
        return _open_again, (type(self), self._video, session.known_index, self._options)

    @property
    def video_index(self) -> VideoIndex:
        """The index. A fragmented MP4 is indexed when this is first needed; the index remains after close()."""
        return self._session.index

    @property
    def metadata(self) -> VideoMetadata:
        """Facts about the video. The first use decodes a picture, for those that no container states.

        Raises CorruptMediaError if none of the first can be decoded, SourceError after close().
        """
        if self._metadata is None:
            self._metadata = self._session.metadata()
        return self._metadata

    @property
    def stats(self) -> Stats:
        """Counts of the work done so far."""
        return self._session.stats

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.video_index)

    def __getitem__(self, key: SupportsIndex | slice | ArrayLike) -> NDArray[np.uint8]:
        """Return a frame, uint8 [H, W, 3] RGB, or several, [N, H, W, 3]: of a slice, a mask [len], or integers.

        Negative integers count from the end. Raises IndexError outside the video, TypeError for other keys.
        """
        rows = subscripted(key, len(self))
        return self.frames([rows])[0] if isinstance(rows, int) else self.frames(rows)

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        """Yield all frames, like iter_frames()."""
        return self.iter_frames(range(len(self)))

    def __reversed__(self) -> Iterator[NDArray[np.uint8]]:
        """Yield all frames, the last one first."""
        return self.iter_frames(range(len(self) - 1, -1, -1))

    def keyframes(self) -> NDArray[np.int64]:
        """Return the rows that show a sync sample, int64 [K], ascending: the cheapest to decode."""
        return np.flatnonzero(self.video_index.sync[self.video_index.order])

    def plan(self, rows: AnyRows) -> Plan:
        """Return what frames(rows) would read and decode, without I/O. Raises FrameIndexError, TypeError."""
        return make_plan(self.video_index, rows)

    def retrieve(self, rows: AnyRows, *, timeout: float | None = None) -> list[NDArray[np.uint8]]:
        """Return a list of frames, uint8 [H, W, 3] RGB, one for each of `rows`; otherwise like frames()."""
        return list(self.frames(rows, timeout=timeout))

    @overload
    def frames(
        self,
        rows: AnyRows,
        *,
        with_times: Literal[True],
        pixel_format: PixelFormat = ...,
        out: Any = ...,
        **options: Unpack[SizeOptions],
    ) -> TimedFrames: ...
    @overload
    def frames(
        self, rows: AnyRows, *, pixel_format: ByteFormat = ..., out: None = ..., **options: Unpack[SizeOptions]
    ) -> NDArray[np.uint8]: ...
    @overload
    def frames(
        self, rows: AnyRows, *, pixel_format: Literal["rgb48"], out: None = ..., **options: Unpack[SizeOptions]
    ) -> NDArray[np.uint16]: ...
    @overload
    def frames(
        self, rows: AnyRows, *, pixel_format: Literal["yuv420p"], out: None = ..., **options: Unpack[SizeOptions]
    ) -> Planes: ...
    @overload
    def frames(self, rows: AnyRows, *, out: Any = ..., **options: Unpack[FrameOptions]) -> Any: ...
    def frames(self, rows: AnyRows, *, out: Any = None, **options: Unpack[FrameOptions]) -> Any:
        """Return one frame for each of `rows`, in one array: by default uint8 [N, H, W, 3] RGB.

        out: memory to fill and return instead of new arrays, of the shape and dtype that would be returned: numpy
            arrays, or anything with the buffer protocol or DLPack, such as a pinned torch tensor. With a timeout it is
            filled at the end, by a copy: nothing is written to it after DecodeTimeoutError.
        Raises FrameIndexError for a row outside [0, len), CorruptFrameError (with `.rows`) if some cannot be decoded
        exactly, SourceError if the bytes cannot be read, LimitExceededError for more than the machine's memory,
        StoppedError after stop(), DecodeTimeoutError, ValueError for keywords that make no sense.
        """
        request, timeout = request_of(options)
        return self._session.answer(rows, request, out, deadline_of(timeout))

    def frames_at(self, seconds: ArrayLike, *, out: Any = None, **options: Unpack[FrameOptions]) -> Any:
        """Return the frames on display at `seconds` (one number or several), like frames().

        Raises FrameIndexError for a time at which no frame is on display, ClockError for a raw stream; otherwise
        like frames().
        """
        return self.frames(Times(seconds), out=out, **options)

    def frames_between(
        self,
        start_seconds: float,
        stop_seconds: float | None,
        fps: float | None = None,
        *,
        out: Any = None,
        **options: Unpack[FrameOptions],
    ) -> Any:
        """Return the frames on display from `start_seconds` until before `stop_seconds` (None: the end), like frames().

        fps: instead of each once, the frames on display at start, start + 1 / fps, ... before stop.
        Raises like frames_at(), and ValueError if stop comes before start.
        """
        return self.frames(Between(start_seconds, stop_seconds, fps), out=out, **options)

    def iter_frames(self, rows: AnyRows, **options: Unpack[FrameOptions]) -> Iterator[Any]:
        """Yield the frames of `rows` one by one, in their order, in the memory of a few: arrays like frames()[i].

        An array is part of a larger one: copy those that you keep for long. Otherwise like batches().
        """
        batches = self.batches(rows, **options)
        return (one_of(answer, position) for part, answer in batches for position in range(part.stop - part.start))

    def batches(
        self, rows: AnyRows, max_bytes: int = 16 << 20, **options: Unpack[FrameOptions]
    ) -> Iterator[tuple[slice, Any]]:
        """Yield consecutive parts of frames(rows): (positions in `rows`, frames), of about `max_bytes` each.

        For requests longer than memory. Ascending rows are decoded once, and the next part is decoded while the
        caller works on this one. Raises like frames(); a CorruptFrameError may come after parts with rows it names.
        """
        return self._session.batches(rows, max_bytes, *request_of(options))

    def batches_in(
        self, forms: Sequence[FrameOptions], rows: AnyRows, max_bytes: int = 16 << 20, *, timeout: float | None = None
    ) -> Iterator[tuple[slice, list[Any]]]:
        """Yield consecutive parts of `rows` in several forms: (positions in `rows`, frames in each form).

        forms: keywords of each, without a timeout, such as [{"max_side": 640}, {"pixel_format": "yuv420p"}]: the frames
            are those of batches() with these keywords, and are decoded once. `max_bytes` counts all forms together.
        Raises like batches(), and ValueError without a form.
        """
        keywords: Sequence[Any] = forms
        requests = Requests(tuple(Request(**form) for form in keywords))
        if not requests.requests:
            raise ValueError("forms must have the keywords of at least one form")
        return self._session.batches(rows, max_bytes, requests, timeout)

    def stop(self) -> None:
        """Stop all calls in progress, from another thread: they raise StoppedError. Later calls work."""
        self._session.stop_flags.set()

    def close(self) -> None:
        """Release decoders, their threads and memory, and files opened by this object; the caller's stay open."""
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _as_found_again(video: VideoInput) -> str | bytes | None:
    """Return what opens the video in another process as well; None if nothing does."""
    if isinstance(video, str | os.PathLike):
        address = os.fsdecode(video)
        return address if "://" in address else os.path.abspath(address)  # noqa: PTH100 - pathlib is slow to import
    return video if isinstance(video, bytes) else None


def _open_again(kind: type[Decoder], video: str | bytes, index: VideoIndex | None, options: dict[str, Any]) -> Decoder:
    return kind(video, index, **options)
