"""The steps of a job as actions of the function."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import Field

from function.models.job import Job
from function.models.places import OutputUri
from function.models.selection import Model

Number = Annotated[int, Field(ge=0)]
MAX_ATTEMPTS: Final = 5  # of a survey or a part; in the last one, what still fails has failed


class List(Model):
    """Pin down which videos the job is about."""

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
    """Make parts of equal cost."""

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
    """Make one result of all parts."""

    action: Literal["gather"]
