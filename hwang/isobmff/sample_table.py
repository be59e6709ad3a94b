"""The sample table of a track (stbl): bytes, times and sync samples."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from hwang.errors import CorruptMediaError
from hwang.index import check_sample_count
from hwang.isobmff.boxes import Box, Fields, FullBox, Payload, children

_MAX_SAMPLE_BYTES = 0x3FFFFFFF  # bytes; FFmpeg's limit too
_MAX_DELTA = (1 << 32) - 1 - 480_000  # ticks; above it, FFmpeg takes a duration for a negative correction


Descriptions = tuple[tuple[int, int], ...]
"""1-based numbers of sample descriptions, each with the first sample that uses it."""


def changes_only(descriptions: Iterable[tuple[int, int]]) -> Descriptions:
    """Return the entries at which the number changes, the last one of each sample."""
    changes: list[tuple[int, int]] = []
    for first, number in descriptions:
        while changes and changes[-1][0] >= first:
            changes.pop()
        if not changes or changes[-1][1] != number:
            changes.append((first, number))
    return tuple(changes)


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Columns of S samples in decode order, on the media's own timeline in its ticks."""

    offset: NDArray[np.uint64]
    size: NDArray[np.uint32]
    dts: NDArray[np.int64]
    pts: NDArray[np.int64]
    sync: NDArray[np.bool_]
    disposable: NDArray[np.bool_]
    descriptions: Descriptions
    duration: int  # ticks that all of them last
    reordered: bool  # there are composition offsets
    spare_chunks: bool  # the chunks had room for more samples than there are

    def __len__(self) -> int:
        return len(self.offset)


def read_sample_table(stbl: Payload, file_size: int) -> Samples:
    """Expand the tables of `stbl`.

    Counts are checked against the box sizes before memory is allocated, and columns are widened one at a time, so that
    a million samples need little more memory than their result. Raises CorruptMediaError.
    """
    boxes = {box.kind: box for box in reversed(list(children(stbl)))}  # the first of each kind counts
    size = _sizes(boxes, file_size)
    chunks = _chunk_offsets(boxes)
    if len(size) and not len(chunks):
        raise CorruptMediaError(f"{len(size)} samples but no chunk; the header is damaged")
    samples_in_chunk, descriptions = _chunk_runs(boxes, len(chunks), len(size))
    room = int(samples_in_chunk.sum())
    spare_chunks, size = room > len(size), size[:room]
    offset = _offsets(chunks, samples_in_chunk, size)
    dts, duration = _decode_times(boxes, len(size))
    pts, shift = _composed(boxes, dts)
    return Samples(
        offset=offset,
        size=size,
        dts=dts - shift if shift else dts,
        pts=dts if pts is None else pts,
        sync=_sync(boxes, len(size)),
        disposable=_disposable(boxes, len(size)),
        descriptions=descriptions,
        duration=duration,
        reordered=pts is not None,
        spare_chunks=spare_chunks,
    )


def _sizes(boxes: dict[bytes, Box], file_size: int) -> NDArray[np.uint32]:
    if b"stsz" in boxes:
        fields = FullBox(boxes[b"stsz"])
        constant, count = fields.number(4), fields.number(4)
        if constant:
            if count > file_size:  # each has a byte at least
                raise CorruptMediaError(f"box 'stsz' claims {count} samples in {file_size} bytes; it is damaged")
            return _checked(np.full(check_sample_count(count), constant, np.uint32))
        return _checked(fields.table(count, ">u4"))
    if b"stz2" in boxes:
        fields = FullBox(boxes[b"stz2"])
        bits, count = fields.number(4) & 0xFF, fields.number(4)
        if bits in (8, 16):
            return _checked(fields.table(count, f">u{bits // 8}"))
        if bits == 4:
            pairs = fields.table((check_sample_count(count) + 1) // 2, "u1").astype(np.uint32)
            return np.stack([pairs >> 4, pairs & 15], axis=1).reshape(-1)[:count]
        raise CorruptMediaError(f"box 'stz2' has sizes of {bits} bits; the header is damaged")
    return np.empty(0, np.uint32)


def _checked(sizes: NDArray[np.generic]) -> NDArray[np.uint32]:
    check_sample_count(len(sizes))
    result = sizes.astype(np.uint32)
    if len(result) and int(result.max()) > _MAX_SAMPLE_BYTES:
        raise CorruptMediaError(f"a sample of {int(result.max())} bytes; the sample table is damaged")
    return result


def _rows(boxes: dict[bytes, Box], kind: bytes, columns: int, dtype: str = ">u4") -> NDArray[np.integer]:
    """Return the table of a box that is a count and a table: [count, columns], not copied; empty if absent."""
    if kind not in boxes:
        return np.empty((0, columns), dtype)
    return _table(FullBox(boxes[kind]), columns, dtype)


def _table(fields: Fields, columns: int, dtype: str = ">u4") -> NDArray[np.integer]:
    table = fields.table(fields.number(4) * columns, dtype).reshape(-1, columns)
    check_sample_count(len(table))
    return cast("NDArray[np.integer]", table)


def _chunk_offsets(boxes: dict[bytes, Box]) -> NDArray[np.uint64]:
    if b"stco" in boxes:
        return _rows(boxes, b"stco", 1)[:, 0].astype(np.uint64)
    offsets = _rows(boxes, b"co64", 1, ">u8")[:, 0].astype(np.uint64)
    if len(offsets) and int(offsets.max()) >= 1 << 61:
        raise CorruptMediaError("a chunk lies beyond 2^61 bytes; box 'co64' is damaged")
    return offsets


def _chunk_runs(boxes: dict[bytes, Box], chunks: int, samples: int) -> tuple[NDArray[np.int64], Descriptions]:
    """Return from stsc the samples that each chunk has room for, int64 [chunks], and the descriptions in use."""
    rows = _rows(boxes, b"stsc", 3)
    if not chunks:
        return np.empty(0, np.int64), ()
    if len(rows) > 1 and rows[-1, 1] == 0:
        rows = rows[:-1]
    first = rows[:, 0].astype(np.int64) - 1
    length = np.append(first[1:], chunks) - first
    if not len(rows) or (length <= 0).any() or not rows.all():
        raise CorruptMediaError("box 'stsc' is missing or contradicts the chunk offsets; the header is damaged")
    length[0] += first[0]  # the first run starts at the first chunk, whatever its number
    per_chunk = rows[:, 1].astype(np.int64)
    before = np.cumsum(per_chunk * length) - per_chunk * length
    used = int(np.searchsorted(before, samples))
    described = changes_only(zip(before[:used].tolist(), rows[:used, 2].tolist(), strict=True))
    return np.repeat(per_chunk, length), described


def _offsets(
    chunks: NDArray[np.uint64], samples_in_chunk: NDArray[np.int64], size: NDArray[np.uint32]
) -> NDArray[np.uint64]:
    """Return the first byte of each sample: those of a chunk are adjacent. uint64 wraps around, and back."""
    if not len(size):
        return np.empty(0, np.uint64)
    ends = np.cumsum(samples_in_chunk)
    used = int(np.searchsorted(ends, len(size))) + 1
    starts = ends[:used] - samples_in_chunk[:used]
    offset = np.cumsum(size, dtype=np.uint64)
    offset -= size
    filled = samples_in_chunk[:used]
    filled[-1] = len(size) - starts[-1]
    offset += np.repeat(chunks[:used] - offset[starts], filled)
    return offset


def _spread(counts: NDArray[np.integer], values: NDArray[np.integer], count: int) -> NDArray[np.integer]:
    """Run-length decode, but never more than `count`."""
    if int(counts.sum(dtype=np.int64)) > count:
        ends = np.minimum(np.cumsum(counts, dtype=np.int64), count)
        counts = np.diff(ends, prepend=0)
    return np.repeat(values, counts)


def _decode_times(boxes: dict[bytes, Box], count: int) -> tuple[NDArray[np.int64], int]:
    """Return from stts the sum of the durations before each sample, int64 [count], and of all in the table."""
    rows = _rows(boxes, b"stts", 2)
    if not len(rows):
        if count:
            raise CorruptMediaError("box 'stts' is missing: the samples have no times; the header is damaged")
        return np.empty(0, np.int64), 0
    counts, deltas = rows[:, 0], rows[:, 1]
    if int(deltas.max()) > _MAX_DELTA:
        deltas = _corrected(rows)
    spread = _spread(counts, deltas, count)
    times = np.full(count + 1, deltas[-1], np.int64)  # the last duration repeats
    times[0], times[1 : len(spread) + 1] = 0, spread
    return np.cumsum(times, out=times)[:count], _exact_total(counts, deltas)


def _exact_total(counts: NDArray[np.integer], values: NDArray[np.integer]) -> int:
    """Return the sum of count * value, of 32 bits each: a product fits into 64 bits, the sum may not."""
    products = counts.astype(np.uint64) * values.astype(np.uint64)
    return (int((products >> 32).sum()) << 32) + int((products & 0xFFFF_FFFF).sum())


def _corrected(rows: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return durations of which some stand for negative numbers: those become 1 tick, later ones compensate."""
    deltas: list[int] = []
    true_time = time = 0
    for count, delta in rows.tolist():
        if delta > _MAX_DELTA:
            true_time += (delta - (1 << 32)) * count
            delta = 1
        else:
            true_time += delta * count
        time += delta * count
        if time > true_time:
            drift = (time - true_time) // max(count, 1)
            correction = drift if delta > drift else delta - 1
            time -= correction * count
            delta -= correction
        deltas.append(delta)
    return np.array(deltas, np.int64)


def _composed(boxes: dict[bytes, Box], times: NDArray[np.int64]) -> tuple[NDArray[np.int64] | None, int]:
    """Return from ctts the pts of samples with these decode times (None without offsets), and ticks to move dts ahead.

    Offsets are signed in both versions. The last two entries do not count for the move, as in FFmpeg.
    """
    rows = _rows(boxes, b"ctts", 2, ">i4")
    earliest = int(rows[:-2, 1].min(initial=0, where=rows[:-2, 0] > 0))
    if (rows[:, 0] <= 0).any():
        rows = rows[rows[:, 0] > 0]
    if not len(rows):
        return None, 0
    spread = _spread(rows[:, 0], rows[:, 1], len(times))
    pts = times.copy()
    pts[: len(spread)] += spread
    return pts, -earliest


def _sync(boxes: dict[bytes, Box], count: int) -> NDArray[np.bool_]:
    """Return sync samples of stss, stps (partial ones) and random access groups. Without stss all samples are sync."""
    if b"stss" not in boxes:
        return np.ones(count, np.bool_)
    sync = np.zeros(count, np.bool_)
    _mark(sync, boxes, b"stss")
    _mark(sync, boxes, b"stps")
    _mark_random_access_groups(sync, boxes)
    if not sync.any() and b"stps" not in boxes and not len(_rows(boxes, b"stss", 1)):
        sync[:1] = True
    return sync


def _mark(sync: NDArray[np.bool_], boxes: dict[bytes, Box], kind: bytes) -> None:
    """Mark the samples that a list of 1-based numbers names (0-based, if it starts with 0)."""
    numbers = _rows(boxes, kind, 1)[:, 0].astype(np.int64)
    if len(numbers):
        numbers -= numbers[0] > 0
        sync[numbers[(numbers >= 0) & (numbers < len(sync))]] = True


def _mark_random_access_groups(sync: NDArray[np.bool_], boxes: dict[bytes, Box]) -> None:
    if b"sbgp" not in boxes:
        return
    fields = FullBox(boxes[b"sbgp"])
    if bytes(fields.take(4)) != b"rap ":
        return
    if fields.version == 1:
        fields.take(4)
    rows = _table(fields, 2)
    spread = _spread(rows[:, 0], rows[:, 1], len(sync))
    sync[: len(spread)] |= spread > 0


def _disposable(boxes: dict[bytes, Box], count: int) -> NDArray[np.bool_]:
    """Return from sdtp the samples that no other depends on."""
    mask = np.zeros(count, np.bool_)
    if b"sdtp" in boxes:
        fields = FullBox(boxes[b"sdtp"])
        flags = np.frombuffer(fields.take(min(fields.left, count)), np.uint8)
        np.equal(flags & 0b1100, 0b1000, out=mask[: len(flags)])
    return mask
