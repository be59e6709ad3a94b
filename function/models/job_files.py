"""The files that a job keeps below its output: the key of each, and what it holds.

| key below the output      | holds                                               | written by | read by             |
|---------------------------|-----------------------------------------------------|------------|---------------------|
| _job/job.json             | {"job": the job's document}                         | list       | every later step    |
| _job/videos/NNNNNN.jsonl  | a ListedVideo a line                                | list       | survey              |
| _job/listing.json         | Listing                                             | list       | gather              |
| _job/surveys.json         | the events of the surveys, a list                   | list       | Step Functions, cut |
| _job/surveys/NNNNNN.jsonl | a SurveySummary, then a SurveyedVideo a line        | survey     | cut, gather         |
| _job/parts.jsonl          | a PlannedPart a line                                | cut        | part, gather        |
| _job/parts.json           | the events of the parts that are to do, a list      | cut        | Step Functions      |
| _job/cut.json             | CutSummary; empty from list to cut                  | list, cut  | gather              |
| _job/done/MARKER.json     | PartResult; MARKER is the digest of the part's line | part       | cut, part, gather   |
| _job/failed/MARKER.json   | PartResult of a part of which some pieces failed    | part       | part, gather        |
| _job/pieces/…             | what is joined, or combined, in the end             | part       | part, gather        |
| _job/partials/MARKER.npy  | the part's share of a reduction                     | part       | gather              |
| _job/summary.json         | JobManifest, of complete and incomplete jobs        | gather     | report              |
| _manifest.json            | JobManifest, once the job is complete enough        | gather     | report, callers     |

All are of version 1, which no file names: fields are only ever added, with a default, and unknown ones are ignored, so
that a job goes on under an earlier or a later version of the function. Anything else needs another FOLDER.
What changed with version 2 of the events is EARLIER: a job that version 1 has begun goes on as it would have.
A part is done if there is a result under the digest of its line, so PlannedPart's bytes must not change either, and if
what that names is there: Store.result. What a part with failed pieces has done is kept below failed/, so that another
run of the job tries those pieces again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Annotated, Any, Final, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, ValidationError

from function.errors import CorruptMedia
from function.models.places import AnyVideo, Url, Video
from function.models.result import Partial, Written

T = TypeVar("T")
FOLDER: Final = "_job/"
JOB: Final = "job.json"
LISTING: Final = "listing.json"
SURVEY_EVENTS: Final = "surveys.json"
PARTS: Final = "parts.jsonl"
PART_EVENTS: Final = "parts.json"
CUT: Final = "cut.json"
DONE: Final = "done/"
FAILED: Final = "failed/"
PIECES: Final = "pieces/"
SUMMARY: Final = "summary.json"
MANIFEST: Final = "_manifest.json"  # beside FOLDER, among the results
REPORT: Final = "report.html"  # likewise

EVENTS: Final = 2  # version of the events that a job's file is of; version 1 does not name it
EARLIER: Final = {"rotate": False, "tone": "stored"}
"""Values of the fields that a job of version 1, or the request of its piece, leaves out."""

_END_OF_DATES: Final = 253_402_300_800  # the year 10,000
Moment = Annotated[float, Field(ge=0, lt=_END_OF_DATES)]  # seconds since 1970
Amount = Annotated[float, Field(ge=0, le=1e15)]
Number = Annotated[int, Field(ge=0, le=10**18)]
KeptVideo = Annotated[Video, PlainSerializer(lambda video: video.model_dump(exclude_none=True))]


def videos_name(chunk: int) -> str:
    """The file of the videos of a chunk."""
    return f"videos/{chunk:06d}.jsonl"


def survey_name(chunk: int) -> str:
    """The file of what a chunk's survey has found."""
    return f"surveys/{chunk:06d}.jsonl"


def as_earlier(job: dict[str, Any]) -> dict[str, Any]:
    """The document of a job as version 1 wrote it."""
    return {name: value for name, value in job.items() if name not in EARLIER or value != EARLIER[name]}


def rows_name(video: SurveyedVideo, piece: SurveyedPiece) -> str:
    """The end of the name of a piece's result; empty if it is the only piece of its video."""
    return "" if len(video.pieces) == 1 else f"/rows-{piece.first:08d}"


def marker(line: bytes) -> str:
    """32 hexadecimal digits that name the part of this line, wherever it stands among the parts."""
    return hashlib.sha256(line.strip()).hexdigest()[:32]


def done_name(line: bytes) -> str:
    """The file of the result of the part of this line."""
    return f"{DONE}{marker(line)}.json"


def failed_name(line: bytes) -> str:
    """The file of the result of the part of this line, of which some pieces failed."""
    return f"{FAILED}{marker(line)}.json"


def partial_name(line: bytes) -> str:
    """The file of the share of a reduction of the part of this line."""
    return f"partials/{marker(line)}.npy"


def spread(items: Sequence[T], limit: int) -> list[T]:
    """At most `limit` of the items, evenly spread, in order."""
    number = min(limit, len(items))
    return [items[(2 * i + 1) * len(items) // (2 * number)] for i in range(number)]


def address_of(video: AnyVideo) -> str:
    """The s3:// or web address of a video, without its version."""
    return video.url if isinstance(video, Url) else video.uri


class KeptModel(BaseModel):
    """Base of everything that a job keeps: immutable, unknown fields ignored, no number that is none."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False, defer_build=True)

    @classmethod
    def read(cls, data: bytes, uri: str) -> Self:
        """The JSON as this model. Raises CorruptMedia if it is something else."""
        try:
            return cls.model_validate_json(data)
        except ValidationError:
            raise CorruptMedia(f"job: {uri} is not what a job keeps there; remove it and run the job again") from None

    def document(self) -> dict[str, Any]:
        """The fields that were given, as JSON values."""
        return self.model_dump(exclude_unset=True)

    def line(self) -> bytes:
        """The fields that were given, as JSON on one line."""
        return json.dumps(self.document()).encode()


class ListedVideo(KeptModel):
    """A video of the job. `name`: of its results below the output; `etag` and `bytes` if a listing returned them."""

    video: KeptVideo
    name: str
    etag: str = ""
    bytes: int | None = None


class SurveyedPiece(KeptModel):
    """Rows of a video, `first` to `last`, and the seconds that they are predicted to take. `frames`: as in an event.

    `asked`: of each row, the seconds that were asked for, if the job names times.
    """

    frames: Any
    first: int
    last: int
    count: int
    seconds: float
    asked: tuple[float, ...] | None = None


class VideoFailure(KeptModel):
    """The reason why a video has no pieces: an error's code and message. `retryable`: another attempt may go better."""

    code: str
    message: str
    retryable: bool = False


class SurveyedVideo(ListedVideo):
    """A video and its pieces, or its failure. `frame`: width and height of its frames in a reduction over frames."""

    pieces: tuple[SurveyedPiece, ...] = ()
    frame: tuple[int, int] | None = None
    failure: VideoFailure | None = None

    @property
    def seconds(self) -> float:
        """The seconds that all its pieces are predicted to take."""
        return sum(piece.seconds for piece in self.pieces)


class SurveySummary(KeptModel):
    """The first line of a survey. `version`: digest of the job and of the chunk's file; `seconds`: predicted."""

    version: str
    videos: int
    seconds: float


class PlannedPiece(KeptModel):
    """A piece: the decode's event, the ETag of its video, its first and last row and its predicted seconds."""

    request: dict[str, Any]
    etag: str
    first: int
    last: int
    seconds: float


class PlannedPart(KeptModel):
    """The pieces of one invocation, and the seconds that they are predicted to take together."""

    seconds: float
    pieces: tuple[PlannedPiece, ...]


class FilePlace(KeptModel):
    """A file of the job as Step Functions' item reader takes it."""

    bucket: str
    key: str


class CutSummary(KeptModel):
    """The answer of the step that cuts; `to_do` of the `parts` have no result yet. `items`: their events."""

    job: str
    parts: int
    pieces: int
    to_do: int
    seconds: float
    concurrency: int
    tolerated_failure_percentage: float
    items: FilePlace
    chunks: int


class JobCounters(KeptModel):
    """The requests' counters, summed."""

    bytes_read: Number = 0
    requests: Number = 0
    samples_decoded: Number = 0
    samples_skipped: Number = 0
    frames_decoded: Number = 0

    def __add__(self, other: JobCounters) -> JobCounters:
        return JobCounters(**{name: getattr(self, name) + getattr(other, name) for name in JobCounters.model_fields})


class Combined(KeptModel):
    """The result of a reduction, of a part or of the job; empty if there was none."""

    partial: Partial | None = None
    output: tuple[Written, ...] = ()
    reduced: int | float | None = None


class PieceFailed(KeptModel):
    """A piece that failed in the last attempt."""

    video: KeptVideo
    first: int
    last: int
    code: str
    message: str


class PieceDone(KeptModel):
    """A piece that was decoded. `output` has the addresses of some of its objects."""

    video: KeptVideo
    first: int
    last: int
    frames: Number
    manifest: str
    objects: Number
    output: tuple[str, ...]
    bytes_written: Number
    counters: JobCounters
    milliseconds: dict[str, float] = {}
    partial: Partial | None = None


PieceOutcome = PieceDone | PieceFailed


class PartResult(Combined):
    """The result of a part, in the attempt that finished it. `started`, `ended`: seconds since 1970."""

    attempts: Number
    started: Moment
    ended: Moment
    predicted_seconds: Amount
    worker: str
    milliseconds: dict[str, float]
    counters: JobCounters
    frames: Number
    pieces: tuple[PieceOutcome, ...]

    @property
    def failed(self) -> int:
        """The number of pieces that failed."""
        return sum(isinstance(piece, PieceFailed) for piece in self.pieces)


class TimelinePart(KeptModel):
    """One part as the manifest lists it: when it ran, where, and what it did."""

    part: Number
    attempts: Number = 1
    started: Moment
    ended: Moment
    predicted_seconds: Amount = 0
    worker: str = ""
    milliseconds: dict[str, Amount] = {}
    frames: Number = 0
    bytes_read: Number = 0
    requests: Number = 0
    samples_decoded: Number = 0
    pieces: Number = 0
    failed: Number = 0

    @property
    def seconds(self) -> float:
        """Seconds on the clock; not below 0, though clocks may have been set between."""
        return max(0.0, self.ended - self.started)


class PieceResult(KeptModel):
    """One decoded piece as the manifest lists it: rows of one video."""

    video: str
    part: Number | None = None
    first: Number | None = None
    last: Number | None = None
    frames: Number = 0
    manifest: str | None = None
    objects: Number = 0
    output: tuple[str, ...] = ()


class Failure(KeptModel):
    """A video that could not be surveyed, or a piece that failed."""

    video: str
    part: Number | None = None
    first: Number | None = None
    last: Number | None = None
    code: str
    message: str = ""


class Listing(KeptModel):
    """The lines of a list that are no videos, and the keys below a prefix whose extension is not a video's.

    `refusals` are the first thousand lines, `skipped_keys` the addresses of the first keys.
    """

    refused: Number = 0
    refusals: tuple[Failure, ...] = ()
    skipped: Number = 0
    skipped_keys: tuple[str, ...] = ()


class JobSeconds(KeptModel):
    """Seconds of work: predicted, and between the start and the end of each part."""

    predicted: Amount = 0
    worked: Amount = 0


class JobManifest(Combined):
    """A job's request and what came of it. `complete`: without any failure; parts without a result are `missing`.

    `failures` are the first 10,000 of all; a report's `results` may be some of all, evenly spread. `skipped` counts the
    keys below the prefix that are no videos, `skipped_keys` are the addresses of the first.
    """

    job: str
    request: dict[str, Any] = {}
    complete: bool
    started: Moment | None = None
    ended: Moment | None = None
    videos: Number
    failed_videos: Number | None = None
    parts: Number
    missing_parts: Number = 0
    pieces: Number = 0
    frames: Number = 0
    objects: Number = 0
    bytes_written: Number = 0
    bytes_in_files: Number = 0
    counters: JobCounters = Field(default_factory=JobCounters)
    seconds: JobSeconds = Field(default_factory=JobSeconds)
    attempts: Number = 0
    timeline: tuple[TimelinePart, ...]
    results: tuple[PieceResult, ...] = ()
    failures: tuple[Failure, ...] = ()
    missing: tuple[Number, ...] = ()
    skipped: Number = 0
    skipped_keys: tuple[str, ...] = ()

    @property
    def failed(self) -> int:
        """The number of videos that failed."""
        return self.failed_videos if self.failed_videos is not None else len({one.video for one in self.failures})

    def is_tolerable(self, tolerated_percentage: float) -> bool:
        """True if no more videos failed and no more parts are missing than this percentage of each."""
        return (
            len(self.missing) * 100 <= tolerated_percentage * self.parts
            and self.failed * 100 <= tolerated_percentage * self.videos
        )
