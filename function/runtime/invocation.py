"""One invocation: splits the event into requests, has the worker run each, logs it, and builds Lambda's answer."""

from __future__ import annotations

import os
import sys
import time
from typing import Any, Final, Protocol

from function.errors import BadRequest, DeadlineExceeded, FunctionError, Outcome
from function.models.event import parse_as
from function.models.job_steps import Part, Survey
from function.runtime import emf_log
from function.runtime.supervisor import KILL_SECONDS
from function.triggers import delivery
from function.triggers.delivery import Refused, Request

_TOO_LATE_SECONDS: Final = KILL_SECONDS + 0.5  # no request of a batch is begun with less


class Context(Protocol):
    """The parts of Lambda's context object in use here."""

    aws_request_id: str

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until Lambda ends the invocation."""
        ...


class Runner(Protocol):
    """Runs requests: a Supervisor."""

    def run(self, event: object, seconds_left: float) -> dict[str, Any]:
        """Return the result. Raises FunctionError."""


def answer(event: object, context: Context, runner: Runner) -> Any:
    """Answer an invocation and log one line for each request. Returns JSON values; raises FunctionError."""
    if isinstance(event, dict) and event.get("action") in ("part", "survey"):
        return _job_step(event, context, runner)
    received = delivery.parse(event, os.environ)
    for item in received.items:
        if isinstance(item, Refused):
            _log(context, item.key, {}, item.error, 0.0)
    return received.answer(lambda request: _outcome(request, context, runner), context.aws_request_id)


def _job_step(event: dict[str, Any], context: Context, runner: Runner) -> dict[str, Any]:
    """Carries out a step of a job from outside the worker, which its videos may crash. Raises FunctionError."""
    from function.jobs import chunk, part  # late import: few requests are about a job

    def ask(one: dict[str, Any], reserved_seconds: float = 0) -> Outcome:
        return _outcome(Request(one), context, runner, reserved_seconds)

    step: Part | Survey
    try:
        step = parse_as(event, Part) if event["action"] == "part" else parse_as(event, Survey)
    except BadRequest as error:
        _log(context, "", event, error, 0.0)
        raise
    return part.do_part(step, ask) if isinstance(step, Part) else chunk.do_survey(step, ask)


def _outcome(request: Request, context: Context, runner: Runner, reserved_seconds: float = 0) -> Outcome:
    start = time.perf_counter()
    outcome: Outcome
    try:
        left = context.get_remaining_time_in_millis() / 1000
        left -= min(reserved_seconds, left / 2)
        if left < _TOO_LATE_SECONDS:
            raise DeadlineExceeded("the function's time was up before this request was begun")
        outcome = runner.run(request.event, left)
    except FunctionError as error:
        outcome = error
    _log(context, request.key, request.event, outcome, time.perf_counter() - start)
    return outcome


def _log(context: Context, key: str, event: dict[str, Any], outcome: Outcome, seconds: float) -> None:
    line = emf_log.line(context.aws_request_id, event, outcome, seconds, key)
    sys.stdout.write(f"{line}\n")  # at once, as the worker writes to the same place
    sys.stdout.flush()
