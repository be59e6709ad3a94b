"""A video's work cut into pieces of bounded cost, at the borders of its runs; pieces bundled into equal parts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from function.actions.cost import Rates, Seconds, cores_of
from function.actions.limits import DecodeEstimate, check_memory
from function.frames.rows import Rows, resolve_frames
from function.models.job import Job
from function.models.job_files import PlannedPiece, SurveyedPiece
from function.models.selection import Searched
from hwang.index import VideoIndex
from hwang.plan import make_plan


@dataclass(frozen=True)
class VideoCost:
    """The cost of the wanted rows of one video, run by run."""

    rows: Rows
    run_of_row: Rows  # [n] ascending
    seconds_of_run: Seconds
    asked: Seconds | None = None

    @classmethod
    def of(cls, index: VideoIndex, rows: Rows, rates: Rates, asked: Seconds | None = None) -> Self:
        """The cost of these rows, in any order, duplicates kept. `asked`: seconds of each that its piece repeats."""
        ascending = np.argsort(rows, kind="stable")
        rows = rows[ascending]
        plan = make_plan(index, rows)
        starts = np.array([run.samples[0] for run in plan.runs], np.int64)
        run_of_row = np.searchsorted(starts, plan.sample_of_position, "right") - 1
        in_order = np.argsort(run_of_row, kind="stable")  # open GOPs and edit lists mix rows of different runs
        asked = None if asked is None else asked[ascending][in_order]
        return cls(rows[in_order], run_of_row[in_order], rates.of_runs(index, plan), asked)

    @property
    def seconds(self) -> float:
        """The seconds of all runs together."""
        return float(self.seconds_of_run.sum())

    def pieces(self, max_seconds: float, request_seconds: float) -> list[SurveyedPiece]:
        """Pieces of equal cost, as few as keep below `max_seconds`; a run is never cut.

        Each piece is a request of its own, which takes `request_seconds` more.
        """
        wanted = math.ceil(self.seconds / max_seconds)
        piece_of_run = evenly(self.seconds_of_run, wanted)
        cuts = np.flatnonzero(np.diff(piece_of_run[self.run_of_row])) + 1
        seconds = np.bincount(piece_of_run, self.seconds_of_run, minlength=wanted)
        pieces = []
        for places in np.split(np.arange(len(self.rows)), cuts):
            ascending = places[np.argsort(self.rows[places], kind="stable")]
            asked = None if self.asked is None else self.asked[ascending]
            its_seconds = float(seconds[piece_of_run[self.run_of_row[places[0]]]])
            pieces.append(make_piece(self.rows[ascending], request_seconds + its_seconds, asked))
        return pieces


def pieces_of(index: VideoIndex, source_bytes: int, job: Job, memory: int | None) -> list[SurveyedPiece]:
    """The wanted rows of a video in pieces; `memory`: bytes of the function. Raises FrameOutOfRange, LimitExceeded."""
    found = resolve_frames(job.frames, index)
    plan = make_plan(index, found.rows[:1])
    estimate = DecodeEstimate.together(
        [DecodeEstimate.of(index, plan, one.written_as, one, source_bytes) for one in job.results]
    )
    check_memory(estimate, memory)
    rates = Rates.of_decode(estimate, cores_of(memory))
    cost = VideoCost.of(index, found.rows, rates, None if job.reduce else found.asked)
    if not job.is_divisible:
        passes = 2 if isinstance(job.frames, Searched) else 1
        return [make_piece(found.rows, rates.request + passes * cost.seconds)]
    return cost.pieces(job.piece_seconds, rates.request)


def make_piece(rows: Rows, seconds: float, asked: Seconds | None = None) -> SurveyedPiece:
    """The piece of these rows, ascending, duplicates kept; its frames are a range if the rows are one."""
    first, last = int(rows[0]), int(rows[-1])
    step = int(rows[1]) - first if len(rows) > 1 else 0
    is_range = step > 0 and (np.diff(rows) == step).all()
    return SurveyedPiece(
        frames=f"{first}:{last + 1}:{step}" if is_range else rows.tolist(),
        first=first,
        last=last,
        count=len(rows),
        seconds=round(seconds, 4),
        **({} if asked is None else {"asked": asked.tolist()}),
    )


def evenly(costs: Seconds, shares: int) -> Rows:
    """int64 [n], ascending: the share, of `shares` equal ones, that holds the middle of each cost as they follow."""
    total = float(costs.sum())
    if not total:
        return np.zeros(len(costs), np.int64)
    middles = np.cumsum(costs) - costs / 2
    return np.minimum(middles * (shares / total), shares - 1).astype(np.int64)


def bundles(pieces: Iterable[PlannedPiece], seconds: float, parts: int) -> Iterator[list[PlannedPiece]]:
    """The pieces in their order, in about `parts` lists of equal `seconds`: the middle of a piece decides its list."""
    share = seconds / parts if seconds else math.inf
    bundle: list[PlannedPiece] = []
    number, before = 0, 0.0
    for piece in pieces:
        at = min(int((before + piece.seconds / 2) / share), parts - 1)
        if bundle and at != number:
            yield bundle
            bundle = []
        bundle.append(piece)
        number, before = at, before + piece.seconds
    if bundle:
        yield bundle
