"""A survey carried out from outside the worker, which its videos may crash: tried again, and by halves."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any, Final

from function.errors import DeadlineExceeded, FunctionError, Outcome, SourceUnavailable, WorkerCrashed
from function.jobs.part import Ask
from function.jobs.store import CHUNK_VIDEOS
from function.models.job_files import VideoFailure
from function.models.job_steps import MAX_ATTEMPTS, Survey
from function.models.part_messages import SurveyAnswer, SurveyRange
from hwang.sources.backoff import pause_seconds

_SHARES: Final = (1 / 16, 1 / 4, 1 / 4)  # of the time that is left, for one video in each try of the first attempt
_FIRST_PAUSE: Final = 3  # in the row of pauses that grow


def do_survey(survey: Survey, ask: Ask) -> dict[str, Any]:
    """Carries the survey of a chunk out and returns its SurveyAnswer: what every video has, its pieces or its failure.

    A video whose failure may pass is tried again a few times, after the others and with more time. The videos of a
    request that crashes the worker are asked for again by halves, until the one that does it fails alone. What is
    still missing when the time is up is kept as a failure. Another attempt, or another run of the job, only tries the
    failures again. Raises DeadlineExceeded if another attempt helps: it begins with the videos that were not begun, and
    gives those that took too long all the time.
    """
    shares = (1.0, 1.0) if survey.attempt else _SHARES
    answer = _range(survey, ask, 0, CHUNK_VIDEOS, share=shares[0])
    for number, share in enumerate(shares[1:]):
        if not answer.passing:
            break
        time.sleep(pause_seconds(_FIRST_PAUSE + number))
        with suppress(DeadlineExceeded):
            answer = _range(survey, ask, 0, CHUNK_VIDEOS, share=share, again=True)
    left = answer.not_begun + (answer.too_slow if not survey.attempt else 0)
    if left and survey.attempt + 1 < MAX_ATTEMPTS:
        raise DeadlineExceeded(f"the function's time was up before {left} of {answer.videos} videos were surveyed")
    return answer.document()


def _range(survey: Survey, ask: Ask, start: int, stop: int, **more: Any) -> SurveyAnswer:
    """The answer once these videos are surveyed. Raises FunctionError, but not for a video's fault."""
    place: dict[str, Any] = {"job": survey.job, "chunk": survey.chunk, "start": start, "stop": stop}
    request = SurveyRange(action="survey_range", **place, **more)
    outcome: Outcome = ask(request.event())
    alone = stop - start == 1
    if isinstance(outcome, WorkerCrashed) and alone:
        outcome = ask(request.event())
    if isinstance(outcome, WorkerCrashed | SourceUnavailable) and start < stop:
        if isinstance(outcome, SourceUnavailable):
            _range(survey, ask, start, start)  # raises it again if it is about the job's own files
        if not alone:
            middle = (start + stop) // 2
            _range(survey, ask, start, middle, **more)
            return _range(survey, ask, middle, stop, **more)
        failure = VideoFailure(code=outcome.code, message=outcome.message, retryable=outcome.retryable)
        outcome = ask(request.model_copy(update={"failure": failure}).event())
    if isinstance(outcome, FunctionError):
        raise outcome
    return SurveyAnswer.model_validate(outcome)
