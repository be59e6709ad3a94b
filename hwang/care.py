"""Decode fast first, and with care what failed: docs/decisions/damage.md."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hwang import _core
from hwang.index import INTRA_ONLY
from hwang.picture import AnyArrays, AnyLayout
from hwang.plan import Plan, Run, earlier_start, own_runs

if TYPE_CHECKING:
    from hwang.decoding import Decoding

_STEPS_BACK = (1, 32, 512)
"""Minimum number of samples to start earlier by, at each retry after decoding from a sync sample failed."""

_WITNESS_SAMPLES = 16
"""Minimum number of samples by which the decode that confirms another starts earlier."""

_WITNESS_BYTES = 64 << 20
"""Limit of the pictures that are compared at a time."""

_NONE = np.empty(0, np.uint32)


@dataclass(frozen=True, slots=True, eq=False)
class Slots:
    """The places of samples in the output."""

    samples: NDArray[np.uint32]  # [n] ascending
    slots: NDArray[np.intp]  # [n]

    def of(self, samples: NDArray[np.uint32]) -> NDArray[np.int64]:
        """Return the slots of some of the samples, int64."""
        return self.slots[np.searchsorted(self.samples, samples)].astype(np.int64)


def decode_samples(
    decoding: Decoding, plan: Plan, layout: AnyLayout, out: AnyArrays, slots: Slots, stop: _core.StopFlag
) -> None:
    """Decode the samples of a plan into their slots of `out`.

    Raises UnsupportedMediaError for pictures of another size, CorruptFrameError for those that fail with care too.
    """
    places = [slots.of(run.wanted) for run in plan.runs]
    report = decoding.run(plan.runs, places, layout, out, stop, care=_core.Care.none, ranges=plan.ranges)
    failed, resized, size = report[0], report[4], report[5]
    if len(failed):
        failed, more = _with_care(decoding, failed, layout, out, slots, stop)
        for report in more:
            resized, size = np.concatenate([resized, report[4]]), report[5]
    if len(resized) and not (layout.any_size and decoding.size_is_known):
        raise decoding.resized(plan, resized, size)
    if len(failed):
        raise decoding.corrupt(plan, failed)


def _with_care(
    decoding: Decoding,
    samples: NDArray[np.uint32],
    layout: AnyLayout,
    out: AnyArrays,
    slots: Slots,
    stop: _core.StopFlag,
) -> tuple[NDArray[np.uint32], list[_core.Report]]:
    """Decode samples again that failed; return those that fail now too, and reports with pictures of another size.

    They start at their own sync sample, and if that fails further and further back. A picture that did not start at
    sample 0 has to look the same when decoding starts earlier still: else it depends on that, and is not exact.
    """
    runs: Sequence[Run] = own_runs(decoding.index, samples)
    lost, resized = [_NONE], []
    independent = decoding.index.codec in INTRA_ONLY
    for samples_back in (*(() if independent else _STEPS_BACK), None):
        if not runs:
            break
        places = [slots.of(run.wanted) for run in runs]
        report = decoding.run(runs, places, layout, out, stop, care=_core.Care.full)
        if len(report[4]):
            resized.append(report)
        unwritten = report[0] if layout.any_size else np.concatenate([report[0], report[4]])
        written = np.isin(samples, unwritten, invert=True)
        sound = [] if independent else _only(runs, samples[written])
        lost += [_not_confirmed(decoding, run, layout, out, slots, stop) for run in sound]
        failed = _only(runs, report[0])
        earlier = [samples_back and earlier_start(decoding.index, run, samples_back=samples_back) for run in failed]
        lost += [run.wanted for run, again in zip(failed, earlier, strict=True) if not again]
        runs = [run for run in earlier if run]
    return np.concatenate(lost), resized


def _not_confirmed(
    decoding: Decoding, run: Run, layout: AnyLayout, out: AnyArrays, slots: Slots, stop: _core.StopFlag
) -> NDArray[np.uint32]:
    """Return the wanted samples of a run that look otherwise when decoding starts earlier."""
    witness = earlier_start(decoding.index, run, samples_back=_WITNESS_SAMPLES)
    if witness is None:
        return _NONE
    different = []
    length = max(1, _WITNESS_BYTES // layout.picture_bytes)
    for first in range(0, len(run.wanted), length):
        wanted = run.wanted[first : first + length]
        again = layout.empty(len(wanted), decoding.page_pool)
        places = np.arange(len(wanted), dtype=np.int64)
        part = replace(witness, wanted=wanted)
        report = decoding.run([part], [places], layout, again, stop, care=_core.Care.witness)
        equal = ~np.isin(wanted, report[0])
        for seen, anew in zip(layout.bytes_of(out), layout.bytes_of(again), strict=True):
            equal &= (seen[slots.of(wanted)] == anew).all(axis=1)
        different.append(wanted[~equal])
    return np.concatenate(different)


def _only(runs: Sequence[Run], samples: NDArray[np.uint32]) -> list[Run]:
    """Return the runs that want some of the samples, and nothing else."""
    chosen = [replace(run, wanted=run.wanted[np.isin(run.wanted, samples)]) for run in runs]
    return [run for run in chosen if len(run.wanted)]
