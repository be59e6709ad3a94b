"""The fourth step, once for each part: its pieces decoded one after another, and what became of them kept."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any, Final

from function.actions.combine import combine
from function.errors import DeadlineExceeded, FunctionError, SourceChanged, WorkerCrashed
from function.jobs.cut import DONE, PARTS, marker
from function.jobs.store import Store, parsed
from function.models.event import Combine, parse_event
from function.models.job_steps import ClosePart, OpenPart, PartPlace
from function.session import Session

Outcome = dict[str, Any] | FunctionError
PARTIALS: Final = "partials/"
_MOST_OBJECTS_TOLD: Final = 3


def do_part(event: dict[str, Any], ask: Callable[[dict[str, Any]], Outcome]) -> dict[str, Any]:
    """What the part's action answers. `ask` carries a request out, and gives its result or its error.

    Each piece is a request of its own, so that one which crashes the decoder fails alone. What fails for good is kept
    in the part's result; what may go better the next time is raised when everything else is done. Then the part is to
    be tried again, and finds its other pieces done.
    """
    place = {name: event[name] for name in PartPlace.model_fields if name in event}
    started = time.time()
    opened = _answer(ask({**event, "action": "open_part"}))
    if "to_do" not in opened:
        return opened
    outcomes: list[dict[str, Any]] = []
    passing: FunctionError | None = None
    for piece in opened["to_do"]:
        outcome = ask(piece["request"])
        if isinstance(outcome, WorkerCrashed):
            outcome = ask(piece["request"])
        if isinstance(outcome, DeadlineExceeded):
            raise outcome
        if isinstance(outcome, FunctionError) and outcome.retryable:
            passing = outcome
        else:
            outcomes.append(_told(piece, outcome))
    if passing:
        raise passing
    return _answer(ask({**place, "action": "close_part", "started": started, "outcomes": outcomes}))


def open_part(request: OpenPart, session: Session) -> dict[str, Any]:
    """The part's pieces; or, if it has been done, its result."""
    store = Store(session.client, request.job)
    line = _line(store, request)
    done = store.find(DONE + marker(line))
    if done is not None:
        return {**_summary(request.part, parsed(done, store.uri(DONE + marker(line)))), "kept": True}
    return {"to_do": parsed(line, store.uri(PARTS))["pieces"]}


def close_part(request: ClosePart, session: Session) -> dict[str, Any]:
    """Combines the pieces of a reduction, and keeps the part's result, which says that it is done."""
    store = Store(session.client, request.job)
    line = _line(store, request)
    described = parsed(line, store.uri(PARTS))
    name = marker(line)
    done = [outcome for outcome in request.outcomes if "code" not in outcome]
    reduced = _combined(store, name, done, session)
    result = {
        "attempts": request.attempt + 1,
        "started": request.started,
        "ended": time.time(),
        "predicted_seconds": described["seconds"],
        "worker": _worker(),
        "milliseconds": _sums(outcome.get("milliseconds", {}) for outcome in done),
        "counters": _sums(outcome["counters"] for outcome in done),
        "frames": sum(outcome["frames"] for outcome in done),
        "pieces": request.outcomes,
        **reduced,
    }
    store.put_json(DONE + name, result)
    return _summary(request.part, result)


def _line(store: Store, place: PartPlace) -> bytes:
    last = place.offset + place.length - 1
    return store.get(PARTS, Range=f"bytes={place.offset}-{last}")


def _summary(part: int, result: dict[str, Any]) -> dict[str, Any]:
    """What Step Functions carries on: little, as there are many parts."""
    failed = sum("code" in piece for piece in result["pieces"])
    told = {name: result[name] for name in ("frames", "attempts", "milliseconds", "counters")}
    return {"part": part, "pieces": len(result["pieces"]), "failed": failed, **told}


def _told(piece: dict[str, Any], outcome: Outcome) -> dict[str, Any]:
    """What is kept of a piece."""
    request = piece["request"]
    about = {"video": request["video"], "first": piece["first"], "last": piece["last"]}
    if not isinstance(outcome, FunctionError) and outcome["video"]["etag"] != piece["etag"]:
        outcome = SourceChanged("the video has changed since the job was planned; run the job again")
    if isinstance(outcome, FunctionError):
        return {**about, "code": outcome.code, "message": outcome.message}
    objects = outcome["output"]
    return {
        **about,
        "frames": outcome["frames"]["count"],
        "manifest": outcome["manifest"],
        "objects": outcome["objects"],
        "output": [written["uri"] for written in objects[:_MOST_OBJECTS_TOLD]],
        "bytes_written": sum(written["bytes"] for written in objects),
        "counters": outcome["counters"],
        **{name: outcome[name] for name in ("milliseconds", "kept", "partial") if name in outcome},
    }


def _combined(store: Store, name: str, done: list[dict[str, Any]], session: Session) -> dict[str, Any]:
    """Of a reduction: one partial result of the part, with what it is of."""
    parts = [piece["output"][0] for piece in done if "partial" in piece]
    if not parts:
        return {}
    output = store.uri(PARTIALS + name.replace(".json", ".npy"))
    request = parse_event({"action": "combine", "parts": parts, "output": output, "if_exists": "reuse"})
    assert isinstance(request, Combine)
    result = combine(request, session)
    return {name: result[name] for name in ("partial", "output", "reduced") if name in result}


def _answer(outcome: Outcome) -> dict[str, Any]:
    if isinstance(outcome, FunctionError):
        raise outcome
    return outcome


def _sums(documents: Any) -> dict[str, Any]:
    total: dict[str, Any] = {}
    for document in documents:
        for name, value in document.items():
            total[name] = round(total.get(name, 0) + value, 1)
    return total


def _worker() -> str:
    """Which execution environment this is: its log stream, as Lambda names it."""
    return os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME", "")
