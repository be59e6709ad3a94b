"""Runs one request: validates the event, calls its action, and turns every failure into a FunctionError."""

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
        if failure is error:
            raise
        raise failure from error


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
            from function.jobs import steps  # late import: few requests are about a job

            return steps.run(request, session, lambda one: run(one, Session(session.client, session.deadline)))
