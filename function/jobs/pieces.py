"""A video's work cut into pieces of bounded cost, at the borders of its runs; pieces bundled into equal parts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from function.actions.cost import Rates, cores_of
from function.actions.limits import DecodeEstimate, check_memory
from function.frames.pictures import Shape
from function.frames.rows import Rows, resolve_rows
from function.models.job import Job
from function.models.job_files import PlannedPiece, SurveyedPiece
from function.models.selection import Searched
from hwang.index import VideoIndex
from hwang.plan import make_plan


@dataclass(frozen=True)
class Piece:
    """Some rows of a video, ascending, duplicates kept, and the seconds that they are predicted to take."""

    rows: Rows
    seconds: float

    @property
    def frames(self) -> str | list[int]:
        """The rows as an event's `frames`: a range if they are one."""
        first, last = int(self.rows[0]), int(self.rows[-1])
        if len(self.rows) == 1:
            return [first]
        steps = np.diff(self.rows)
        step = int(steps[0])
        return f"{first}:{last + 1}:{step}" if step and (steps == step).all() else self.rows.tolist()

    def surveyed(self) -> SurveyedPiece:
        """The piece as a survey describes it."""
        first, last = int(self.rows[0]), int(self.rows[-1])
        seconds = round(self.seconds, 4)
        return SurveyedPiece(frames=self.frames, first=first, last=last, count=len(self.rows), seconds=seconds)


@dataclass(frozen=True)
class VideoCost:
    """The cost of the wanted rows of one video, run by run."""

    rows: Rows
    run_of_row: Rows  # [n] ascending
    seconds_of_run: np.ndarray[tuple[int], np.dtype[np.float64]]

    @classmethod
    def of(cls, index: VideoIndex, rows: Rows, rates: Rates) -> Self:
        """The cost of these rows, in any order, duplicates kept."""
        rows = np.sort(rows)
        plan = make_plan(index, rows)
        starts = np.array([run.samples[0] for run in plan.runs], np.int64)
        run_of_row = np.searchsorted(starts, plan.sample_of_position, "right") - 1
        in_order = np.argsort(run_of_row, kind="stable")  # open GOPs and edit lists mix rows of different runs
        return cls(rows[in_order], run_of_row[in_order], rates.of_runs(index, plan))

    @property
    def seconds(self) -> float:
        """The seconds of all runs together."""
        return float(self.seconds_of_run.sum())

    def pieces(self, max_seconds: float, request_seconds: float) -> list[Piece]:
        """Pieces of equal cost, as few as keep below `max_seconds`; a run is never cut.

        Each piece is a request of its own, which takes `request_seconds` more.
        """
        wanted = math.ceil(self.seconds / max_seconds)
        piece_of_run = evenly(self.seconds_of_run, wanted)
        cuts = np.flatnonzero(np.diff(piece_of_run[self.run_of_row])) + 1
        seconds = np.bincount(piece_of_run, self.seconds_of_run, minlength=wanted)
        return [
            Piece(np.sort(rows), request_seconds + float(seconds[piece_of_run[runs[0]]]))
            for rows, runs in zip(np.split(self.rows, cuts), np.split(self.run_of_row, cuts), strict=True)
        ]


def pieces_of(index: VideoIndex, source_bytes: int, job: Job, memory: int | None) -> list[Piece]:
    """The wanted rows of a video in pieces; `memory`: bytes of the function. Raises FrameOutOfRange, LimitExceeded."""
    rows = resolve_rows(job.frames, index)
    treatment = job.settled(job.written_as)
    shape = shape_of(index, job)
    rates = Rates.of(index, shape, job.written_as, treatment, cores_of(memory))
    plan = make_plan(index, rows[:1])
    check_memory(DecodeEstimate(index, plan, shape, job.written_as, treatment, source_bytes), memory)
    cost = VideoCost.of(index, rows, rates)
    if not job.is_divisible:
        passes = 2 if isinstance(job.frames, Searched) else 1
        return [Piece(rows, rates.request + passes * cost.seconds)]
    return cost.pieces(job.piece_seconds, rates.request)


def shape_of(index: VideoIndex, job: Job) -> Shape:
    """The size of the video's frames in the job."""
    return Shape.of_request(index, job.settled(job.written_as))


def evenly(costs: np.ndarray[tuple[int], np.dtype[np.float64]], shares: int) -> Rows:
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
