"""The job: which videos, which frames of each, where to."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Discriminator, Field, FiniteFloat, Tag, model_validator
from pydantic_core import PydanticCustomError

from function.models.form import Results
from function.models.formats import APPLIED_FORMAT, FORMATS, PREFIX_FORMAT, REDUCTION_FORMAT, Format
from function.models.job_files import FOLDER
from function.models.places import Output, OutputUri, S3Uri, Video
from function.models.selection import Model, Range, Searched
from hwang.sources.buckets import BUCKET

MAX_LISTED: Final = 10_000  # in the job itself; a manifest or a prefix may have any number
VIDEO_EXTENSIONS: Final = ("3gp", "avi", "flv", "m2ts", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "mts", "ts", "webm")
_PREFIX = re.compile(rf"s3://({BUCKET})/(|.*/)", re.DOTALL)


class Prefix(Model):
    """All videos below `s3://bucket/prefix/`: the objects whose names end like a video's."""

    bucket: str
    prefix: str


class VideoList(Model):
    """An object of S3 with a video a line: an address, or a JSON object as an event's `video`."""

    manifest: S3Uri


def _split_prefix(value: object) -> object:
    match = _PREFIX.fullmatch(value) if isinstance(value, str) else None
    if not match:
        raise PydanticCustomError("prefix", "must be like s3://bucket/prefix/, with the slash at its end")
    return {"bucket": match[1], "prefix": match[2]}


def _kind(value: object) -> str | None:
    if isinstance(value, str | Prefix):
        return "<prefix>"
    if isinstance(value, list):
        return "<list>"
    return "<manifest>" if isinstance(value, dict | VideoList) else None


PrefixAddress = Annotated[str, Field(pattern="^s3://[^/]+/(.*/)?$", examples=["s3://bucket/prefix/"])]
Videos = Annotated[
    Annotated[Prefix, BeforeValidator(_split_prefix, json_schema_input_type=PrefixAddress), Tag("<prefix>")]
    | Annotated[list[Video], Field(min_length=1, max_length=MAX_LISTED, fail_fast=True), Tag("<list>")]
    | Annotated[VideoList, Tag("<manifest>")],
    Discriminator(
        _kind,
        custom_error_type="videos",
        custom_error_message="must be a prefix like s3://bucket/prefix/, a list of videos, "
        'or {"manifest": "s3://bucket/list.txt"}',
    ),
]


class Job(Results):
    """Frames of many videos. `frames` means the same as in a decode, of each video.

    With `outputs` its own `output` has what it keeps, its manifest and its report; each of these is a prefix too.
    """

    videos: Videos
    output: OutputUri
    part_seconds: Annotated[
        FiniteFloat, Field(ge=1, le=600, description="predicted seconds of work in one invocation")
    ] = 30.0
    concurrency: Annotated[int, Field(ge=1, le=10_000, description="most invocations at a time")] = 100
    tolerated_failure_percentage: Annotated[
        FiniteFloat, Field(ge=0, le=100, description="share of videos, and of parts, that may fail before the job does")
    ] = 0.0

    @model_validator(mode="after")
    def _fields_agree(self) -> Job:
        problem = self._result_problem()
        if self.if_exists != "replace":
            problem = "if_exists: does not apply to a job, which always goes on where it was"
        if self.outputs and not problem:
            problem = self._outputs_problem()
        if problem:
            raise PydanticCustomError("job", "{problem}", {"problem": problem})
        return self

    def _result_problem(self) -> str | None:
        if not self.output.is_prefix:
            return "output: of a job is a prefix and ends with a slash"
        if self.outputs:
            return None
        if self.format and not FORMATS[self.format].is_stored:
            return f"format: {self.format} answers are lost in a job; choose one that is written"
        return self._form_disagreement()

    def _outputs_problem(self) -> str | None:
        own = f"{self.output.uri}{FOLDER}"
        before: list[str] = []
        for at, one in enumerate(self.alone):
            uri = one.output.uri
            is_shared = uri.startswith(own) or any(uri.startswith(other) or other.startswith(uri) for other in before)
            problem = one._result_problem()
            if one.reduce:
                problem = "reduce: of many videos is one result and has none beside it; make a job of its own"
            elif is_shared and not problem:
                problem = f"output: is another's place; each needs a prefix of its own, none below another or {own}"
            if problem:
                return f"outputs[{at}].{problem}"
            before.append(uri)
        return None

    @property
    def results(self) -> list[Job]:
        """The jobs for each of the results alone, settled for its format: this one, or those of `outputs`."""
        return [one.settled(one.written_as) for one in self.alone]

    @property
    def places(self) -> list[Output]:
        """The prefixes that it writes below."""
        return [self.output, *(one.output for one in self.outputs or ())]

    @property
    def is_joined(self) -> bool:
        """True if the pieces of a video are joined in one result in the end."""
        return self.apply is not None and self.outputs is None

    @property
    def written_as(self) -> Format:
        """The format of what is written: pictures by default, as in a decode to a prefix."""
        if self.reduce:
            return REDUCTION_FORMAT
        return self.format or (APPLIED_FORMAT if self.apply else PREFIX_FORMAT)

    @property
    def piece_format(self) -> Format:
        """The format of a piece that a later step reads: without rows and times, which its manifest has."""
        return REDUCTION_FORMAT if FORMATS[self.written_as].writer == "archive" else self.written_as

    @property
    def is_divisible(self) -> bool:
        """True if a video's frames may come in several pieces.

        Not if they are to be found by looking at all of it, nor if a result is one object that nothing joins.
        """
        if isinstance(self.frames, Searched):
            return False
        return all(FORMATS[one.written_as].divisible and (self.is_joined or not one.apply) for one in self.alone)

    @property
    def piece_seconds(self) -> float:
        """The most that a piece of a video takes, so that parts made of pieces come out equal.

        Each piece has shards of its own, which shall be large.
        """
        return self.part_seconds / (1 if any(FORMATS[one.written_as].takes_shards for one in self.alone) else 8)

    def document(self) -> dict[str, Any]:
        """The job as JSON values that make the same job again."""
        plain = self.model_dump(mode="json", exclude_defaults=True, exclude={"videos", "output", "outputs", "frames"})
        whole = {**plain, "videos": self._videos(), "output": self.output.uri, "frames": self.frames_document()}
        if self.outputs:
            stated = [one.model_dump(mode="json", exclude_unset=True) for one in self.outputs]
            whole["outputs"] = [
                {**fields, "output": one.output.uri} for one, fields in zip(self.outputs, stated, strict=True)
            ]
        return whole

    def frames_document(self) -> Any:
        """The frames as an event has them."""
        frames = self.frames
        if isinstance(frames, list | str):
            return frames
        return frames.text if isinstance(frames, Range) else frames.model_dump()

    def _videos(self) -> Any:
        match self.videos:
            case Prefix(bucket=bucket, prefix=prefix):
                return f"s3://{bucket}/{prefix}"
            case VideoList(manifest=manifest):
                return {"manifest": manifest.model_dump(exclude_none=True)}
            case videos:
                return [video.model_dump(exclude_none=True) for video in videos]
