"""The messages about a part between the process that answers Lambda and the worker: no caller sends them.

A part is carried out from outside the worker, so that a piece that crashes the decoder fails alone: `open_part`, a
decode for each piece, `close_part`.
"""

from __future__ import annotations

from typing import Literal

from pydantic import FiniteFloat

from function.models.job_files import JobCounters, KeptModel, PieceOutcome, PlannedPiece
from function.models.job_steps import PartStep


class OpenPart(PartStep):
    """Ask for the pieces of a part, or for its result if it has been done."""

    action: Literal["open_part"]


class ClosePart(PartStep):
    """Keep the outcomes of a part's pieces. `started`: seconds since 1970."""

    started: FiniteFloat
    outcomes: list[PieceOutcome]
    action: Literal["close_part"]


class OpenedPart(KeptModel):
    """The pieces of a part that has no result yet."""

    to_do: tuple[PlannedPiece, ...]


class PartAnswer(KeptModel):
    """The answer of a part: little, as Step Functions carries on very many of them. `kept`: it had been done before."""

    part: int
    pieces: int
    failed: int
    frames: int
    attempts: int
    milliseconds: dict[str, float]
    counters: JobCounters
    kept: bool = False
