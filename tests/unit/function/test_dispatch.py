"""Requests find their action, and every failure becomes a typed error with the facts that a caller needs."""

from __future__ import annotations

import errno
import sys
import time
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

import pytest

import hwang.errors
from function.deadline import NEVER, Deadline
from function.errors import (
    BadRequest,
    CorruptMedia,
    DeadlineExceeded,
    FunctionError,
    Internal,
    LimitExceeded,
    StorageFull,
)
from function.models.event import ACTIONS, Decode, Probe, SelfTest
from function.session import Session
from hwang.errors import HwangError

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

PLACE = {"job": "s3://bucket/job/", "part": 0, "offset": 0, "length": 9}
EVENTS: dict[str, dict[str, Any]] = {
    "decode": {"video": "s3://bucket/a.mp4", "frames": [0], "output": "s3://bucket/o.npy"},
    "plan": {"video": "s3://bucket/a.mp4", "frames": [0]},
    "probe": {"video": "s3://bucket/a.mp4"},
    "index": {"video": "s3://bucket/a.mp4"},
    "combine": {"parts": ["s3://bucket/p.json"], "output": "s3://bucket/o.npy"},
    "selftest": {},
}
JOB = {"videos": "s3://films/", "frames": "all", "output": "s3://bucket/job/"}
STEPS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "list": ("listing", "list_videos", {"job": JOB}),
    "survey_range": ("survey", "survey_range", {"job": "s3://bucket/job/", "chunk": 0, "start": 0, "stop": 9}),
    "cut": ("cut", "cut", {"job": "s3://bucket/job/"}),
    "open_part": ("part", "open_part", PLACE),
    "close_part": ("part", "close_part", {**PLACE, "started": 1.0, "outcomes": []}),
    "gather": ("gather", "gather", {"job": "s3://bucket/job/"}),
}


@pytest.fixture
def dispatch(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module, with the compiled core replaced where it is not built: no test here decodes."""
    try:
        from hwang import _core  # noqa: F401
    except ImportError:
        monkeypatch.setitem(sys.modules, "hwang._core", ModuleType("hwang._core"))
    from function.runtime import dispatch

    return dispatch


def session(deadline: Deadline = NEVER, **more: Any) -> Session:
    return Session(cast("S3Client", None), deadline, **more)


def fail_with(monkeypatch: pytest.MonkeyPatch, dispatch: Any, error: Exception) -> None:
    def selftest(_request: SelfTest, _session: Session) -> dict[str, Any]:
        raise error

    monkeypatch.setitem(dispatch._ACTIONS, SelfTest, selftest)


@pytest.mark.parametrize("action", EVENTS)
def test_each_action_gets_its_validated_event(dispatch: Any, monkeypatch: pytest.MonkeyPatch, action: str) -> None:
    seen: list[object] = []

    def act(request: object, of: Session) -> dict[str, Any]:
        seen.append((request, of))
        return {"did": action}

    monkeypatch.setitem(dispatch._ACTIONS, ACTIONS[action], act)
    this = session()
    assert dispatch.run({**EVENTS[action], "action": action}, this) == {"did": action}
    ((request, of),) = cast("list[tuple[object, Session]]", seen)
    assert type(request) is ACTIONS[action]
    assert of is this


def test_an_event_without_an_action_is_a_decode(dispatch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(dispatch._ACTIONS, Decode, lambda request, _: {"kind": type(request)})
    assert dispatch.run(EVENTS["decode"], session()) == {"kind": Decode}


@pytest.mark.parametrize("action", STEPS)
def test_each_step_of_a_job_gets_its_validated_event(
    dispatch: Any, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    module, name, event = STEPS[action]
    monkeypatch.setattr(f"function.jobs.{module}.{name}", lambda request, _: {"step": type(request).__name__})
    kind = dispatch.run({**event, "action": action}, session())["step"]
    assert kind.lower() == action.replace("_", "")


def test_every_action_is_one_of_these() -> None:
    steps = {"survey" if step == "survey_range" else step.removeprefix("open_") for step in STEPS} - {"close_part"}
    assert set(ACTIONS) == set(EVENTS) | steps


def test_a_step_that_asks_the_worker_is_no_request_to_it(dispatch: Any) -> None:
    for event in ({**PLACE, "action": "part"}, {"action": "survey", "job": "s3://bucket/job/", "chunk": 0}):
        with pytest.raises(BadRequest, match="invocation of its own"):
            dispatch.run(event, session())


def test_a_wrong_event_is_a_bad_request_with_its_problems(dispatch: Any) -> None:
    with pytest.raises(BadRequest) as raised:
        dispatch.run({"action": "probe"}, session())
    assert raised.value.detail["problems"] == [{"path": "video", "message": "is required"}]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (hwang.errors.CorruptMediaError("x"), CorruptMedia),
        (OSError(errno.ENOSPC, "full"), StorageFull),
        (MemoryError(), LimitExceeded),
        (RuntimeError("can't start new thread"), LimitExceeded),
        (KeyError("secret"), Internal),
    ],
)
def test_any_exception_becomes_a_typed_error_with_its_cause(
    dispatch: Any, monkeypatch: pytest.MonkeyPatch, error: Exception, expected: type[Exception]
) -> None:
    fail_with(monkeypatch, dispatch, error)
    with pytest.raises(expected) as raised:
        dispatch.run({"action": "selftest"}, session())
    assert raised.value.__cause__ is error
    assert "secret" not in str(raised.value)


def test_a_typed_error_is_raised_as_it_is(dispatch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    error = CorruptMedia("damaged")
    fail_with(monkeypatch, dispatch, error)
    with pytest.raises(CorruptMedia) as raised:
        dispatch.run({"action": "selftest"}, session())
    assert raised.value is error
    assert raised.value.__cause__ is None


def test_a_failure_after_the_deadline_is_the_deadlines_and_says_how_far_the_work_got(
    dispatch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_with(monkeypatch, dispatch, HwangError("stopped"))
    late = session(Deadline(time.monotonic() - 1), progress=lambda: {"frames_written": 7})
    with pytest.raises(DeadlineExceeded) as raised:
        dispatch.run({"action": "selftest"}, late)
    assert raised.value.detail == {"frames_written": 7}


def test_a_typed_failure_after_the_deadline_keeps_its_type(dispatch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_with(monkeypatch, dispatch, CorruptMedia("damaged"))
    with pytest.raises(CorruptMedia) as raised:
        dispatch.run({"action": "selftest"}, session(Deadline(time.monotonic() - 1), progress=lambda: {"frames": 7}))
    assert raised.value.detail == {}


@pytest.mark.parametrize("error", [CorruptMedia("it is cut off"), KeyError("x")])
def test_any_failure_says_how_many_objects_are_left(
    dispatch: Any, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def probe(_request: Probe, of: Session) -> dict[str, Any]:
        of.leave([{"entry": {}}], 3)
        raise error

    monkeypatch.setitem(dispatch._ACTIONS, Probe, probe)
    with pytest.raises(FunctionError) as raised:
        dispatch.run({**EVENTS["probe"], "action": "probe"}, session())
    assert raised.value.detail["objects_left"] == 3
