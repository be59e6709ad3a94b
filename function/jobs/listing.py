"""The first step: which videos the job is about, pinned in chunks that can be surveyed at the same time."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pydantic import TypeAdapter, ValidationError

from function.errors import BadRequest, OutputConflict, SourceNotFound, SourceUnavailable
from function.jobs.chunks import CHUNK, chunk_name
from function.jobs.store import Store, batched, listed
from function.models.incoming import json_object, wrong
from function.models.job import VIDEO_EXTENSIONS, Job, Manifest, Prefix
from function.models.job_steps import List
from function.models.places import S3Object, Url, Video
from function.models.problems import problem_list
from function.output.publish import check_bucket
from function.s3 import Fault, S3Error, get
from function.session import Session

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

JOB: Final = "job.json"
ITEMS: Final = "surveys.json"
MOST_VIDEOS: Final = 1_000_000
_LONGEST_NAME_BYTES: Final = 700  # leaves room for what is written below it
_GOING_ON: Final = ("part_seconds", "concurrency", "tolerated_failure_percentage", "videos")
_VIDEO: Final[TypeAdapter[S3Object | Url]] = TypeAdapter(Video)


@dataclass(frozen=True)
class Entry:
    """A video of the job. `name`: of its results below the output; `etag` and `bytes` where a listing told them."""

    video: S3Object | Url
    name: str
    etag: str = ""
    bytes: int | None = None

    def document(self) -> dict[str, Any]:
        video = self.video.model_dump(exclude_none=True)
        told = {"etag": self.etag, "bytes": self.bytes} if self.etag else {}
        return {"video": video, "name": self.name, **told}


def list_videos(request: List, session: Session) -> dict[str, Any]:
    """Writes the job, the chunks, and the events for their surveys; answers what Step Functions needs for them.

    Raises SourceNotFound if there is no video, OutputConflict if the output holds the results of another job.
    """
    job = request.job
    store = Store(session.client, job.output)
    check_bucket(session.client, job.output.bucket)
    _keep_job(store, job)
    chunks = videos = 0
    for chunk in _chunked(_entries(session.client, job)):
        session.deadline.check()
        store.put_lines(chunk_name(chunks), (entry.document() for entry in chunk))
        chunks, videos = chunks + 1, videos + len(chunk)
    if not videos:
        raise SourceNotFound("videos: there are none" + _looked_for(job))
    uri = job.output.uri
    store.put_json(ITEMS, [{"action": "survey", "job": uri, "chunk": chunk} for chunk in range(chunks)])
    return {
        "job": uri,
        "videos": videos,
        "chunks": chunks,
        "concurrency": job.concurrency,
        "tolerated_failure_percentage": job.tolerated_failure_percentage,
        "items": store.place(ITEMS),
    }


def read_job(store: Store) -> Job:
    """As the first step has kept it. Raises SourceNotFound, BadRequest."""
    document = store.get_json(JOB)
    try:
        return Job.model_validate(document["job"])
    except (ValidationError, KeyError, TypeError):
        raise BadRequest(f"job: {store.uri(JOB)} is not a job of this version; start it again", problems=[]) from None


def job_document(job: Job) -> dict[str, Any]:
    """The job as JSON that makes the same job again."""
    plain = job.model_dump(mode="json", exclude_defaults=True, exclude={"videos", "output", "frames"})
    return {**plain, **_spelled(job)}


def _spelled(job: Job) -> dict[str, Any]:
    """The fields whose models do not read what they write."""
    videos: Any
    match job.videos:
        case Prefix(bucket=bucket, prefix=prefix):
            videos = f"s3://{bucket}/{prefix}"
        case Manifest() as manifest:
            videos = {"manifest": manifest.manifest.model_dump(exclude_none=True)}
        case entries:
            videos = [entry.model_dump(exclude_none=True) for entry in entries]
    return {"videos": videos, "output": job.output.uri, "frames": frames_document(job)}


def frames_document(job: Job) -> Any:
    frames = job.frames
    if isinstance(frames, list):
        return frames
    document = frames.model_dump()
    if "step" not in document:
        return document
    stop = "" if document["stop"] is None else document["stop"]
    return f"{document['start']}:{stop}:{document['step']}"


def _keep_job(store: Store, job: Job) -> None:
    document = {"job": job_document(job)}
    before = store.find(JOB)
    if before is not None and _asked(job) != _asked(read_job(store)):
        raise OutputConflict(
            f"output: {store.output.uri} has the results of another job ({store.uri(JOB)}); choose another output",
            output=store.output.uri,
        )
    store.put_json(JOB, document)


def _asked(job: Job) -> dict[str, Any]:
    """What makes it another job. More videos, or other parts, are the same one going on."""
    return {name: value for name, value in job_document(job).items() if name not in _GOING_ON}


def _looked_for(job: Job) -> str:
    if not isinstance(job.videos, Prefix):
        return ""
    return f" below s3://{job.videos.bucket}/{job.videos.prefix} whose names end in {', '.join(VIDEO_EXTENSIONS)}"


def _chunked(entries: Iterator[Entry]) -> Iterator[list[Entry]]:
    total = 0
    for chunk in batched(entries, CHUNK):
        total += len(chunk)
        if total > MOST_VIDEOS:
            raise wrong("videos", f"are more than {MOST_VIDEOS:,}; make several jobs of them")
        yield chunk


def _entries(client: S3Client, job: Job) -> Iterator[Entry]:
    match job.videos:
        case Prefix() as prefix:
            yield from _below(client, prefix, job)
        case Manifest(manifest=place):
            for video in _in_manifest(client, place):
                yield Entry(video, _name(video))
        case videos:
            for video in dict.fromkeys(videos):
                yield Entry(video, _name(video))


def _below(client: S3Client, prefix: Prefix, job: Job) -> Iterator[Entry]:
    """In the order of their keys. What this job writes is not among them."""
    own = job.output.key if job.output.bucket == prefix.bucket else None
    for item in listed(client, prefix.bucket, prefix.prefix):
        key: str = item["Key"]
        if key.rpartition(".")[2].lower() not in VIDEO_EXTENSIONS or (own is not None and key.startswith(own)):
            continue
        video = S3Object(bucket=prefix.bucket, key=key)
        yield Entry(video, _fitting(key.removeprefix(prefix.prefix)), item["ETag"].strip('"'), item["Size"])


def _in_manifest(client: S3Client, place: S3Object) -> Iterator[S3Object | Url]:
    """Each once, in the order of the lines."""
    version: Any = {"VersionId": place.version_id} if place.version_id else {}
    try:
        data = get(client, place.bucket, place.key, **version)
    except S3Error as failure:
        kind = SourceNotFound if failure.fault is Fault.NOT_FOUND else SourceUnavailable
        raise kind(f"videos: {place.uri} {failure}", cause=failure.cause) from failure
    seen: set[S3Object | Url] = set()
    for number, line in enumerate(data.splitlines(), 1):
        path = f"videos.manifest line {number}"
        try:
            text = line.decode().strip()
            video = _VIDEO.validate_python(json_object(text, path) if text.startswith("{") else text) if text else None
        except UnicodeDecodeError:
            raise wrong(path, "is not UTF-8") from None
        except ValidationError as error:
            raise wrong(path, problem_list(error, Job)[0]["message"]) from None
        if video and video not in seen:
            seen.add(video)
            yield video


def _name(video: S3Object | Url) -> str:
    if isinstance(video, S3Object):
        version = f"/{video.version_id}" if video.version_id else ""
        return _fitting(f"{video.bucket}/{video.key}{version}")
    end = re.sub(r"[^A-Za-z0-9._-]", "_", video.url.partition("?")[0].rpartition("/")[2])[-80:].strip(".")
    return f"https/{_digest(video.url)}-{end or 'video'}"


def _fitting(name: str) -> str:
    """The name itself, unless no key can have it below the output."""
    parts = name.split("/")
    fits = {"", ".", ".."}.isdisjoint(parts) and len(name.encode()) <= _LONGEST_NAME_BYTES and parts[0] + "/" != "_job/"
    return name if fits else f"{_digest(name)}-{re.sub(r'[^A-Za-z0-9._-]', '_', parts[-1])[-80:].strip('.') or 'video'}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
