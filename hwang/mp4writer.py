"""Mp4Writer: encode pictures to an MP4 of H.264."""

from __future__ import annotations

import fcntl
import operator
import os
import threading
from fractions import Fraction
from typing import Protocol, Self

import numpy as np
from numpy.typing import ArrayLike

from hwang import _core
from hwang.index import MAX_SAMPLES, UNKNOWN_COLOR, Color
from hwang.picture import MAX_SIDE, PictureLayout, Planes

MAX_FRAME_TICKS = 1 << 27
"""The most ticks that a frame may last, so that the sum of a few fits into the 32 bits of a composition offset."""

PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo")
"""x264's names of speeds: the slower, the smaller the file."""

_BEST_CRF, _WORST_CRF = 1, 51
_MAX_HZ, _MAX_SECONDS, _MAX_IN_FPS = 1000, 3600, 1_000_000


def can_encode() -> bool:
    """Return whether this build has the H.264 encoder that Mp4Writer needs: a build without it is under the LGPL."""
    return _core.can_encode


class FileWithDescriptor(Protocol):
    """A file object with a descriptor."""

    def fileno(self) -> int:
        """Return the descriptor."""


class Mp4Writer:
    """Writes an MP4 of H.264, picture by picture, in the memory of a few dozen.

    file: a file descriptor or a file object that has one, open for writing and not for appending. It may be closed
        once this object is made. The MP4 replaces the file's content, whatever its position.
    width, height: size of the pictures in pixels, even.
    frames: the most pictures that will be written; space for their index is reserved in front.
    fps: frames per second, a fraction; the rate is constant.
    durations, timescale: instead of fps, how long each picture is shown, in ticks of 1 / timescale seconds (whole
        numbers from 1 to 2^27, `frames` of them).
    crf: quality, from 1 (best) to 51. preset: one of PRESETS.
    color: color of the pictures, stored in the file; they are not converted.

    The index lies in front of the pictures, so that the file plays while it is loading. The same pictures and
    arguments make the same bytes, whatever the cores. Use it in a `with` statement, or call close(): only that
    completes the file. Methods may be called from several threads; one at a time does its work.

    Raises ValueError for arguments that make no sense, TypeError for a file without descriptor, OSError (with its
    errno) if the file cannot be written, UnsupportedMediaError if this build cannot encode, LimitExceededError for
    more than the machine's memory.
    """

    def __init__(
        self,
        file: int | FileWithDescriptor,
        width: int,
        height: int,
        *,
        frames: int,
        fps: tuple[int, int] = (25, 1),
        durations: ArrayLike | None = None,
        timescale: int = 90_000,
        crf: int = 20,
        preset: str = "veryfast",
        color: Color = UNKNOWN_COLOR,
    ) -> None:
        if preset not in PRESETS:
            raise ValueError(f"preset {preset!r} is not known; there are {', '.join(PRESETS)}")
        self._frames = _whole_number("frames", frames, 1, MAX_SAMPLES)
        self._layout = PictureLayout("yuv420p", *_even_size(width, height))
        begins: list[int] = []
        if durations is not None:
            fps, begins = _times(durations, self._frames, timescale)
        self._written = 0
        self._lock = threading.Lock()
        self._stop = _core.StopFlag()
        self._encoder: _core.Mp4Encoder | None = _core.Mp4Encoder(
            _descriptor(file),
            self._layout.width,
            self._layout.height,
            _rate(fps),
            self._frames,
            _whole_number("crf", crf, _BEST_CRF, _WORST_CRF),
            preset,
            _color(color),
            timescale,
            begins,
        )

    def write(self, pictures: Planes) -> None:
        """Append pictures: uint8 [N, H, W] and twice [N, H/2, W/2], as from Decoder.batches(pixel_format="yuv420p").

        Raises ValueError for arrays of another shape or dtype, for more pictures than announced, and after close();
        OSError if the file cannot be written, StoppedError after stop(). After an error other than ValueError the
        file cannot be completed.
        """
        with self._lock:
            if self._encoder is None:
                raise ValueError("the Mp4Writer is closed, or failed before")
            planes = self._planes(pictures)
            encoder, self._encoder = self._encoder, None  # an error leaves it so
            encoder.write(self._layout.bytes_of(planes), self._stop)
            self._encoder = encoder
            self._written += len(planes.y)

    def close(self) -> None:
        """Complete the file. Closing again does nothing, nor does closing after an error: the file stays unfinished.

        Raises OSError if the file cannot be written, StoppedError after stop(), ValueError if it has no picture.
        """
        with self._lock:
            encoder, self._encoder = self._encoder, None
            if encoder is None:
                return
            if not self._written:
                raise ValueError("no picture was written: an MP4 has at least one")
            encoder.finish(self._stop)

    def stop(self) -> None:
        """Stop the call in progress, from another thread: it raises StoppedError, and the file stays unfinished."""
        self._stop.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            with self._lock:
                self._encoder = None

    def _planes(self, pictures: Planes) -> Planes:
        if len(pictures) != len(self._layout.shapes):
            raise ValueError(f"pictures are {len(self._layout.shapes)} planes, Y, U and V, not {len(pictures)}")
        planes = Planes(*(np.asarray(plane) for plane in pictures))
        self._layout.check_shape("pictures", planes, len(planes.y) if planes.y.ndim else 0)
        if self._written + len(planes.y) > self._frames:
            raise ValueError(
                f"{self._written + len(planes.y)} pictures, but {self._frames} were announced: "
                "make the Mp4Writer with more frames"
            )
        return Planes(*map(np.ascontiguousarray, planes))


def _times(durations: ArrayLike, frames: int, timescale: int) -> tuple[tuple[int, int], list[int]]:
    """Return the mean rate, and when each picture begins and the last one ends, in ticks; nothing if the rate is exact.

    Raises ValueError.
    """
    timescale = _whole_number("timescale", timescale, 1, (1 << 31) - 1)
    ticks = np.asarray(durations)
    if ticks.shape != (frames,) or ticks.dtype.kind not in "iu":
        raise ValueError(f"durations must be {frames} whole numbers, not {ticks.dtype} of shape {ticks.shape}")
    if not 1 <= int(ticks.min()) <= int(ticks.max()) <= MAX_FRAME_TICKS:
        raise ValueError(f"durations must be from 1 to {MAX_FRAME_TICKS} ticks of 1/{timescale} s")
    mean = Fraction(frames * timescale, int(ticks.sum(dtype=np.int64)))
    if int(ticks.min()) == int(ticks.max()) and _is_rate(mean):
        return (mean.numerator, mean.denominator), []
    # the encoder's measure of how much a frame may differ from the one before
    mean = min(max(mean.limit_denominator(1001), Fraction(1, _MAX_SECONDS)), Fraction(_MAX_HZ))
    return (mean.numerator, mean.denominator), [0, *np.cumsum(ticks, dtype=np.int64).tolist()]


def _whole_number(name: str, value: int, least: int, most: int) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    if not least <= number <= most:
        raise ValueError(f"{name} must be a whole number from {least} to {most}, not {value!r}")
    return number


def _even_size(width: int, height: int) -> tuple[int, int]:
    size = _whole_number("width", width, 2, MAX_SIDE), _whole_number("height", height, 2, MAX_SIDE)
    even = tuple(length // 2 * 2 for length in size)
    if size != even:
        raise ValueError(
            f"pictures of {width}x{height} pixels: yuv420p in H.264 has whole pairs of rows and columns; "
            f"choose an even size, for example {even[0]}x{even[1]}"
        )
    return size


def _rate(fps: tuple[int, int]) -> tuple[int, int]:
    try:
        rate = Fraction(*map(operator.index, fps))
    except (TypeError, ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if not _is_rate(rate):
        raise ValueError(
            f"fps must be two whole numbers, such as (30000, 1001): a fraction from 1/{_MAX_SECONDS} to {_MAX_HZ}, of "
            f"numbers up to {_MAX_IN_FPS} when it is reduced, not {fps!r}: see Fraction.limit_denominator()"
        )
    return rate.numerator, rate.denominator


def _is_rate(rate: Fraction) -> bool:
    """True if it may be a constant rate."""
    return Fraction(1, _MAX_SECONDS) <= rate <= _MAX_HZ and max(rate.numerator, rate.denominator) <= _MAX_IN_FPS


def _color(color: Color) -> Color:
    try:
        primaries, transfer, matrix, color_range = map(operator.index, color)
    except (TypeError, ValueError):
        raise ValueError(f"color must be four whole numbers, as hwang.VideoIndex.color, not {color!r}") from None
    if not all(0 <= number < 256 for number in (primaries, transfer, matrix)) or not 0 <= color_range <= 2:
        raise ValueError(f"color {color!r}: primaries, transfer and matrix are from 0 to 255, the range from 0 to 2")
    if matrix == 0:
        raise ValueError(f"color {color!r}: matrix 0 is RGB, but the pictures are YUV; 2 is unknown")
    return primaries, transfer, matrix, color_range


def _descriptor(file: int | FileWithDescriptor) -> int:
    if not isinstance(file, int) and not hasattr(file, "fileno"):
        raise TypeError(f"file must be a file descriptor, or a file object that has one, not {type(file).__name__}")
    descriptor = file if isinstance(file, int) else file.fileno()
    if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_APPEND:
        raise ValueError("file is open for appending, but its beginning is written last: open it with mode 'wb'")
    return descriptor
