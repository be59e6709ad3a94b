"""The first step: which videos the job is about, pinned in chunks that can be surveyed at the same time."""

from __future__ import annotations

import codecs
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pydantic import TypeAdapter, ValidationError

from function.errors import BadRequest, OutputConflict, SourceNotFound
from function.jobs.store import CHUNK_VIDEOS, Store, batched, listed
from function.models.incoming import json_object, wrong
from function.models.job import VIDEO_EXTENSIONS, Job, Prefix, VideoList
from function.models.job_files import (
    CUT,
    EARLIER,
    EVENTS,
    FOLDER,
    JOB,
    LISTING,
    SURVEY_EVENTS,
    Failure,
    ListedVideo,
    Listing,
    address_of,
    as_earlier,
    videos_name,
)
from function.models.job_steps import List, Survey
from function.models.places import AnyVideo, S3Object, Video
from function.models.problems import problem_list
from function.output.publish import check_bucket
from function.s3 import S3Error, get
from function.session import Session

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

MAX_VIDEOS: Final = 1_000_000
_MAX_NAME_BYTES: Final = 700  # leaves room for what is written below it
_MAX_REFUSALS: Final = 1000  # lines that are named
_MAX_SKIPPED: Final = 20  # keys that are named
_GOING_ON: Final = ("part_seconds", "concurrency", "tolerated_failure_percentage", "videos")
_VIDEO: Final[TypeAdapter[AnyVideo]] = TypeAdapter(Video)


def list_videos(request: List, session: Session) -> dict[str, Any]:
    """Writes the job, the chunks, and the events for their surveys; returns what Step Functions needs for them.

    A line of a list that is no video is a failure of its own. Raises SourceNotFound if there is no video, BadRequest
    if there are only such lines, OutputConflict if the output holds the results of another job.
    """
    job = request.job
    store = Store(session.client, job.output)
    for bucket in dict.fromkeys(place.bucket for place in job.places):
        check_bucket(session.client, bucket)
    _keep_job(store, job)
    store.put(CUT, b"")  # what an earlier run says of the parts holds no more
    chunks = videos = 0
    search = _Search(session.client, job)
    for chunk in _chunked(search.videos()):
        session.deadline.check()
        store.put_lines(videos_name(chunks), chunk)
        chunks, videos = chunks + 1, videos + len(chunk)
    if not videos:
        raise search.first_problem or SourceNotFound("videos: there are none" + _looked_for(job))
    store.put(LISTING, search.listing().line())
    surveys = [Survey(action="survey", job=job.output, chunk=chunk) for chunk in range(chunks)]
    store.put_json(SURVEY_EVENTS, [survey.event() for survey in surveys])
    return {
        "job": job.output.uri,
        "videos": videos,
        "refused": search.refused,
        "skipped": search.skipped,
        "chunks": chunks,
        "concurrency": job.concurrency,
        "tolerated_failure_percentage": job.tolerated_failure_percentage,
        "items": store.place(SURVEY_EVENTS),
    }


def _keep_job(store: Store, job: Job) -> None:
    kept: dict[str, Any] = {"job": job.document(), "events": EVENTS}
    if store.find(JOB) is not None:
        begun = store.job()
        if "events" not in store.json(JOB):  # goes on as version 1 has begun it
            job = Job.model_validate({**EARLIER, **job.document()})
            kept = {"job": as_earlier(job.document())}
        if _question(job) != _question(begun):
            raise OutputConflict(
                f"output: {store.output.uri} has the results of another job ({store.uri(JOB)}); choose another output",
                output=store.output.uri,
            )
    store.put_json(JOB, kept)


def _question(job: Job) -> dict[str, Any]:
    """The fields that make it another job. More videos, or other parts, are the same one going on."""
    return {name: value for name, value in job.document().items() if name not in _GOING_ON}


def _looked_for(job: Job) -> str:
    if not isinstance(job.videos, Prefix):
        return ""
    return f" below s3://{job.videos.bucket}/{job.videos.prefix} whose names end in {', '.join(VIDEO_EXTENSIONS)}"


def _chunked(entries: Iterator[ListedVideo]) -> Iterator[list[ListedVideo]]:
    total = 0
    for chunk in batched(entries, CHUNK_VIDEOS):
        total += len(chunk)
        if total > MAX_VIDEOS:
            raise wrong("videos", f"are more than {MAX_VIDEOS:,}; make several jobs of them")
        yield chunk


@dataclass
class _Search:
    """Finds the videos of a job, and counts what it leaves out: `refused` lines of a list, `skipped` keys."""

    client: S3Client
    job: Job
    refused: int = 0
    skipped: int = 0
    first_problem: BadRequest | None = None
    _refusals: list[Failure] = field(default_factory=list)
    _skipped_keys: list[str] = field(default_factory=list)

    def videos(self) -> Iterator[ListedVideo]:
        """Yield each video once, with a name that no other one has."""
        if isinstance(self.job.videos, Prefix):
            yield from self._below(self.job.videos)
            return
        names: set[str] = set()
        listed = self._in_list(self.job.videos.manifest) if isinstance(self.job.videos, VideoList) else self.job.videos
        for video in dict.fromkeys(listed):
            name = _name(video)
            if name in names:  # a version of one key reads like another key
                name = f"{_digest(video.model_dump_json())}-{name.rpartition('/')[2]}"
            names.add(name)
            yield ListedVideo(video=video, name=name)

    def listing(self) -> Listing:
        """Keys that were left out."""
        return Listing(
            refused=self.refused,
            refusals=tuple(self._refusals),
            skipped=self.skipped,
            skipped_keys=tuple(self._skipped_keys),
        )

    def _below(self, prefix: Prefix) -> Iterator[ListedVideo]:
        """The videos in the order of their keys, without those that this job writes."""
        own = tuple(place.key for place in self.job.places if place.bucket == prefix.bucket)
        for item in listed(self.client, prefix.bucket, prefix.prefix):
            key: str = item["Key"]
            if key.startswith(own):
                continue
            if key.rpartition(".")[2].lower() not in VIDEO_EXTENSIONS:
                if not key.endswith("/"):  # the mark of an empty folder
                    self._skip(f"s3://{prefix.bucket}/{key}")
                continue
            video = S3Object(bucket=prefix.bucket, key=key)
            name = _fitting(key.removeprefix(prefix.prefix))
            yield ListedVideo(video=video, name=name, etag=item["ETag"].strip('"'), bytes=item["Size"])

    def _in_list(self, place: S3Object) -> Iterator[AnyVideo]:
        """The videos in the order of the lines."""
        try:
            data = get(self.client, place.bucket, place.key, **place.options)
        except S3Error as failure:
            raise failure.as_source(f"videos: {place.uri}") from failure
        for number, line in enumerate(data.removeprefix(codecs.BOM_UTF8).splitlines(), 1):
            try:
                if line.strip():
                    yield _video_of(line, f"videos.manifest line {number}")
            except BadRequest as problem:
                self.first_problem = self.first_problem or problem
                self.refused += 1
                if len(self._refusals) < _MAX_REFUSALS:
                    name = f"{place.uri} line {number}"
                    self._refusals.append(Failure(video=name, code=problem.code, message=problem.message))

    def _skip(self, uri: str) -> None:
        self.skipped += 1
        if len(self._skipped_keys) < _MAX_SKIPPED:
            self._skipped_keys.append(uri)


def _video_of(line: bytes, path: str) -> AnyVideo:
    """The video of a line of a list. Raises BadRequest."""
    try:
        text = line.decode().strip()
        return _VIDEO.validate_python(json_object(text, path) if text.startswith("{") else text)
    except UnicodeDecodeError:
        raise wrong(path, "is not UTF-8") from None
    except ValidationError as error:
        raise wrong(path, problem_list(error, Job)[0]["message"]) from None


def _name(video: AnyVideo) -> str:
    if isinstance(video, S3Object):
        version = f"/{video.version_id}" if video.version_id else ""
        return _fitting(f"{video.bucket}/{video.key}{version}")
    address = address_of(video)
    end = re.sub(r"[^A-Za-z0-9._-]", "_", address.partition("?")[0].rpartition("/")[2])[-80:].strip(".")
    return f"https/{_digest(address)}-{end or 'video'}"


def _fitting(name: str) -> str:
    """The name itself, unless no key can have it below the output."""
    parts = name.split("/")
    fits = {"", ".", ".."}.isdisjoint(parts) and len(name.encode()) <= _MAX_NAME_BYTES and parts[0] + "/" != FOLDER
    return name if fits else f"{_digest(name)}-{re.sub(r'[^A-Za-z0-9._-]', '_', parts[-1])[-80:].strip('.') or 'video'}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
