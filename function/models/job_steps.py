"""The steps of a job as actions of the function, and the messages by which a survey and a part are carried out.

The process that answers Lambda sends these to the worker, and no caller does, so that a video or a piece that crashes
the decoder fails alone: `survey_range` for the videos of a chunk; `open_part`, a decode for each piece, `close_part`.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import Field, FiniteFloat

from function.models.job import Job
from function.models.job_files import JobCounters, KeptModel, PieceOutcome, PlannedPiece, VideoFailure
from function.models.places import OutputUri
from function.models.selection import Model

Number = Annotated[int, Field(ge=0)]
MAX_ATTEMPTS: Final = 5  # of a survey or a part; in the last one, what still fails has failed


class List(Model):
    """List the videos of a job and pin their versions."""

    job: Job
    action: Literal["list"]

    def event(self) -> dict[str, Any]:
        """The step as JSON values that make the same step again."""
        return {"action": self.action, "job": self.job.document()}


class JobStep(Model):
    """A step of the job whose output is `job`."""

    job: OutputUri

    def event(self) -> dict[str, Any]:
        """The step as JSON values that make the same step again."""
        return {**self.model_dump(exclude_unset=True), "job": self.job.uri}


class Survey(JobStep):
    """Index the videos of a chunk and predict what their frames cost. `attempt` counts from 0."""

    chunk: Number
    attempt: Number = 0
    action: Literal["survey"]


class Cut(JobStep):
    """Cut the work of a job into parts of equal cost."""

    action: Literal["cut"]


class PartStep(JobStep):
    """A part: its number, and where it is described among the job's parts. `attempt` counts from 0."""

    part: Number
    offset: Number
    length: Annotated[int, Field(ge=1, le=1 << 26)]
    attempt: Number = 0


class Part(PartStep):
    """Do a part of a job."""

    action: Literal["part"]


class Gather(JobStep):
    """Combine all parts of a job, and write its manifest and report."""

    action: Literal["gather"]


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
