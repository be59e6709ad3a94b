"""One request, from an event to a result."""

from __future__ import annotations

from typing import Any

from function.actions.combine import combine
from function.actions.decode import decode
from function.actions.inspect import index, plan, probe
from function.actions.selftest import selftest
from function.deadline import TOO_LATE
from function.errors import DeadlineExceeded, FunctionError, from_exception
from function.models.event import Combine, Decode, Index, Plan, Probe, SelfTest, parse_event
from function.session import Session


def run(event: object, session: Session) -> dict[str, Any]:
    """Does what the event asks and returns the result: JSON values, and lists of at most 1,000 items.

    Raises FunctionError, whatever goes wrong.
    """
    try:
        return _do(event, session)
    except Exception as error:
        told = from_exception(error)
        if session.deadline.has_passed and not isinstance(error, FunctionError):
            told = DeadlineExceeded(TOO_LATE)  # and so it failed
        if isinstance(told, DeadlineExceeded):
            told.detail |= session.progress()
        if told is error:
            raise
        raise told from error


def _do(event: object, session: Session) -> dict[str, Any]:
    match parse_event(event):
        case Decode() as request:
            return decode(request, session)
        case Plan() as request:
            return plan(request, session)
        case Probe() as request:
            return probe(request, session)
        case Index() as request:
            return index(request, session)
        case Combine() as request:
            return combine(request, session)
        case SelfTest() as request:
            return selftest(request, session)
        case request:
            from function.jobs import steps  # late, as few requests are about a job

            return steps.run(request, session, lambda one: run(one, Session(session.client, session.deadline)))
