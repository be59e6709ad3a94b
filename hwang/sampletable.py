"""The sample table of a track (stbl): which bytes, when, and which are sync samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hwang.boxes import Box, Fields, Payload, children, name
from hwang.errors import CorruptMediaError
from hwang.index import check_sample_count

__all__ = ["Samples", "read_sample_table"]

_LARGEST_SAMPLE = 0x3FFFFFFF  # bytes; FFmpeg's limit too
_LARGEST_DELTA = (1 << 32) - 1 - 480_000  # ticks; above it, FFmpeg takes a duration for a negative correction


@dataclass(frozen=True, slots=True)
class Samples:
    """Columns of S samples in decode order, on the media's own timeline in its ticks."""

    offset: NDArray[np.uint64]
    size: NDArray[np.uint32]
    dts: NDArray[np.int64]
    pts: NDArray[np.int64]
    sync: NDArray[np.bool_]
    disposable: NDArray[np.bool_]
    description: NDArray[np.uint32]  # 1-based number of the sample description
    duration: int  # ticks that all of them last
    reordered: bool  # there are composition offsets
    spare_chunks: bool  # the chunks had room for more samples than there are

    def __len__(self) -> int:
        return len(self.offset)


def read_sample_table(stbl: Payload, file_size: int) -> Samples:
    """Expand the tables of `stbl`.

    Counts are checked against the bytes really there before memory is taken. Raises CorruptMediaError.
    """
    boxes = {box.kind: box for box in reversed(list(children(stbl)))}  # the first of each kind counts
    sizes = _sizes(boxes, file_size)
    chunks = _chunk_offsets(boxes)
    first, per_chunk, description = _chunk_runs(boxes, len(chunks))
    if len(sizes) and not len(chunks):
        raise CorruptMediaError(f"{len(sizes)} samples but no chunk; the header is damaged")

    samples_in_chunk = np.repeat(per_chunk, np.diff(np.append(first, len(chunks))))
    room = int(samples_in_chunk.sum())
    count = min(room, len(sizes))
    sizes = sizes[:count]
    ends = np.minimum(np.cumsum(samples_in_chunk), count)
    filled = np.diff(ends, prepend=0)
    bytes_before = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
    within = bytes_before[:-1] - np.repeat(bytes_before[ends - filled], filled)
    offset = np.repeat(chunks, filled) + within.astype(np.uint64)

    deltas, total = _durations(boxes, count)
    ticks = np.concatenate([[0], np.cumsum(deltas)])[:count]
    composition, shift = _composition_offsets(boxes, count)
    return Samples(
        offset=offset,
        size=sizes.astype(np.uint32),
        dts=ticks - shift,
        pts=ticks if composition is None else ticks + composition,
        sync=_sync(boxes, count),
        disposable=_disposable(boxes, count),
        description=np.repeat(np.repeat(description, np.diff(np.append(first, len(chunks)))), filled).astype(np.uint32),
        duration=total,
        reordered=composition is not None,
        spare_chunks=room > len(sizes),
    )


def _open(boxes: dict[bytes, Box], kind: bytes) -> Fields | None:
    """The fields of a box behind version and flags."""
    if kind not in boxes:
        return None
    fields = Fields(boxes[kind])
    fields.version_and_flags()
    return fields


def _sizes(boxes: dict[bytes, Box], file_size: int) -> NDArray[np.int64]:
    if (fields := _open(boxes, b"stsz")) is not None:
        constant, count = fields.number(4), fields.number(4)
        if constant:
            if count > file_size:  # each has a byte at least
                raise CorruptMediaError(f"box 'stsz' claims {count} samples in {file_size} bytes; it is damaged")
            return _checked(np.full(check_sample_count(count), constant, np.int64))
        return _checked(fields.table(check_sample_count(_fit(fields, count, 4, b"stsz")), ">u4"))
    if (fields := _open(boxes, b"stz2")) is not None:
        bits, count = fields.number(4) & 0xFF, fields.number(4)
        if bits in (8, 16):
            return _checked(fields.table(_fit(fields, count, bits // 8, b"stz2"), f">u{bits // 8}"))
        if bits == 4:
            pairs = fields.table((_fit(fields, (count + 1) // 2, 1, b"stz2")), "u1").astype(np.int64)
            return np.stack([pairs >> 4, pairs & 15], axis=1).reshape(-1)[:count]
        raise CorruptMediaError(f"box 'stz2' has sizes of {bits} bits; the header is damaged")
    return np.empty(0, np.int64)


def _checked(sizes: NDArray[np.generic]) -> NDArray[np.int64]:
    result = sizes.astype(np.int64)
    if len(result) and int(result.max()) > _LARGEST_SAMPLE:
        raise CorruptMediaError(f"a sample of {int(result.max())} bytes; the sample table is damaged")
    return result


def _fit(fields: Fields, count: int, item: int, kind: bytes) -> int:
    """`count`, once its items are known to be in the box."""
    if count * item > fields.left:
        raise CorruptMediaError(
            f"box {name(kind)} claims {count} entries but has room for {fields.left // item}; the header is damaged"
        )
    return check_sample_count(count)


def _rows(boxes: dict[bytes, Box], kind: bytes, columns: int, dtype: str = ">u4") -> NDArray[np.int64]:
    """A box that is a count and a table: int64 [count, columns]; empty if absent."""
    fields = _open(boxes, kind)
    if fields is None:
        return np.empty((0, columns), np.int64)
    width = np.dtype(dtype).itemsize
    count = _fit(fields, fields.number(4), width * columns, kind)
    return fields.table(count * columns, dtype).astype(np.int64).reshape(-1, columns)


def _chunk_offsets(boxes: dict[bytes, Box]) -> NDArray[np.uint64]:
    if b"stco" in boxes:
        return _rows(boxes, b"stco", 1)[:, 0].astype(np.uint64)
    offsets = _rows(boxes, b"co64", 1, ">u8")[:, 0].view(np.uint64)
    if len(offsets) and int(offsets.max()) >= 1 << 61:
        raise CorruptMediaError("a chunk lies beyond 2^61 bytes; box 'co64' is damaged")
    return offsets


def _chunk_runs(boxes: dict[bytes, Box], chunks: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """stsc: 0-based first chunk, samples per chunk and description number of each run of chunks."""
    rows = _rows(boxes, b"stsc", 3)
    if not chunks:
        return (np.empty(0, np.int64),) * 3
    if len(rows) > 1 and rows[-1, 1] == 0:
        rows = rows[:-1]
    first, per_chunk, description = rows[:, 0] - 1, rows[:, 1], rows[:, 2]
    if not len(rows) or (np.diff(first) <= 0).any() or first[-1] >= chunks or (rows < 1).any():
        raise CorruptMediaError("box 'stsc' is missing or contradicts the chunk offsets; the header is damaged")
    first = first.copy()
    first[0] = 0
    return first, per_chunk, description


def _spread(counts: NDArray[np.int64], values: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Run-length decode, but never more than `count`."""
    ends = np.minimum(np.cumsum(counts), count)
    return np.repeat(values, np.diff(ends, prepend=0))


def _durations(boxes: dict[bytes, Box], count: int) -> tuple[NDArray[np.int64], int]:
    """stts: ticks from each sample to the next, int64 [count], and what the table says they last together."""
    rows = _rows(boxes, b"stts", 2)
    if not len(rows):
        if count:
            raise CorruptMediaError("box 'stts' is missing: the samples have no times; the header is damaged")
        return np.empty(0, np.int64), 0
    deltas = _corrected(rows) if int(rows[:, 1].max()) > _LARGEST_DELTA else rows[:, 1]
    spread = _spread(rows[:, 0], deltas, count)
    missing = np.full(count - len(spread), deltas[-1])  # the last duration goes on
    total = sum(n * delta for n, delta in zip(rows[:, 0].tolist(), deltas.tolist(), strict=True))
    return np.concatenate([spread, missing]), total


def _corrected(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Durations where some are negative numbers in disguise: those become 1 tick, and later ones make up for it."""
    deltas: list[int] = []
    true_time = time = 0
    for count, delta in rows.tolist():
        if delta > _LARGEST_DELTA:
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


def _composition_offsets(boxes: dict[bytes, Box], count: int) -> tuple[NDArray[np.int64] | None, int]:
    """ctts: pts - dts per sample (None without any), and how far dts lies before the sum of durations.

    Offsets are signed in both versions. The last two entries do not count for the shift, as in FFmpeg.
    """
    rows = _rows(boxes, b"ctts", 2, ">i4")
    counts = rows[:, 0] > 0
    early = rows[:-2, 1][counts[:-2]]
    rows = rows[counts]
    if not len(rows):
        return None, 0
    spread = _spread(rows[:, 0], rows[:, 1], count)
    composition = np.zeros(count, np.int64)
    composition[: len(spread)] = spread
    return composition, max(0, -int(early.min(initial=0)))


def _sync(boxes: dict[bytes, Box], count: int) -> NDArray[np.bool_]:
    """stss, stps (partial sync samples) and random access groups. Without any of them all samples are sync."""
    groups = _random_access_group(boxes, count)
    partial = _numbers(boxes, b"stps", count)
    if b"stss" in boxes:
        sync = _numbers(boxes, b"stss", count) | partial | groups
        if not _rows(boxes, b"stss", 1).size and b"stps" not in boxes and not groups.any():
            sync[:1] = True
        return sync
    return np.ones(count, np.bool_)


def _numbers(boxes: dict[bytes, Box], kind: bytes, count: int) -> NDArray[np.bool_]:
    """The samples that a list of 1-based numbers names (0-based, if it starts with 0)."""
    numbers = _rows(boxes, kind, 1)[:, 0]
    mask = np.zeros(count, np.bool_)
    if len(numbers):
        numbers = numbers - (1 if numbers[0] > 0 else 0)
        mask[numbers[(numbers >= 0) & (numbers < count)]] = True
    return mask


def _random_access_group(boxes: dict[bytes, Box], count: int) -> NDArray[np.bool_]:
    mask = np.zeros(count, np.bool_)
    if b"sbgp" not in boxes:
        return mask
    fields = Fields(boxes[b"sbgp"])
    version, _ = fields.version_and_flags()
    if bytes(fields.take(4)) != b"rap ":
        return mask
    if version == 1:
        fields.take(4)
    entries = _fit(fields, fields.number(4), 8, b"sbgp")
    rows = fields.table(entries * 2, ">u4").astype(np.int64).reshape(-1, 2)
    spread = _spread(rows[:, 0], rows[:, 1], count)
    mask[: len(spread)] = spread > 0
    return mask


def _disposable(boxes: dict[bytes, Box], count: int) -> NDArray[np.bool_]:
    """sdtp: samples that no other depends on."""
    mask = np.zeros(count, np.bool_)
    if (fields := _open(boxes, b"sdtp")) is not None:
        flags = fields.table(min(fields.left, count), "u1").astype(np.uint8)
        mask[: len(flags)] = (flags >> 2 & 3) == 2
    return mask
