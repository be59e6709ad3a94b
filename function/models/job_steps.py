"""The steps of a job as actions of the function."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, FiniteFloat

from function.models.job import Job
from function.models.places import OutputUri
from function.models.selection import Model

Number = Annotated[int, Field(ge=0)]


class List(Model):
    """Pin down which videos the job is about."""

    job: Job
    action: Literal["list"]


class Survey(Model):
    """Index the videos of a chunk and predict what their frames cost. `job`: the job's output."""

    job: OutputUri
    chunk: Number
    action: Literal["survey"]


class Cut(Model):
    """Make parts of equal cost."""

    job: OutputUri
    action: Literal["cut"]


class PartPlace(Model):
    """A part: its number, and where it is described among the job's parts. `attempt` counts from 0."""

    job: OutputUri
    part: Number
    offset: Number
    length: Annotated[int, Field(ge=1, le=1 << 26)]
    attempt: Number = 0


class Part(PartPlace):
    """Do a part of a job."""

    action: Literal["part"]


class OpenPart(PartPlace):
    """The pieces of a part, or its result if it has been done; a step of `part`."""

    action: Literal["open_part"]


class ClosePart(PartPlace):
    """Keep what has become of a part's pieces; a step of `part`. `started`: seconds since 1970."""

    started: FiniteFloat
    outcomes: list[dict[str, Any]]
    action: Literal["close_part"]


class Gather(Model):
    """Make one result of all parts."""

    job: OutputUri
    action: Literal["gather"]
