"""A survey carried out from outside the worker, which its videos may crash: by halves, until one fails alone."""

from __future__ import annotations

from typing import Any

from function.errors import FunctionError, Outcome, SourceUnavailable, WorkerCrashed
from function.jobs.part import Ask
from function.jobs.store import CHUNK_VIDEOS
from function.models.job_files import VideoFailure
from function.models.job_steps import MAX_ATTEMPTS, Survey, SurveyAnswer, SurveyRange


def do_survey(survey: Survey, ask: Ask) -> dict[str, Any]:
    """Carries the survey of a chunk out and returns its SurveyAnswer: what every video has, its pieces or its failure.

    The videos of a request that crashes the worker are asked for again by halves, until the one that does it fails
    alone. Raises SourceUnavailable if another attempt may mend failures: it tries these alone, with more time.
    """
    answer = _range(survey, ask, 0, CHUNK_VIDEOS)
    if answer.passing and survey.attempt + 1 < MAX_ATTEMPTS:
        raise SourceUnavailable(f"{answer.passing} of {answer.videos} videos cannot be surveyed for now")
    return answer.document()


def _range(survey: Survey, ask: Ask, start: int, stop: int) -> SurveyAnswer:
    """The answer once these videos are surveyed. Raises FunctionError, but not for a video's fault."""
    place: dict[str, Any] = {"job": survey.job, "chunk": survey.chunk, "start": start, "stop": stop}
    request = SurveyRange(action="survey_range", **place, again=survey.attempt > 0)
    outcome: Outcome = ask(request.event())
    alone = stop - start == 1
    if isinstance(outcome, WorkerCrashed) and alone:
        outcome = ask(request.event())
    if isinstance(outcome, WorkerCrashed | SourceUnavailable) and start < stop:
        if isinstance(outcome, SourceUnavailable):
            _range(survey, ask, start, start)  # raises it again if it is about the job's own files
        if not alone:
            middle = (start + stop) // 2
            _range(survey, ask, start, middle)
            return _range(survey, ask, middle, stop)
        failure = VideoFailure(code=outcome.code, message=outcome.message, retryable=outcome.retryable)
        outcome = ask(request.model_copy(update={"failure": failure}).event())
    if isinstance(outcome, FunctionError):
        raise outcome
    return SurveyAnswer.model_validate(outcome)
