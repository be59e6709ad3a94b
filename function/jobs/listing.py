"""The first step: which videos the job is about, pinned in chunks that can be surveyed at the same time."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from pydantic import TypeAdapter, ValidationError

from function.errors import OutputConflict, SourceNotFound
from function.jobs.store import Store, batched, listed
from function.models.incoming import json_object, wrong
from function.models.job import VIDEO_EXTENSIONS, Job, Prefix, VideoList
from function.models.job_files import FOLDER, JOB, SURVEY_EVENTS, ListedVideo, address_of, videos_name
from function.models.job_steps import List, Survey
from function.models.places import AnyVideo, S3Object, Video
from function.models.problems import problem_list
from function.output.publish import check_bucket
from function.s3 import S3Error, get
from function.session import Session

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

MAX_VIDEOS: Final = 1_000_000
_CHUNK_VIDEOS: Final = 250  # that one survey looks at
_MAX_NAME_BYTES: Final = 700  # leaves room for what is written below it
_GOING_ON: Final = ("part_seconds", "concurrency", "tolerated_failure_percentage", "videos")
_VIDEO: Final[TypeAdapter[AnyVideo]] = TypeAdapter(Video)


def list_videos(request: List, session: Session) -> dict[str, Any]:
    """Writes the job, the chunks, and the events for their surveys; returns what Step Functions needs for them.

    Raises SourceNotFound if there is no video, OutputConflict if the output holds the results of another job.
    """
    job = request.job
    store = Store(session.client, job.output)
    check_bucket(session.client, job.output.bucket)
    _keep_job(store, job)
    chunks = videos = 0
    for chunk in _chunked(_entries(session.client, job)):
        session.deadline.check()
        store.put_lines(videos_name(chunks), chunk)
        chunks, videos = chunks + 1, videos + len(chunk)
    if not videos:
        raise SourceNotFound("videos: there are none" + _looked_for(job))
    surveys = [Survey(action="survey", job=job.output, chunk=chunk) for chunk in range(chunks)]
    store.put_json(SURVEY_EVENTS, [survey.event() for survey in surveys])
    return {
        "job": job.output.uri,
        "videos": videos,
        "chunks": chunks,
        "concurrency": job.concurrency,
        "tolerated_failure_percentage": job.tolerated_failure_percentage,
        "items": store.place(SURVEY_EVENTS),
    }


def _keep_job(store: Store, job: Job) -> None:
    if store.find(JOB) is not None and _question(job) != _question(store.job()):
        raise OutputConflict(
            f"output: {store.output.uri} has the results of another job ({store.uri(JOB)}); choose another output",
            output=store.output.uri,
        )
    store.put_json(JOB, {"job": job.document()})


def _question(job: Job) -> dict[str, Any]:
    """The fields that make it another job. More videos, or other parts, are the same one going on."""
    return {name: value for name, value in job.document().items() if name not in _GOING_ON}


def _looked_for(job: Job) -> str:
    if not isinstance(job.videos, Prefix):
        return ""
    return f" below s3://{job.videos.bucket}/{job.videos.prefix} whose names end in {', '.join(VIDEO_EXTENSIONS)}"


def _chunked(entries: Iterator[ListedVideo]) -> Iterator[list[ListedVideo]]:
    total = 0
    for chunk in batched(entries, _CHUNK_VIDEOS):
        total += len(chunk)
        if total > MAX_VIDEOS:
            raise wrong("videos", f"are more than {MAX_VIDEOS:,}; make several jobs of them")
        yield chunk


def _entries(client: S3Client, job: Job) -> Iterator[ListedVideo]:
    if isinstance(job.videos, Prefix):
        yield from _below(client, job.videos, job)
        return
    videos = _in_list(client, job.videos.manifest) if isinstance(job.videos, VideoList) else job.videos
    for video in dict.fromkeys(videos):
        yield ListedVideo(video=video, name=_name(video))


def _below(client: S3Client, prefix: Prefix, job: Job) -> Iterator[ListedVideo]:
    """The videos in the order of their keys, without those that this job writes."""
    own = job.output.key if job.output.bucket == prefix.bucket else None
    for item in listed(client, prefix.bucket, prefix.prefix):
        key: str = item["Key"]
        if key.rpartition(".")[2].lower() not in VIDEO_EXTENSIONS or (own is not None and key.startswith(own)):
            continue
        video = S3Object(bucket=prefix.bucket, key=key)
        name = _fitting(key.removeprefix(prefix.prefix))
        yield ListedVideo(video=video, name=name, etag=item["ETag"].strip('"'), bytes=item["Size"])


def _in_list(client: S3Client, place: S3Object) -> Iterator[AnyVideo]:
    """The videos in the order of the lines."""
    try:
        data = get(client, place.bucket, place.key, **place.options)
    except S3Error as failure:
        raise failure.as_source(f"videos: {place.uri}") from failure
    for number, line in enumerate(data.splitlines(), 1):
        path = f"videos.manifest line {number}"
        try:
            text = line.decode().strip()
            if text:
                yield _VIDEO.validate_python(json_object(text, path) if text.startswith("{") else text)
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
