"""New times for the frames of an MP4 that was written at a constant rate: a movie header made of its movie header."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from hwang.errors import CorruptMediaError
from hwang.index import presentation_order
from hwang.isobmff.boxes import Box, Fields, Payload, children, descend
from hwang.isobmff.sample_table import read_sample_table

__all__ = ["MAX_FRAME_TICKS", "retimed"]

MAX_FRAME_TICKS = 1 << 27
"""The most ticks that a frame may last, so that the sum of a few fits into the 32 bits of a composition offset."""

_BEFORE_CHILDREN = {
    b"trak": 0,
    b"mdia": 0,
    b"minf": 0,
    b"stbl": 0,
    b"edts": 0,
    b"stsd": 8,
    b"avc1": 78,
}
"""Bytes that stand before the boxes inside of these."""


def retimed(moov: Payload, durations: Sequence[int] | NDArray[np.int64], timescale: int) -> bytes:
    """The content of a movie header whose frames, in the order in which they are shown, last so many ticks.

    moov: content of the header of one H.264 track, as FFmpeg's muxer writes it for a constant rate.
    durations: ticks of 1 / `timescale` seconds from 1 to MAX_FRAME_TICKS, one for each frame.
    Samples keep their order and their bytes. Each is decoded when the frame is shown that stands as many frames before
    as the encoder held back, as x264 does. Raises CorruptMediaError if there are not as many frames.
    """
    stbl = descend(moov, b"trak", b"mdia", b"minf", b"stbl")
    samples = read_sample_table(stbl.payload if stbl else memoryview(b""), 1 << 62)
    if not len(samples) or len(samples) != len(durations):
        raise CorruptMediaError(f"{len(samples)} samples and {len(durations)} durations")
    begins = np.concatenate([[0], np.cumsum(np.asarray(durations, np.int64))])
    held_back = int(np.searchsorted(samples.dts, samples.pts.min()))
    late = int(begins[held_back])  # an edit list hides it
    dts = np.concatenate([begins[:held_back], begins[: len(samples) - held_back] + late])
    pts = np.empty(len(samples), np.int64)
    pts[presentation_order(samples.pts)] = begins[:-1] + late
    total = int(begins[-1])
    steps = np.append(np.diff(dts), max(1, total - int(dts[-1])))
    rate = int(samples.size.sum(dtype=np.int64)) * 8 * timescale // total  # bits per second
    tick = struct.pack(">I", timescale)
    boxes = {
        b"mvhd": _lasting(b"mvhd", moov, total, tick),
        b"tkhd": _lasting(b"tkhd", moov, total, b"", b"trak"),
        b"mdhd": _lasting(b"mdhd", moov, int(steps.sum()), tick, b"trak", b"mdia"),
        b"elst": _edit(total, late),
        b"stts": _table(steps),
        b"ctts": _table(pts - dts),
        b"btrt": struct.pack(">III", 0, rate, rate),
    }
    return _rebuilt(moov, boxes)


def _rebuilt(payload: Payload, contents: Mapping[bytes, bytes]) -> bytes:
    """The boxes of `payload`, those of `contents` with the content that is there."""
    parts = []
    for box in children(payload):
        before = _BEFORE_CHILDREN.get(box.kind)
        if before is not None:
            content = bytes(box.payload[:before]) + _rebuilt(box.payload[before:], contents)
        else:
            content = contents.get(box.kind, bytes(box.payload))
        parts.append(struct.pack(">I4s", 8 + len(content), box.kind) + content)
    return b"".join(parts)


def _lasting(kind: bytes, moov: Payload, ticks: int, tick: bytes, *path: bytes) -> bytes:
    """The content of a header box with this duration, and this timescale in place of its own if that is given."""
    box = descend(moov, *path, kind) or Box(kind, memoryview(b""))
    fields = Fields(box)
    version, flags = fields.version_and_flags()
    size = 8 if version == 1 else 4
    created, changed = fields.number(size), fields.number(size)
    between = bytes(fields.take(8 if kind == b"tkhd" else 4))
    fields.take(size)
    is_wide = ticks >= 1 << 32
    number = ">Q" if is_wide else ">I"
    head = struct.pack(">I", is_wide << 24 | flags) + struct.pack(number, created) + struct.pack(number, changed)
    return head + (tick or between) + struct.pack(number, ticks) + bytes(fields.take(fields.left))


def _edit(ticks: int, start: int) -> bytes:
    """The content of an edit list that shows so many ticks from `start` on."""
    is_wide = ticks >= 1 << 32 or start >= 1 << 31
    return struct.pack(">IIQQI" if is_wide else ">IIIII", is_wide << 24, 1, ticks, start, 1 << 16)


def _table(numbers: NDArray[np.int64]) -> bytes:
    """The content of a table of runs: how often, and which number."""
    first = np.flatnonzero(np.append(True, numbers[1:] != numbers[:-1]))
    runs = np.stack([np.diff(np.append(first, len(numbers))), numbers[first]], axis=1)
    return struct.pack(">II", 0, len(runs)) + runs.astype(">u4").tobytes()
