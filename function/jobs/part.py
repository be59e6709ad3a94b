"""The fourth step, once for each part: its pieces decoded one after another, and their outcomes kept."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

from function.actions.combine import combine
from function.errors import DeadlineExceeded, FunctionError, Outcome, SourceChanged, WorkerCrashed
from function.jobs.store import Store
from function.models import job_files as files
from function.models.event import Combine
from function.models.job_steps import Part, PartStep
from function.models.part_messages import ClosePart, OpenedPart, OpenPart, PartAnswer
from function.models.result import DecodeResult
from function.session import Session

_MAX_OBJECTS_LISTED: Final = 3


def do_part(part: Part, ask: Callable[[dict[str, Any]], Outcome]) -> dict[str, Any]:
    """Carries the part out and returns its PartAnswer. `ask` has the worker do a request: its result or its error.

    Each piece is a request of its own, so that one which crashes the decoder fails alone. A failure for good is kept
    in the part's result; one that may pass is raised when everything else is done. Then the part is to be tried
    again, and finds its other pieces done.
    """
    place = {name: getattr(part, name) for name in PartStep.model_fields}
    started = time.time()
    opened = _result(ask(OpenPart(action="open_part", **place).event()))
    if "to_do" not in opened:
        return opened
    outcomes: list[files.PieceOutcome] = []
    passing: FunctionError | None = None
    for piece in OpenedPart.model_validate(opened).to_do:
        outcome = ask(piece.request)
        if isinstance(outcome, WorkerCrashed):
            outcome = ask(piece.request)
        if isinstance(outcome, DeadlineExceeded):
            raise outcome
        if isinstance(outcome, FunctionError) and outcome.retryable:
            passing = outcome
        else:
            outcomes.append(_outcome(piece, outcome))
    if passing:
        raise passing
    return _result(ask(ClosePart(action="close_part", **place, started=started, outcomes=outcomes).event()))


def open_part(request: OpenPart, session: Session) -> dict[str, Any]:
    """Returns the OpenedPart; or, if the part has been done, its PartAnswer."""
    store = Store(session.client, request.job)
    line = _line(store, request)
    done = store.find(files.done_name(line))
    if done is not None:
        return _answer(request, files.PartResult.read(done, store.uri(files.done_name(line))), kept=True)
    return OpenedPart(to_do=files.PlannedPart.read(line, store.uri(files.PARTS)).pieces).document()


def close_part(request: ClosePart, session: Session) -> dict[str, Any]:
    """Combines the pieces of a reduction, and keeps the part's result, which makes it done. Returns the PartAnswer."""
    store = Store(session.client, request.job)
    line = _line(store, request)
    done = [outcome for outcome in request.outcomes if isinstance(outcome, files.PieceDone)]
    result = files.PartResult(
        **_combined(store.uri(files.partial_name(line)), done, session).document(),
        attempts=request.attempt + 1,
        started=request.started,
        ended=time.time(),
        predicted_seconds=files.PlannedPart.read(line, store.uri(files.PARTS)).seconds,
        worker=os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME", ""),  # names the execution environment
        milliseconds=_sums(outcome.milliseconds for outcome in done),
        counters=sum((outcome.counters for outcome in done), files.JobCounters()),
        frames=sum(outcome.frames for outcome in done),
        pieces=tuple(request.outcomes),
    )
    store.put(files.done_name(line), result.line())
    return _answer(request, result)


def _line(store: Store, place: PartStep) -> bytes:
    last = place.offset + place.length - 1
    return store.get(files.PARTS, Range=f"bytes={place.offset}-{last}")


def _answer(place: PartStep, result: files.PartResult, **more: Any) -> dict[str, Any]:
    counts = {"part": place.part, "pieces": len(result.pieces), "failed": result.failed}
    return PartAnswer.model_validate({**result.model_dump(exclude={"pieces"}), **counts, **more}).document()


def _outcome(piece: files.PlannedPiece, outcome: Outcome) -> files.PieceOutcome:
    """The facts of a piece that the part's result keeps."""
    about = {"video": piece.request["video"], "first": piece.first, "last": piece.last}
    if isinstance(outcome, FunctionError):
        return files.PieceFailed(**about, code=outcome.code, message=outcome.message)
    result = DecodeResult.model_validate(outcome, extra="ignore")
    if result.video.etag != piece.etag:
        message = "the video has changed since the job was planned; run the job again"
        return files.PieceFailed(**about, code=SourceChanged.__name__, message=message)
    return files.PieceDone.model_validate(
        {
            **outcome,
            **about,
            "frames": result.frames.count,
            "output": [written.uri for written in result.output[:_MAX_OBJECTS_LISTED]],
            "bytes_written": sum(written.bytes for written in result.output),
        }
    )


def _combined(output: str, done: list[files.PieceDone], session: Session) -> files.Combined:
    """One partial result of the pieces of a reduction; empty without one."""
    parts = [piece.output[0] for piece in done if piece.partial]
    if not parts:
        return files.Combined()
    request = {"action": "combine", "parts": parts, "output": output, "if_exists": "reuse"}
    return files.Combined.model_validate(combine(Combine.model_validate(request), session))


def _result(outcome: Outcome) -> dict[str, Any]:
    if isinstance(outcome, FunctionError):
        raise outcome
    return outcome


def _sums(documents: Iterable[dict[str, float]]) -> dict[str, float]:
    total: dict[str, float] = {}
    for document in documents:
        for name, value in document.items():
            total[name] = round(total.get(name, 0) + value, 1)
    return total
