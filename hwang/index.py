"""VideoIndex: the sample table of a video, the same for every container."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields, replace
from typing import BinaryIO

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hwang import wire
from hwang.errors import ClockError, CorruptMediaError, LimitExceededError
from hwang.parameters import annexb_parameter_sets
from hwang.ranges import ByteRange, coalesce
from hwang.timeline import rows_on_display, times_of

MAX_SAMPLES = 1 << 24
"""Limit of an index: 77 hours at 60 frames per second."""

MAX_REORDER = 16
"""Limit of the pictures that a decoder holds back."""

Color = tuple[int, int, int, int]
"""FFmpeg's numbers of primaries, transfer and matrix (ITU-T H.273; 2: unspecified) and range (1 limited, 2 full)."""

UNKNOWN_COLOR: Color = (2, 2, 2, 0)

Cropping = tuple[int, int, int, int]
"""Pixels to cut off a decoded picture, left, top, right and bottom."""

NO_CROPPING: Cropping = (0, 0, 0, 0)

Transport = tuple[int, int, int, int]
"""Bytes from one packet of MPEG-TS to the next, place of the first one modulo these, PID, end of the last sample."""

NO_TRANSPORT: Transport = (0, 0, 0, 0)

BytesFrom = tuple[tuple[int, bytes], ...]
"""Bytes and the first sample for which they hold, ascending."""

ONE_PICTURE_A_SAMPLE = frozenset(["h264", "hevc", "vvc", "mpeg4", "mpeg2video", "mpeg1video"])
"""Codecs with which a sample that the container calls disposable is skipped. In others (AV1, VP9) a sample may carry,
beside the picture it shows, a hidden one that others need; encoders flag such samples all the same."""

INTRA_ONLY = frozenset(
    ["mjpeg", "mjpegb", "png", "prores", "dnxhd", "dvvideo", "rawvideo", "huffyuv", "ffvhuff", "utvideo"]
)
"""Codecs of which no picture depends on another."""

SCANNED_AS_STREAM = frozenset(["matroska", "mpegts"])
"""Containers that are read once for their index, without being stored; others but MP4 and MOV are stored for it."""

_ARRAYS: dict[str, type[np.generic]] = {
    "sample_offset": np.uint64,
    "sample_size": np.uint32,
    "pts": np.int64,
    "dts": np.int64,
    "sync": np.bool_,
    "disposable": np.bool_,
    "order": np.uint32,
    "row_pts": np.int64,
}

_BOUNDS: dict[str, tuple[int, ...]] = {  # of the numbers, exclusive
    "width": (1 << 31,),
    "height": (1 << 31,),
    "codec_tag": (1 << 32,),
    "reorder": (MAX_REORDER + 1,),
    "bits_per_coded_sample": (1 << 16,),
    "field_order": (6,),
    "color": (257, 257, 257, 3),  # 256 is FFmpeg's first number of its own
    "cropping": (1 << 31,) * 4,
    "coded_size": (1 << 31,) * 2,
    "time_base": (1 << 31,) * 2,
    "sample_aspect_ratio": (1 << 32,) * 2,
    "transport": (205, 205, 1 << 13, 1 << 62),
}


def rate_of(fps: float | tuple[int, int]) -> tuple[int, int]:
    """Return frames per second as (numerator, denominator), reduced, below 2^31. Raises ValueError."""
    from fractions import Fraction  # late: it is rarely needed

    try:
        rate = Fraction(*fps) if isinstance(fps, tuple) else Fraction(fps).limit_denominator(1001)
    except (TypeError, ValueError, OverflowError, ZeroDivisionError):
        rate = Fraction(0)
    if not 0 < rate < 1 << 31 or rate.denominator >= 1 << 31:
        raise ValueError(f"fps must be frames per second, such as 25 or (30000, 1001), not {fps!r}")
    return rate.numerator, rate.denominator


def check_sample_count(count: int) -> int:
    """Return `count`, or raise LimitExceededError before anyone allocates that many."""
    if count > MAX_SAMPLES:
        raise LimitExceededError(f"{count} samples; at most {MAX_SAMPLES} are indexed: split the video")
    return count


def presentation_order(pts: NDArray[np.int64], shown: NDArray[np.bool_] | None = None) -> NDArray[np.uint32]:
    """Return sample numbers by pts, equal ones in decode order; only those `shown`, if given."""
    if shown is None:
        return np.argsort(pts, kind="stable").astype(np.uint32)
    samples = np.flatnonzero(shown)
    return samples[np.argsort(pts[samples], kind="stable")].astype(np.uint32)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class VideoIndex:
    """Position and times of each coded sample, and the sample that each row shows.

    A *sample* is one packet, numbered 0..S-1 in decode order. A *row* is one displayed frame, numbered 0..N-1 in
    presentation order. N differs from S if an edit list hides samples or shows them again. Times are integer
    ticks of `time_base` seconds. All arrays are read-only. The object pickles and is safe to share between threads.

    Raises CorruptMediaError on construction if the columns contradict each other.
    """

    sample_offset: NDArray[np.uint64]  # [S] first byte in the file
    sample_size: NDArray[np.uint32]  # [S] bytes
    pts: NDArray[np.int64]  # [S] ticks on the media's own timeline, before edit lists
    dts: NDArray[np.int64]  # [S] ticks on the same timeline
    sync: NDArray[np.bool_]  # [S] decoding can start here
    disposable: NDArray[np.bool_]  # [S] according to the container, no other sample refers to this one
    order: NDArray[np.uint32]  # [N] row -> sample
    row_pts: NDArray[np.int64]  # [N] ticks at which the row is displayed, after edit lists
    width: int  # pixels, after cropping, before rotation
    height: int
    time_base: tuple[int, int]  # (numerator, denominator) seconds per tick
    duration_ticks: int
    container: str  # "mov", "matroska", "mpegts", ...
    codec: str  # FFmpeg's name of the codec: "h264", "hevc", ...
    codec_tag: int = 0  # fourcc, little-endian
    extradata: bytes = field(default=b"", repr=False)  # as in FFmpeg's codecpar
    rotation: int = 0  # degrees clockwise to turn the frames by for display: 0, 90, 180, 270
    byte_addressable: bool = True  # a sample is exactly the bytes [offset, offset + size) of the file
    transport: Transport = NO_TRANSPORT  # if not: a sample lies in packets of MPEG-TS, up to the next one's offset
    separate_fields: bool = False  # the two fields of a frame are samples of their own; the second shows no row
    track_id: int = 0
    color: Color = UNKNOWN_COLOR  # according to the container; the coded video takes precedence
    reorder: int = 0  # pictures that the decoder holds back to order them, if the container states it
    field_order: int = 0  # FFmpeg's number of the order of fields, according to the container; 0 if not stated
    bits_per_coded_sample: int = 0  # depth according to the container, 0 if not stated
    cropping: Cropping = NO_CROPPING  # according to the container
    coded_size: tuple[int, int] = (0, 0)  # (width, height) before cropping; zeros: the same as after
    configurations: BytesFrom = field(default=(), repr=False)  # extradata of later samples, where it changes
    parameter_sets: BytesFrom = field(default=(), repr=False)  # in force from samples at which they change in band
    sets_unknown: bool = False  # samples may have parameter sets of their own, and nobody has looked yet
    sample_aspect_ratio: tuple[int, int] = (0, 1)  # width and height of a pixel; 0 if the container does not state it
    clockless: bool = False  # the video, a raw stream, states no times: ticks only order the rows
    complete: bool = True  # False for an index written by another program, without timestamps: index the file again

    def __post_init__(self) -> None:
        for name, dtype in _ARRAYS.items():
            column: NDArray[np.generic] = np.ascontiguousarray(getattr(self, name)).astype(dtype, copy=False).view()
            column.flags.writeable = False
            object.__setattr__(self, name, column)
        self.validate()

    def __setstate__(self, state: list[object]) -> None:
        for item, value in zip(fields(self), state, strict=True):
            object.__setattr__(self, item.name, value)
        self.__post_init__()

    def __getstate__(self) -> list[object]:
        return [getattr(self, item.name) for item in fields(self)]

    def validate(self) -> None:
        """Raise CorruptMediaError (LimitExceededError if merely too long) unless the table is consistent."""
        samples, rows = check_sample_count(len(self.sample_offset)), len(self.order)
        check_sample_count(rows)
        for name in _ARRAYS:
            column = getattr(self, name)
            expected = rows if name in ("order", "row_pts") else samples
            if column.shape != (expected,):
                raise CorruptMediaError(f"index: {name} has shape {column.shape}, expected ({expected},)")
        if rows and int(self.order.max()) >= samples:
            raise CorruptMediaError(f"index: a row shows sample {int(self.order.max())} of {samples}")
        if samples and int(self.sample_offset.max()) >= 1 << 62:
            raise CorruptMediaError("index: a sample lies beyond 2^62 bytes; the sample table is damaged")
        for name, limits in _BOUNDS.items():
            value = getattr(self, name)
            numbers = value if isinstance(value, tuple) else (value,)
            inside = (0 <= number < limit for number, limit in zip(numbers, limits, strict=False))
            if len(numbers) != len(limits) or not all(inside):
                raise CorruptMediaError(f"index: impossible {name} {value}")
        for changes in (self.configurations, self.parameter_sets):
            starts = [start for start, _ in changes]
            if starts != sorted(set(starts)) or (starts and not 0 <= starts[0] <= starts[-1] <= samples):
                raise CorruptMediaError("index: parameter sets of samples that do not exist")
        if not all(self.time_base) or self.rotation not in (0, 90, 180, 270):
            raise CorruptMediaError(f"index: impossible time base {self.time_base} or rotation {self.rotation}")
        stride, phase, _, end = self.transport
        ascending = not stride or (np.append(self.sample_offset[1:], np.uint64(end)) > self.sample_offset).all()
        if stride not in (0, 188, 192, 204) or phase > stride or not ascending:
            raise CorruptMediaError(f"index: impossible packets of MPEG-TS {self.transport}")

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.order)

    @property
    def samples(self) -> int:
        """Number of samples, S."""
        return len(self.sample_offset)

    @property
    def ranged(self) -> bool:
        """True if samples can be read by byte ranges; else the file is read from end to end for each request."""
        return self.byte_addressable or bool(self.transport[0])

    @property
    def end(self) -> int:
        """Place behind the last byte of a sample in the file, if samples can be read by byte ranges."""
        ends = self.sample_offset.astype(np.int64) + self.sample_size
        return max(self.transport[3], int(ends.max(initial=0)))

    def byte_ranges(self, samples: NDArray[np.uint32], gap: int) -> tuple[ByteRange, ...]:
        """Return few ranges of the file that hold these samples, ascending and disjoint, joined over gaps of `gap`."""
        offsets = self.sample_offset[samples]
        if not self.transport[0]:
            return coalesce(offsets, self.sample_size[samples], gap)
        ends = np.append(self.sample_offset[1:], np.uint64(self.transport[3]))[samples]
        return coalesce(offsets, ends - offsets, gap)

    def timestamps(self) -> NDArray[np.float64]:
        """Return the seconds at which each row is displayed, float64 [N], on the timeline after edit lists.

        NaN for a raw stream, which states no times: see at_rate().
        """
        if self.clockless:
            return np.full(len(self), np.nan)
        numerator, denominator = self.time_base
        return self.row_pts.astype(np.float64) * (numerator / denominator)

    def rows_at(self, seconds: ArrayLike) -> NDArray[np.int64]:
        """int64 [n]: the row on display at each of `seconds`, a number or several: the last one that began by then.

        Times are taken with a tolerance of a microsecond; the last row is on display for one mean frame interval.
        Raises FrameIndexError for a time before the first row or behind the last, ClockError for a raw stream.
        """
        return rows_on_display(times_of(seconds), self)

    def at_rate(self, fps: float | tuple[int, int]) -> VideoIndex:
        """Return the index of a raw stream with times: row i appears at i / fps seconds.

        fps: frames per second, a number or (numerator, denominator).
        Raises ClockError if the video states times of its own, ValueError for an fps that is no rate.
        """
        if not self.clockless:
            raise ClockError(f"fps= is for raw streams; this video ({self.container}) states times of its own")
        numerator, denominator = rate_of(fps)
        rows = np.arange(len(self))
        clock = (denominator, numerator)
        return replace(self, clockless=False, time_base=clock, row_pts=rows, duration_ticks=len(self))

    # The names below are those of scanner-research/hwang, so that scripts written for it run.

    def timescale(self) -> int:
        """Units per second in which duration() counts."""
        return self.time_base[1]

    def duration(self) -> int:
        """Length in units of 1 / timescale() seconds."""
        return self.duration_ticks * self.time_base[0]

    def fps(self) -> float:
        """Mean frames per second; 0.0 if the duration is unknown."""
        duration = self.duration()
        return len(self) * self.timescale() / duration if duration > 0 else 0.0

    def frame_width(self) -> int:
        """Width in pixels, as stored."""
        return self.width

    def frame_height(self) -> int:
        """Height in pixels, as stored."""
        return self.height

    def format(self) -> str:
        """Name of the codec, such as "h264"."""
        return self.codec

    def frames(self) -> int:
        """Number of rows, under upstream's name for it; the same as len()."""
        return len(self)

    def sample_offsets(self) -> list[int]:
        """Byte offset of each sample, in decode order; a new list."""
        offsets: list[int] = self.sample_offset.tolist()
        return offsets

    def sample_sizes(self) -> list[int]:
        """Bytes of each sample, in decode order; a new list."""
        sizes: list[int] = self.sample_size.tolist()
        return sizes

    def keyframe_indices(self) -> list[int]:
        """Sample numbers (decode order) of the sync samples, ascending; a new list."""
        keys: list[int] = np.flatnonzero(self.sync).tolist()
        return keys

    def metadata_bytes(self) -> bytes:
        """Data that a decoder needs first: H.264 and HEVC parameter sets with start codes, otherwise extradata."""
        return annexb_parameter_sets(self.codec, self.extradata)

    def serialize(self) -> bytes:
        """Return the index as a protobuf message hwang.proto.VideoIndex, which upstream reads too."""
        return wire.encode({item.name: getattr(self, item.name) for item in fields(self)}, self.metadata_bytes())

    @classmethod
    def deserialize(cls, data: bytes | bytearray | memoryview) -> VideoIndex:
        """Inverse of serialize(). An index that another program wrote comes back with `complete` False.

        Raises CorruptMediaError if `data` is not an index, LimitExceededError if it has too many samples.
        """
        return cls(**wire.decode(bytes(data)))

    @classmethod
    def from_file(cls, file: str | os.PathLike[str] | BinaryIO) -> VideoIndex:
        """Read a serialized index from a path or a binary file object."""
        from pathlib import Path  # late: it takes longer to import than this package

        data = Path(file).read_bytes() if isinstance(file, str | os.PathLike) else file.read()
        return cls.deserialize(data)

    def to_file(self, file: str | os.PathLike[str] | BinaryIO) -> None:
        """Write the serialized index to a path or a binary file object."""
        if isinstance(file, str | os.PathLike):
            from pathlib import Path

            Path(file).write_bytes(self.serialize())
        else:
            file.write(self.serialize())
