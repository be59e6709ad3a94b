"""A job's manifest as far as the report tells it; what it does not need is not looked at."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

_END_OF_DATES: Final = 253_402_300_800  # the year 10,000
Moment = Annotated[float, Field(ge=0, lt=_END_OF_DATES)]  # seconds since 1970
Amount = Annotated[float, Field(ge=0, le=1e15)]
Number = Annotated[int, Field(ge=0, le=10**18)]


class NotAManifest(ValueError):  # noqa: N818 - it says what is wrong
    """The document is not a job's manifest; the message names the field that shows it."""


class Told(BaseModel):
    """What a document tells: never changed, the unknown ignored, no number that is none."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Seconds(Told):
    predicted: Amount = 0
    worked: Amount = 0


class Counters(Told):
    bytes_read: Number = 0
    requests: Number = 0
    samples_decoded: Number = 0
    samples_skipped: Number = 0
    frames_decoded: Number = 0


class Part(Told):
    """One invocation's work, in the attempt that did it."""

    part: Number
    attempts: Number = 1
    started: Moment
    ended: Moment
    predicted_seconds: Amount = 0
    worker: str = ""
    milliseconds: dict[str, Amount] = {}
    bytes_read: Number = 0
    frames: Number = 0
    pieces: Number = 0
    failed: Number = 0

    @property
    def seconds(self) -> float:
        """On the clock. Not below 0, though clocks may have been set between."""
        return max(0.0, self.ended - self.started)

    @property
    def worked_seconds(self) -> float:
        """What the prediction is about: its pieces' work."""
        total = self.milliseconds.get("total")
        return self.seconds if total is None else total / 1000


class Result(Told):
    """One piece's: rows of one video."""

    video: str
    first: Number | None = None
    last: Number | None = None
    frames: Number = 0
    part: Number | None = None
    manifest: str | None = None
    output: tuple[str, ...] = ()
    objects: Number = 0


class Failure(Told):
    video: str
    code: str
    message: str = ""
    part: Number | None = None
    first: Number | None = None
    last: Number | None = None


class Partial(Told):
    reduce: str
    frames: Number


class Object(Told):
    """An object that was written."""

    uri: str
    bytes: Number = 0
    shape: tuple[Number, ...] | None = None
    dtype: str | None = None
    row: Number | None = None


class Manifest(Told):
    """Of a job. `parts` that have no result are `missing`.

    `complete` is a job without any failure; `results` and `failures` of very large jobs are a part of all.
    """

    job: str
    request: dict[str, Any] = {}
    complete: bool
    started: Moment | None = None
    ended: Moment | None = None
    videos: Number
    failed_videos: Number | None = None
    parts: Number
    pieces: Number = 0
    frames: Number = 0
    objects: Number = 0
    bytes_written: Number = 0
    bytes_in_files: Number = 0
    counters: Counters = Counters()
    seconds: Seconds = Seconds()
    attempts: Number = 0
    reduced: int | float | None = None
    partial: Partial | None = None
    output: tuple[Object, ...] = ()
    timeline: tuple[Part, ...]
    results: tuple[Result, ...] = ()
    failures: tuple[Failure, ...] = ()
    missing: tuple[Number, ...] = ()

    @property
    def wall_seconds(self) -> float:
        """From the first part's start to the last one's end."""
        if self.started is None or self.ended is None:
            return 0.0
        return max(0.0, self.ended - self.started)

    @property
    def busy_seconds(self) -> float:
        """Of all workers together."""
        return sum(part.seconds for part in self.timeline)

    @property
    def retries(self) -> int:
        """Attempts beyond the first of each part that has a result."""
        return sum(max(0, part.attempts - 1) for part in self.timeline)

    @cached_property
    def failed(self) -> int:
        """Videos."""
        return self.failed_videos if self.failed_videos is not None else len({one.video for one in self.failures})

    @property
    def is_tolerable(self) -> bool:
        """Whether no more is missing or failed than the job tolerates."""
        tolerated = self.request.get("tolerated_failure_percentage", 0)
        share = tolerated / 100 if isinstance(tolerated, int | float) else 0
        return len(self.missing) <= share * self.parts and self.failed <= share * self.videos

    @property
    def done_pieces(self) -> int:
        return self.pieces - sum(part.failed for part in self.timeline)


def parse_manifest(document: Mapping[str, Any]) -> Manifest:
    """The manifest. Raises NotAManifest."""
    try:
        return Manifest.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise NotAManifest(f"this is not the manifest of a job: {place or 'it'}: {first['msg']}") from None
