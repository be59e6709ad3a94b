"""Runs one request: validates the event, calls its action, and turns every failure into a FunctionError."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from function.actions.combine import combine
from function.actions.decode import decode
from function.actions.inspect import index, plan, probe
from function.actions.selftest import selftest
from function.deadline import TOO_LATE
from function.errors import DeadlineExceeded, FunctionError, from_exception
from function.models.event import Combine, Decode, Index, Plan, Probe, SelfTest, parse_as, parse_event
from function.models.incoming import wrong
from function.models.job_steps import ClosePart, Cut, Gather, List, OpenPart, Part, Survey, SurveyRange
from function.session import Session

_ACTIONS: Final[dict[type, Callable[[Any, Session], dict[str, Any]]]] = {
    Decode: decode,
    Plan: plan,
    Probe: probe,
    Index: index,
    Combine: combine,
    SelfTest: selftest,
}


def run(event: object, session: Session) -> dict[str, Any]:
    """Run the event's action and return its result: JSON values, lists of at most 1,000 items.

    Raises FunctionError, and nothing else.
    """
    try:
        return _do(event, session)
    except Exception as error:
        failure = from_exception(error)
        if session.deadline.has_passed and not isinstance(error, FunctionError):
            failure = DeadlineExceeded(TOO_LATE)  # the deadline made it fail
        if isinstance(failure, DeadlineExceeded):
            failure.detail |= session.progress()
        if session.objects_left:
            failure.detail["objects_left"] = session.objects_left
        if failure is error:
            raise
        raise failure from error


def _do(event: object, session: Session) -> dict[str, Any]:
    if isinstance(event, dict) and event.get("action") in ("survey_range", "open_part", "close_part"):
        return _do_job_message(event, session)
    request: Any = parse_event(event, local_files=session.local_files)
    action = _ACTIONS.get(type(request))
    return action(request, session) if action else _do_job_step(request, session)


def _do_job_step(request: List | Survey | Cut | Part | Gather, session: Session) -> dict[str, Any]:
    from function.jobs import cut, gather, listing  # late import: few requests are about a job

    match request:
        case List():
            return listing.list_videos(request, session)
        case Cut():
            return cut.cut(request, session)
        case Gather():
            return gather.gather(request, session)
        case Survey() | Part():  # which are made of requests to the worker
            raise wrong("action", f"a {request.action} is an invocation of its own")


def _do_job_message(message: dict[str, Any], session: Session) -> dict[str, Any]:
    from function.jobs import part, survey  # late imports, as above

    match message["action"]:
        case "survey_range":
            return survey.survey_range(parse_as(message, SurveyRange), session)
        case "open_part":
            return part.open_part(parse_as(message, OpenPart), session)
    return part.close_part(parse_as(message, ClosePart), session)
