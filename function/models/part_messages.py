"""The messages about surveys and parts between the process that answers Lambda and the worker: no caller sends them.

Both are carried out from outside the worker, so that a video or a piece that crashes the decoder fails alone:
`survey_range` for the videos of a chunk; `open_part`, a decode for each piece, `close_part`.
"""

from __future__ import annotations

from typing import Literal

from pydantic import FiniteFloat

from function.models.job_files import JobCounters, KeptModel, PieceOutcome, PlannedPiece, VideoFailure
from function.models.job_steps import JobStep, Number, PartStep


class SurveyRange(JobStep):
    """Survey the videos `start` to `stop`, exclusive, of a chunk that have no pieces yet, and keep what is found.

    `again`: only those that failed before with an error that may pass, and each with all the time that is left.
    `failure`: keep it for these videos instead, as they cannot be surveyed.
    """

    chunk: Number
    start: Number
    stop: Number
    again: bool = False
    failure: VideoFailure | None = None
    action: Literal["survey_range"]


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


class SurveyAnswer(KeptModel):
    """The answer of a survey. `passing`: of the failures, those that another attempt may mend."""

    chunk: int
    videos: int
    failed: int
    passing: int
    seconds: float
