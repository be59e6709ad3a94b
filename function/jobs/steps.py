"""Which step a request of a job asks for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, assert_never

from function.errors import FunctionError
from function.jobs.cut import cut
from function.jobs.gather import gather
from function.jobs.listing import list_videos
from function.jobs.part import Outcome, close_part, do_part, open_part
from function.jobs.survey import survey
from function.models.job_steps import ClosePart, Cut, Gather, List, OpenPart, Part, Survey
from function.session import Session


def run(
    request: List | Survey | Cut | Part | OpenPart | ClosePart | Gather,
    session: Session,
    again: Callable[[dict[str, Any]], dict[str, Any]],
) -> dict[str, Any]:
    """`again` carries out a request of its own: a part is made of several. Raises FunctionError."""
    match request:
        case List():
            return list_videos(request, session)
        case Survey():
            return survey(request, session)
        case Cut():
            return cut(request, session)
        case Part():
            return do_part({**request.model_dump(), "job": request.job.uri}, lambda one: _outcome(one, again))
        case OpenPart():
            return open_part(request, session)
        case ClosePart():
            return close_part(request, session)
        case Gather():
            return gather(request, session)
        case other:
            assert_never(other)


def _outcome(event: dict[str, Any], again: Callable[[dict[str, Any]], dict[str, Any]]) -> Outcome:
    try:
        return again(event)
    except FunctionError as error:
        return error
