"""Checks that a request fits into the function, by arithmetic before anything is allocated."""

from __future__ import annotations

import math
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final, Self

from function.errors import LimitExceeded, StorageFull
from function.frames import tone
from function.frames.own_code import declared_bytes
from function.frames.pictures import Shape
from function.frames.reduce import REDUCTIONS
from function.frames.sheet import Layout, layout
from function.models.event import Decode, Plan
from function.models.form import Treatment
from function.models.formats import FORMATS, Format
from function.models.problems import below
from function.models.result import MAX_ANSWER_BYTES
from function.output.publish import MAX_PUT_BYTES, MIB
from hwang.index import VideoIndex
from hwang.plan import Plan as DecodePlan
from hwang.ranges import FETCH_MEMORY_BYTES
from hwang.sources.prefetch import WINDOW_BYTES

# Small, as fresh memory costs several times the conversion; but the pictures of a batch are encoded in parallel.
BATCH_BYTES: Final = 8 * MIB
_AT_REST_BYTES: Final = 96 * MIB  # interpreter, libraries, client
_DECODER_BYTES_PER_PIXEL: Final = 2 * 16 * 1.5  # two decoders with 16 frames each, of 8-bit 4:2:0
_HEADER_BYTES: Final = 128  # of a .npy file


@dataclass(frozen=True)
class DecodeEstimate:
    """A decode before it begins, and what it will read, hold and write. `plan` covers all its rows.

    `treatment`: the request, settled for the format; its other fields do not count. `sheet`: the grid of a contact
    sheet, whose frames have the size of its cells. `beside`: the other results of the same decode.
    """

    index: VideoIndex
    plan: DecodePlan
    shape: Shape
    written_as: Format
    treatment: Treatment
    source_bytes: int
    sheet: Layout | None = None
    beside: tuple[DecodeEstimate, ...] = ()

    @classmethod
    def of(
        cls,
        index: VideoIndex,
        plan: DecodePlan,
        written_as: Format,
        treatment: Treatment,
        source_bytes: int,
        aspect_ratio: Fraction | None = None,
    ) -> Self:
        """The estimate, with frames of the shape that the format needs: even for a clip, as its cells for a sheet.

        `aspect_ratio`: of a pixel, if the index does not state it. Raises BadRequest.
        """
        shape, sheet = Shape.of_request(index, treatment, aspect_ratio), None
        if FORMATS[written_as].writer == "clip":
            shape = shape.even()
        elif FORMATS[written_as].writer == "contact_sheet":
            count = min(len(plan.rows), FORMATS[written_as].max_frames or len(plan.rows))
            sheet = layout(count, shape.width, shape.height)
            shape = shape.within(sheet.thumb_width_px, sheet.thumb_height_px)
        return cls(index, plan, shape, written_as, treatment, source_bytes, sheet)

    @classmethod
    def together(cls, estimates: Sequence[DecodeEstimate]) -> DecodeEstimate:
        """The estimate of one decode for all these results, at least one."""
        return replace(estimates[0], beside=tuple(estimates[1:]))

    @classmethod
    def of_request(cls, request: Decode | Plan, index: VideoIndex, plan: DecodePlan, source_bytes: int) -> Self:
        """The estimate of a decode with all its results. Raises BadRequest."""
        estimates = []
        for at, one in enumerate(request.results):
            with below(request.path_of(at)):
                estimates.append(cls.of(index, plan, one.resolved_format(len(plan.rows)), one, source_bytes))
        return replace(estimates[0], beside=tuple(estimates[1:]))

    @property
    def results(self) -> tuple[DecodeEstimate, ...]:
        """The estimates of all results of the decode."""
        return (self, *self.beside)

    @property
    def count(self) -> int:
        """The number of frames that the result holds, duplicates included."""
        return len(self.plan.rows)

    @property
    def fetched_bytes(self) -> int:
        """Bytes that the decode reads of the video; none of a container that has been fetched whole by now."""
        return min(self.plan.bytes_to_read, self.source_bytes) if self.index.ranged else 0

    @property
    def output_bytes(self) -> int | None:
        """Size of the result; None if it depends on what the frames show."""
        if self.treatment.reduce:
            return _HEADER_BYTES + REDUCTIONS[self.treatment.reduce].result_bytes(self.shape.frame_bytes)
        if self.treatment.apply:
            return None
        return _HEADER_BYTES + self.count * self.shape.frame_bytes if FORMATS[self.written_as].raw else None

    @property
    def memory_bytes(self) -> int:
        """Memory of all processes of the function, at most."""
        needed = _AT_REST_BYTES + self.index.width * self.index.height * _DECODER_BYTES_PER_PIXEL
        needed += min(self.fetched_bytes, FETCH_MEMORY_BYTES + WINDOW_BYTES)
        return int(needed) + sum(one._own_bytes for one in self.results)

    @property
    def _own_bytes(self) -> int:
        """Memory for this result, beyond what all results of one decode share."""
        facts, frame = FORMATS[self.written_as], self.shape.frame_bytes
        # One batch in use while the next is decoded, and one more while it is turned.
        batch = batch_bytes(self.shape, self.treatment)
        needed = (3 if self.shape.rotation else 2) * batch
        if self.treatment.tone == "sdr" and tone.may_apply(self.index):
            needed += tone.BYTES
        if self.treatment.apply:
            needed += 2 * batch + MAX_PUT_BYTES + declared_bytes()  # a batch put together, own code's copy, results
        if self.treatment.reduce:
            needed += frame * REDUCTIONS[self.treatment.reduce].memory
        needed += frame * facts.memory_per_frame_byte
        needed += facts.buffer_bytes
        held = self.output_bytes or 0
        if self.sheet:
            held = 3 * self.sheet.width_px * self.sheet.height_px
        return needed + facts.copies * (min(held, MAX_PUT_BYTES) if facts.is_streamed else held)

    @property
    def memory_mb(self) -> int:
        """The smallest memory size of the function that suffices, in steps of 64 MB."""
        return math.ceil(self.memory_bytes / MIB / 64) * 64


def function_memory() -> int | None:
    """The function's memory in bytes; None outside Lambda."""
    size = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "")
    return int(size) * MIB if size.isdecimal() else None


def batch_bytes(shape: Shape, treatment: Treatment) -> int:
    """Bytes of frames to decode at a time: those of `batch`, else 8 MiB, 4 MiB to reduce them, at least one frame."""
    if treatment.batch:
        return treatment.batch * shape.frame_bytes
    return max(BATCH_BYTES // 2 if treatment.reduce else BATCH_BYTES, shape.frame_bytes)


def check(estimate: DecodeEstimate, memory: int | None) -> None:
    """Raises LimitExceeded for too much memory (in bytes), too many frames, too large an answer; StorageFull."""
    for one in estimate.results:
        _check_result(one)
    check_memory(estimate, memory)
    _check_storage(estimate)


def _check_result(estimate: DecodeEstimate) -> None:
    facts = FORMATS[estimate.written_as]
    if facts.max_frames and estimate.count > facts.max_frames:
        raise LimitExceeded(
            f"frames: a {estimate.written_as} shows at most {facts.max_frames} frames, not {estimate.count}; "
            'use {"count": n}',
            limit="frames",
            wanted=estimate.count,
            maximum=facts.max_frames,
        )
    if not facts.is_stored:
        check_answer(4 * (estimate.output_bytes or 0) // 3, "frames")


def check_answer(size: int, field: str) -> None:
    """Raises LimitExceeded, which names the field to change, if an inline answer has more bytes than Lambda sends."""
    if size > MAX_ANSWER_BYTES:
        raise LimitExceeded(
            f"{field}: an inline answer would have {size} bytes, and may have {MAX_ANSWER_BYTES}; "
            "ask for fewer or smaller frames (size), or give an output",
            limit="answer",
            wanted=size,
            maximum=MAX_ANSWER_BYTES,
        )


def check_memory(estimate: DecodeEstimate, memory: int | None) -> None:
    """Raises LimitExceeded if the decode needs more than `memory` bytes; None is any amount."""
    if memory is not None and estimate.memory_bytes > memory:
        size = f"{estimate.index.width}x{estimate.index.height}"
        raise LimitExceeded(
            f"the request needs about {estimate.memory_mb} MB of memory for {size} frames, "
            f"the function has {memory // MIB} MB",
            limit="memory",
            wanted_mb=estimate.memory_mb,
            memory_mb=memory // MIB,
        )


def _check_storage(estimate: DecodeEstimate) -> None:
    wanted, free = estimate.fetched_bytes, shutil.disk_usage(tempfile.gettempdir()).free
    if wanted > max(free, FETCH_MEMORY_BYTES):
        raise StorageFull(
            f"the request needs {wanted} bytes of temporary storage, which has {free} bytes free; "
            "give the function more (ephemeral storage), or ask for fewer frames at a time",
            wanted=wanted,
            free=free,
        )
