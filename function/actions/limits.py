"""Whether a request fits into the function, found out by arithmetic before anything is allocated."""

from __future__ import annotations

import math
import os
import shutil
import tempfile
from dataclasses import dataclass
from typing import Final

from function.errors import LimitExceeded, StorageFull
from function.frames.pictures import Shape
from function.frames.reduce import MEMORY_FACTORS, dtype_of
from function.frames.sheet import MAX_SHEET_FRAMES, layout
from function.models.form import PICTURES, Format, Reduce
from function.output.publish import ONE_PUT_BYTES
from function.source.prefetch import WINDOW_BYTES
from hwang.index import VideoIndex
from hwang.plan import Plan
from hwang.ranges import FETCH_MEMORY_BYTES

MIB: Final = 2**20
BATCH_BYTES: Final = 8 * MIB  # small: the first touch of fresh memory costs several times the conversion
MAX_ANSWER_BYTES: Final = 6 * 10**6  # of a synchronous invocation
_AT_REST_BYTES: Final = 96 * MIB  # interpreter, libraries, client
_DECODER_BYTES_PER_PIXEL: Final = 2 * 16 * 1.5  # two decoders with 16 frames each, of 8-bit 4:2:0
_ENCODER_BYTES_PER_PIXEL: Final = 60 * 1.5  # x264's look-ahead and references
_SHEET_COPIES: Final = 3  # thumbnails, canvas, encoded


@dataclass(frozen=True)
class Work:
    """What a decode is about to do. `plan` covers all its rows."""

    index: VideoIndex
    plan: Plan
    shape: Shape
    written_as: Format
    reduce: Reduce | None
    source_bytes: int

    @property
    def count(self) -> int:
        return len(self.plan.rows)

    @property
    def fetched_bytes(self) -> int:
        """To be read of the video. What is not addressed by bytes has been fetched whole by now."""
        return min(self.plan.bytes_to_read, self.source_bytes) if self.index.byte_addressable else 0

    @property
    def output_bytes(self) -> int | None:
        """Of the result, where the format tells."""
        if self.reduce:
            values = 1 if self.reduce == "sum" else self.shape.frame_bytes
            return 128 + values * dtype_of(self.reduce).itemsize
        return 128 + self.count * self.shape.frame_bytes if self.written_as in ("npy", "npz", "inline") else None

    @property
    def memory_bytes(self) -> int:
        """Of all processes of the function, at most."""
        width, height, frame = self.index.width, self.index.height, self.shape.frame_bytes
        needed = _AT_REST_BYTES + width * height * _DECODER_BYTES_PER_PIXEL
        needed += 2 * batch_bytes(self.shape)  # one in use while the next is decoded
        needed += min(self.fetched_bytes, FETCH_MEMORY_BYTES + WINDOW_BYTES)
        if self.shape.rotation:
            needed += batch_bytes(self.shape)
        if self.reduce:
            needed += frame * MEMORY_FACTORS[self.reduce]
        if self.output_bytes is not None and self.written_as in ("npy", "npz"):
            needed += 2 * min(self.output_bytes, ONE_PUT_BYTES)
        if self.written_as == "inline":
            needed += 4 * (self.output_bytes or 0)
        elif self.written_as == "sheet":
            sheet = layout(min(self.count, MAX_SHEET_FRAMES), self.shape.width, self.shape.height)
            needed += _SHEET_COPIES * 3 * sheet.width_px * sheet.height_px
        elif self.written_as == "mp4":
            needed += self.shape.width * self.shape.height * _ENCODER_BYTES_PER_PIXEL
        elif self.written_as in PICTURES:
            needed += 2 * frame  # encoded
        return int(needed)

    @property
    def memory_mb(self) -> int:
        """A memory size of the function that suffices."""
        return math.ceil(self.memory_bytes / MIB / 64) * 64


def function_memory() -> int | None:
    """The function's memory in bytes; None outside Lambda."""
    size = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "")
    return int(size) * MIB if size.isdecimal() else None


def batch_bytes(shape: Shape) -> int:
    """How many bytes of frames to decode at a time: 8 MiB, at least one frame."""
    return max(BATCH_BYTES, shape.frame_bytes)


def check(work: Work, memory: int | None) -> None:
    """Raises LimitExceeded if it needs more than `memory` bytes or makes too much, StorageFull for too much in /tmp."""
    if work.written_as == "sheet" and work.count > MAX_SHEET_FRAMES:
        raise LimitExceeded(
            f'frames: a sheet shows at most {MAX_SHEET_FRAMES} frames, not {work.count}; use {{"count": n}}',
            limit="frames",
            wanted=work.count,
            maximum=MAX_SHEET_FRAMES,
        )
    if work.written_as == "inline":
        answer = 4 * (work.output_bytes or 0) // 3
        if answer > MAX_ANSWER_BYTES:
            raise LimitExceeded(
                f"frames: an inline answer would have {answer} bytes, and may have {MAX_ANSWER_BYTES}; "
                "ask for fewer or smaller frames (size), or give an output",
                limit="answer",
                wanted=answer,
                maximum=MAX_ANSWER_BYTES,
            )
    check_memory(work, memory)
    _check_storage(work)


def check_memory(work: Work, memory: int | None) -> None:
    """Raises LimitExceeded if it needs more than `memory` bytes."""
    if memory is not None and work.memory_bytes > memory:
        raise LimitExceeded(
            f"the request needs about {work.memory_mb} MB of memory for {work.index.width}x{work.index.height} frames, "
            f"the function has {memory // MIB} MB",
            limit="memory",
            wanted_mb=work.memory_mb,
            memory_mb=memory // MIB,
        )


def _check_storage(work: Work) -> None:
    wanted = work.fetched_bytes if work.fetched_bytes > FETCH_MEMORY_BYTES else 0
    free = shutil.disk_usage(tempfile.gettempdir()).free
    if wanted > free:
        raise StorageFull(
            f"the request needs {wanted} bytes of temporary storage, which has {free} bytes free",
            wanted=wanted,
            free=free,
        )
