"""The second step: every video of a chunk indexed, its frames found, their cost predicted, its work cut into pieces."""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Final

from function.actions.limits import function_memory
from function.errors import SourceNotFound, from_exception
from function.jobs.pieces import pieces_of
from function.jobs.store import Store
from function.models.formats import FORMATS
from function.models.job import Job
from function.models.job_files import (
    ListedVideo,
    SurveyedVideo,
    SurveySummary,
    VideoFailure,
    survey_name,
    videos_name,
)
from function.models.job_steps import Survey
from function.session import Session
from function.source.index_cache import IndexCache
from function.source.video import OpenVideo
from hwang.index import VideoIndex

_AT_ONCE: Final = 8


def survey(request: Survey, session: Session) -> dict[str, Any]:
    """Writes a line for each video: its pieces, or why there are none. A survey that is still right is kept.

    Raises the error of a video that cannot be had for now, as the step is worth another try then.
    """
    store = Store(session.client, request.job)
    job = store.job()
    name = videos_name(request.chunk)
    chunk = store.get(name)
    listed = [ListedVideo.read(line, store.uri(name)) for line in chunk.splitlines()]
    version = hashlib.sha256(json.dumps(job.document(), sort_keys=True).encode() + chunk).hexdigest()[:32]
    videos = _kept(store, request.chunk, version) if all(video.etag for video in listed) else None
    if videos is None:
        with ThreadPoolExecutor(_AT_ONCE, "hwang-survey") as pool:
            videos = list(pool.map(lambda video: _surveyed(video, job, session), listed))
        seconds = round(sum(video.seconds for video in videos), 3)
        summary = SurveySummary(version=version, videos=len(videos), seconds=seconds)
        store.put_lines(survey_name(request.chunk), [summary, *videos])
    return {
        "chunk": request.chunk,
        "videos": len(videos),
        "failed": sum(video.failure is not None for video in videos),
        "seconds": sum(video.seconds for video in videos),
    }


def _kept(store: Store, chunk: int, version: str) -> list[SurveyedVideo] | None:
    with suppress(SourceNotFound):
        summary, videos = store.survey(chunk)
        if summary.version == version:
            return list(videos)
    return None


def _surveyed(listed: ListedVideo, job: Job, session: Session) -> SurveyedVideo:
    """The video with its pieces or its failure. Raises FunctionError if another attempt may go better."""
    session.deadline.check()
    try:
        index, etag, size = _indexed(listed, session)
        pieces = [piece.surveyed() for piece in pieces_of(index, size, job, function_memory())]
    except Exception as error:
        failure = from_exception(error, getattr(listed.video, "uri", ""))
        if failure.retryable:
            raise failure from error
        reason = VideoFailure(code=failure.code, message=failure.message)
        return SurveyedVideo.model_validate({**listed.document(), "failure": reason})
    if not FORMATS[job.written_as].divisible:
        pieces[0] = pieces[0].model_copy(update={"frames": job.frames_document()})
    return SurveyedVideo.model_validate({**listed.document(), "etag": etag, "bytes": size, "pieces": pieces})


def _indexed(listed: ListedVideo, session: Session) -> tuple[VideoIndex, str, int]:
    """The index, and ETag and bytes of the video; of a listed one whose index is kept nothing else is read."""
    etag, size = listed.etag, listed.bytes or 0
    cache = IndexCache.of(listed.video, etag)
    index = cache.get(session.client, size) if cache else None
    if index is None:
        own = Session(session.client, session.deadline)  # a clock is of one thread
        with OpenVideo.of(own, listed.video) as opened:
            index, etag, size = opened.index, opened.source.etag.strip('"'), opened.source.size
    return index, etag, size
