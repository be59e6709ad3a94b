"""The second step: every video of a chunk indexed, its frames found, their cost predicted, its work cut into pieces."""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from pydantic import TypeAdapter

from function.actions.limits import function_memory
from function.errors import from_exception
from function.jobs.chunks import chunk_name, seconds_of, survey_name
from function.jobs.listing import frames_document, job_document, read_job
from function.jobs.pieces import pieces_of
from function.jobs.store import Store, parsed
from function.models.formats import FORMATS
from function.models.job import Job
from function.models.job_steps import Survey
from function.models.places import S3Object, Url, Video
from function.session import Session
from function.source.index_cache import IndexCache
from function.source.video import OpenVideo
from hwang.index import VideoIndex

_AT_ONCE: Final = 8
_VIDEO: Final[TypeAdapter[S3Object | Url]] = TypeAdapter(Video)


def survey(request: Survey, session: Session) -> dict[str, Any]:
    """Writes a line for each video: its pieces, or why there are none. What was surveyed before is not again.

    A video that cannot be had for now ends the step with an error that is worth another try.
    """
    store = Store(session.client, request.job)
    job = read_job(store)
    chunk = store.get(chunk_name(request.chunk))
    entries = [parsed(line, store.uri(chunk_name(request.chunk))) for line in chunk.splitlines()]
    version = hashlib.sha256(json.dumps(job_document(job), sort_keys=True).encode() + chunk).hexdigest()[:32]
    pinned = all("etag" in entry for entry in entries)
    lines = _kept(store, request.chunk, version) if pinned else None
    if lines is None:
        with ThreadPoolExecutor(_AT_ONCE, "hwang-survey") as pool:
            lines = list(pool.map(lambda entry: _surveyed(entry, job, session), entries))
        summary = {"version": version, "videos": len(lines), "seconds": round(sum(map(seconds_of, lines)), 3)}
        store.put_lines(survey_name(request.chunk), [summary, *lines])
    failed = sum("failure" in line for line in lines)
    return {"chunk": request.chunk, "videos": len(lines), "failed": failed, "seconds": sum(map(seconds_of, lines))}


def _kept(store: Store, chunk: int, version: str) -> list[dict[str, Any]] | None:
    data = store.find(survey_name(chunk))
    if data is None:
        return None
    summary, *lines = (parsed(line, store.uri(survey_name(chunk))) for line in data.splitlines())
    return lines if summary["version"] == version else None


def _surveyed(entry: dict[str, Any], job: Job, session: Session) -> dict[str, Any]:
    """The entry with its pieces or its failure. Raises FunctionError for what may go better the next time."""
    session.deadline.check()
    video = _VIDEO.validate_python(entry["video"])
    try:
        index, facts = _indexed(video, entry, session)
        pieces = [piece.document() for piece in pieces_of(index, facts["bytes"], job, function_memory())]
    except Exception as error:
        failure = from_exception(error, getattr(video, "uri", ""))
        if failure.retryable:
            raise failure from error
        return {**entry, "failure": {"code": failure.code, "message": failure.message}}
    if not FORMATS[job.written_as].divisible:
        pieces[0]["frames"] = frames_document(job)
    return {**entry, **facts, "pieces": pieces}


def _indexed(video: S3Object | Url, entry: dict[str, Any], session: Session) -> tuple[VideoIndex, dict[str, Any]]:
    """The index and what it is of; of a listed video whose index is kept nothing else is read."""
    etag, size = entry.get("etag", ""), entry.get("bytes", 0)
    cache = IndexCache.of(video, etag)
    index = cache.get(session.client, size) if cache else None
    if index is None:
        own = Session(session.client, session.deadline)  # a clock is of one thread
        with OpenVideo.of(own, video) as opened:
            index, etag, size = opened.index, opened.source.etag.strip('"'), opened.source.size
    return index, {"etag": etag, "bytes": size}
