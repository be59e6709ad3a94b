"""Movie fragments (moof): sample tables in pieces along the file."""

from __future__ import annotations

from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from hwang.errors import CorruptMediaError
from hwang.index import check_sample_count
from hwang.isobmff.boxes import Box, FullBox, Payload, children, descend
from hwang.isobmff.sample_table import Samples, changes_only

_BEFORE_ALL = -1 << 63
_NOT_SYNC = 0x0001_0000 | 0x0100_0000  # sample_is_non_sync_sample, sample_depends_on == 1


class Defaults(NamedTuple):
    """Values of samples whose trun has none: from trex, or from tfhd over trex."""

    description: int = 1
    duration: int = 0
    size: int = 0
    flags: int = 0


def read_track_defaults(mvex: Payload, track_id: int) -> Defaults | None:
    """Return the trex of the track, or None."""
    for box in children(mvex):
        if box.kind == b"trex":
            fields = FullBox(box)
            if fields.number(4) == track_id:
                return Defaults(*(fields.number(4) for _ in range(4)))
    return None


class _Run(NamedTuple):
    """Samples of a trun, at least one: position and time of the first, and the columns of all."""

    offset: int
    dts: int
    dts_before: int  # of the sample before the run
    size: NDArray[np.integer]
    duration: NDArray[np.integer]
    flags: NDArray[np.integer]
    composition: NDArray[np.integer]  # pts - dts as 32 bits, signed


class FragmentReader:
    """Collects the samples of one track over the fragments, in file order.

    start: samples in moov, often none.
    """

    def __init__(self, track_id: int, defaults: Defaults, start: Samples, file_size: int) -> None:
        self._track_id, self._defaults, self._file_size = track_id, defaults, file_size
        self._start = start
        self._clock = start.duration  # dts of the next sample, unless a tfdt has it
        self._count = len(start)
        self._last_dts = int(start.dts[-1]) if self._count else _BEFORE_ALL
        self._runs: list[_Run] = []
        self._descriptions = list(start.descriptions)

    def add(self, moof: Payload, offset: int) -> None:
        """Add the samples of the moof box at `offset`. Raises CorruptMediaError."""
        follows = offset
        for box in children(moof):
            if box.kind == b"traf":
                follows = self._add_track_fragment(box.payload, offset, follows)

    def _add_track_fragment(self, traf: Payload, moof_offset: int, follows: int) -> int:
        """Return where the data of the next traf starts by default."""
        tfhd = descend(traf, b"tfhd")
        if tfhd is None:
            raise CorruptMediaError(f"fragment at byte {moof_offset} has no 'tfhd'; the file is damaged")
        fields = FullBox(tfhd)
        flags = fields.flags
        ours = fields.number(4) == self._track_id
        base = fields.number(8) if flags & 1 else moof_offset if flags & 0x2_0000 else follows
        given = [fields.number(4) if flags & bit else None for bit in (2, 8, 0x10, 0x20)]
        trex = self._defaults
        described = zip(given, (trex.description, trex.duration, trex.size, trex.flags), strict=True)
        defaults = Defaults(*(default if own is None else own for own, default in described))
        if ours and (tfdt := descend(traf, b"tfdt")) is not None:
            time = FullBox(tfdt)
            self._clock = time.number(8 if time.version else 4)
            if self._clock >= 1 << 62:
                raise CorruptMediaError(f"fragment at byte {moof_offset} starts at tick {self._clock}; it is damaged")
        follows = base
        for box in children(traf):
            if box.kind == b"trun":
                follows = self._add_run(box, base, follows, defaults, ours=ours)
        return follows

    def _add_run(self, trun: Box, base: int, follows: int, defaults: Defaults, *, ours: bool) -> int:
        fields = FullBox(trun)
        flags = fields.flags
        count = fields.number(4)
        begin = base + fields.number(4, signed=True) if flags & 1 else follows
        first_flags = fields.number(4) if flags & 4 else None
        present = {bit: column for column, bit in enumerate(bit for bit in (0x100, 0x200, 0x400, 0x800) if flags & bit)}
        table = cast("NDArray[np.integer]", fields.table(count * len(present), ">u4").reshape(count, len(present)))
        if not ours:
            sizes = table[:, present[0x200]].sum(dtype=np.int64) if 0x200 in present else count * defaults.size
            return begin + int(sizes)
        if self._count + count > self._file_size:  # FFmpeg's limit too
            raise CorruptMediaError(f"box 'trun' claims {count} samples in {self._file_size} bytes; it is damaged")
        before, self._count = self._count, check_sample_count(self._count + count)
        if not 0 <= begin < 1 << 61:
            raise CorruptMediaError(f"a fragment's samples lie at byte {begin}; the file is damaged")
        if not count:
            return begin

        def column(bit: int, default: int) -> NDArray[np.integer]:
            return table[:, present[bit]] if bit in present else np.full(count, default, np.uint32)

        run = _Run(
            offset=begin,
            dts=self._clock,
            dts_before=self._last_dts,
            size=column(0x200, defaults.size),
            duration=column(0x100, defaults.duration),
            flags=column(0x400, defaults.flags),
            composition=column(0x800, 0),
        )
        if first_flags is not None and 0x400 not in present:
            run.flags[0] = first_flags
        self._runs.append(run)
        self._descriptions.append((before, defaults.description))
        self._clock += int(run.duration.sum(dtype=np.int64))
        self._last_dts = self._clock - int(run.duration[-1])
        return begin + int(run.size.sum(dtype=np.int64))

    def result(self) -> tuple[Samples, NDArray[np.bool_]]:
        """Return all samples, and a mask of those shown: not those that overlap earlier fragments in time."""
        start, runs = self._start, self._runs
        counts = np.array([len(run.size) for run in runs], np.int64)
        size = _joined([run.size for run in runs])
        flags = _joined([run.flags for run in runs])
        offset = _continued(size, counts, [run.offset for run in runs])
        dts = _continued(_joined([run.duration for run in runs]), counts, [run.dts for run in runs])
        pts = dts + _joined([run.composition for run in runs]).view(np.int32)
        shown = dts > np.repeat(np.array([run.dts_before for run in runs], np.int64), counts)
        samples = Samples(
            offset=np.concatenate([start.offset, offset.astype(np.uint64)]),
            size=np.concatenate([start.size, size]),
            dts=np.concatenate([start.dts, dts]),
            pts=np.concatenate([start.pts, pts]),
            sync=np.concatenate([start.sync, (flags & _NOT_SYNC) == 0]),
            disposable=np.concatenate([start.disposable, (flags >> 22 & 3) == 2]),
            descriptions=changes_only(self._descriptions),
            duration=max(self._clock, 0),
            reordered=bool((pts != dts).any()),
            spare_chunks=False,
        )
        return samples, np.concatenate([np.ones(len(start), np.bool_), shown])


def _joined(columns: list[NDArray[np.integer]]) -> NDArray[np.uint32]:
    return np.concatenate([np.empty(0, np.uint32), *columns], dtype=np.uint32)


def _continued(steps: NDArray[np.uint32], counts: NDArray[np.int64], starts: list[int]) -> NDArray[np.int64]:
    """Return cumulative sums that restart at `starts` with each of the runs that are `counts` long."""
    sums: NDArray[np.int64] = np.cumsum(steps, dtype=np.int64) - steps
    firsts = np.cumsum(counts) - counts
    sums += np.repeat(np.array(starts, np.int64) - sums[firsts], counts)
    return sums
