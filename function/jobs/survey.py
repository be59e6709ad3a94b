"""The second step: every video of a chunk indexed, its frames found, their cost predicted, its work cut into pieces."""

from __future__ import annotations

import hashlib
import json
import math
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from typing import Any, Final

from function.actions.limits import function_memory
from function.deadline import Deadline
from function.errors import (
    CorruptMedia,
    DeadlineExceeded,
    FunctionError,
    LimitExceeded,
    SourceNotFound,
    StorageFull,
    from_exception,
)
from function.frames.pictures import Shape
from function.frames.reduce import REDUCTIONS
from function.jobs.pieces import pieces_of
from function.jobs.store import NOT_SURVEYED, Store
from function.models.job import Job
from function.models.job_files import ListedVideo, SurveyedVideo, SurveySummary, VideoFailure, as_earlier, survey_name
from function.models.job_steps import SurveyAnswer, SurveyRange
from function.session import Session
from function.source.index_cache import IndexCache
from function.source.video import OpenVideo
from hwang.index import VideoIndex

_AT_ONCE: Final = 8
_SHARE: Final = 1 / 16  # of the time that is left, for one video in the first attempt
_WRITE_SECONDS: Final = 20.0  # of the step's time, to keep what was found; a quarter of it at most
_LATE: Final = "its index was not found in the time that the survey has for it"


def survey_range(request: SurveyRange, session: Session) -> dict[str, Any]:
    """Surveys some videos of a chunk, several at a time, and keeps the survey of the whole chunk; returns SurveyAnswer.

    A survey that is still right is kept, but for its failures. A video that takes too long is left behind.
    """
    store = Store(session.client, request.job)
    job = store.job()
    chunk, listed = store.listed(request.chunk)
    question = json.dumps(as_earlier(job.document()), sort_keys=True).encode()
    version = hashlib.sha256(question + chunk).hexdigest()[:32]
    kept = _kept(store, request.chunk, version)
    videos = kept or [_failed(video, NOT_SURVEYED) for video in listed]
    numbers = range(request.start, min(request.stop, len(listed)))
    to_do = [number for number in numbers if _is_to_do(videos[number], listed[number], again=request.again)]
    to_do.sort(key=lambda number: videos[number].failure != NOT_SURVEYED)
    if request.failure:
        found = {number: _failed(listed[number], request.failure) for number in to_do}
    else:
        found = _survey(listed, to_do, job, session, again=request.again)
    videos = [found.get(number, video) for number, video in enumerate(videos)]
    seconds = sum(video.seconds for video in videos)
    if found or not kept:
        summary = SurveySummary(version=version, videos=len(videos), seconds=round(seconds, 3))
        store.put_lines(survey_name(request.chunk), [summary, *videos])
    failures = [video.failure for video in videos if video.failure]
    passing = sum(failure.retryable for failure in failures)
    answer = SurveyAnswer(
        chunk=request.chunk, videos=len(videos), failed=len(failures), passing=passing, seconds=seconds
    )
    return answer.document()


def _kept(store: Store, chunk: int, version: str) -> list[SurveyedVideo] | None:
    with suppress(SourceNotFound, CorruptMedia):
        summary, lines = store.survey(chunk)
        videos = list(lines)
        if (summary.version, summary.videos) == (version, len(videos)):
            return videos
    return None


def _is_to_do(video: SurveyedVideo, listed: ListedVideo, *, again: bool) -> bool:
    """Return True if the survey that is there is no use: a video that no listing has pinned may have been replaced."""
    if again:
        return video.failure is not None and video.failure.retryable
    return video.failure is not None or not listed.etag


def _survey(
    listed: list[ListedVideo], numbers: list[int], job: Job, session: Session, *, again: bool
) -> dict[int, SurveyedVideo]:
    """Findings, in time to keep them, about those videos of these numbers that were begun."""
    left = session.deadline.seconds_left
    until = Deadline.within(left - min(_WRITE_SECONDS, left / 4))
    most = until.seconds_left * (1.0 if again else _SHARE)
    pool = ThreadPoolExecutor(_AT_ONCE, "hwang-survey")
    under_way = {number: pool.submit(_surveyed, listed[number], job, session, until, most) for number in numbers}
    wait(under_way.values(), None if math.isinf(left) else until.seconds_left + 1)
    pool.shutdown(wait=False, cancel_futures=True)
    found: dict[int, SurveyedVideo] = {}
    for number, future in under_way.items():
        if future.cancelled():
            continue
        outcome = future.result() if future.done() else DeadlineExceeded(_LATE)
        if isinstance(outcome, FunctionError):
            outcome = _failed(listed[number], _failure(outcome, again=again))
        if outcome:
            found[number] = outcome
    return found


def _surveyed(
    listed: ListedVideo, job: Job, session: Session, until: Deadline, seconds: float
) -> SurveyedVideo | FunctionError | None:
    """The video with its pieces, or its error after so many seconds at most; None if it is too late to begin."""
    if until.has_passed:
        return None
    deadline = Deadline(min(until.at, Deadline.within(seconds).at))
    try:
        index, etag, size = _indexed(listed, Session(session.client, deadline))  # a clock is of one thread
        pieces = pieces_of(index, size, job, function_memory())
        if not job.is_divisible:
            pieces[0] = pieces[0].model_copy(update={"frames": job.frames_document()})
        facts: dict[str, Any] = {"etag": etag, "bytes": size, "pieces": pieces}
        if job.reduce and not REDUCTIONS[job.reduce].is_number:
            shape = Shape.of_request(index, job.results[0])
            facts["frame"] = (shape.width, shape.height)
        return SurveyedVideo.model_validate({**listed.document(), **facts})
    except Exception as error:
        failure = from_exception(error, getattr(listed.video, "uri", ""))
        return DeadlineExceeded(_LATE) if isinstance(failure, DeadlineExceeded) else failure


def _failure(error: FunctionError, *, again: bool) -> VideoFailure:
    """The failure of a video. A late one had all the time if it was surveyed again."""
    # Memory and storage are shared with the videos that are surveyed at the same time.
    passes = error.retryable or isinstance(error, LimitExceeded | StorageFull)
    if isinstance(error, DeadlineExceeded):
        passes = not again
    return VideoFailure(code=error.code, message=error.message, **({"retryable": True} if passes else {}))


def _failed(listed: ListedVideo, failure: VideoFailure) -> SurveyedVideo:
    return SurveyedVideo.model_validate({**listed.document(), "failure": failure})


def _indexed(listed: ListedVideo, session: Session) -> tuple[VideoIndex, str, int]:
    """The index, and ETag and bytes of the video; of a listed one whose index is kept nothing else is read."""
    etag, size = listed.etag, listed.bytes or 0
    cache = IndexCache.of(listed.video, etag)
    index = cache.get(session.client, size) if cache else None
    if index is None:
        with OpenVideo.of(session, listed.video) as opened:
            index, etag, size = opened.index, opened.source.etag.strip('"'), opened.source.size
    return index, etag, size
