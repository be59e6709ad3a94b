"""The fourth step, once for each part: its pieces decoded one after another, and their outcomes kept."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from itertools import accumulate
from typing import Any, Final, Protocol

from function.actions.combine import combine
from function.errors import (
    BadRequest,
    CorruptMedia,
    DeadlineExceeded,
    FunctionError,
    Outcome,
    SourceChanged,
    SourceNotFound,
    SourceUnavailable,
    WorkerCrashed,
)
from function.jobs.store import Store
from function.models import job_files as files
from function.models.event import Combine
from function.models.job_steps import (
    MAX_ATTEMPTS,
    ClosePart,
    OpenedPart,
    OpenPart,
    Part,
    PartAnswer,
    PartStep,
)
from function.models.result import DecodeResult
from function.session import Session

_MAX_OBJECTS_LISTED: Final = 3
_NOT_BEGUN: Final = "the time of the part was up before this piece was begun"
_CLOSE_SECONDS: Final = 5.0  # of the part's time, to keep the outcomes


class Ask(Protocol):
    """Has the worker do a request, and leaves `reserved_seconds` of the invocation's time to what comes after."""

    def __call__(self, event: dict[str, Any], /, reserved_seconds: float = 0) -> Outcome:
        """Return the request's result or its error."""


def do_part(part: Part, ask: Ask) -> dict[str, Any]:
    """Carries the part out and returns its PartAnswer.

    Each piece is a request of its own, so that one which crashes the decoder fails alone. Every failure is kept in the
    part's result. One that may pass is raised then, so that the part is tried again and finds its other pieces done;
    in the last attempt it is a failure like others. Pieces behind one that took all the time have failed as well, and
    come first in the next attempt.
    """
    place = {name: getattr(part, name) for name in PartStep.model_fields}
    started = time.time()
    opened = _result(ask(OpenPart(action="open_part", **place).event()))
    if "to_do" not in opened:
        return opened
    outcomes: list[files.PieceOutcome] = []
    passing: FunctionError | None = None
    for piece in OpenedPart.model_validate(opened).to_do:
        request = {**files.EARLIER, **piece.request}
        if isinstance(passing, DeadlineExceeded):
            outcome: Outcome = DeadlineExceeded(_NOT_BEGUN)
        else:
            outcome = ask(request, _CLOSE_SECONDS)
            if isinstance(outcome, WorkerCrashed):
                outcome = ask(request, _CLOSE_SECONDS)
            if isinstance(outcome, FunctionError) and outcome.retryable:
                passing = outcome
        outcomes.append(_outcome(piece, outcome))
    answer = _result(ask(ClosePart(action="close_part", **place, started=started, outcomes=outcomes).event()))
    if passing and part.attempt + 1 < MAX_ATTEMPTS:
        raise passing
    return answer


def open_part(request: OpenPart, session: Session) -> dict[str, Any]:
    """Returns the OpenedPart; or, if the part has been done, its PartAnswer."""
    store = Store(session.client, request.job)
    line = _line(store, request)
    done = store.result(files.done_name(line))
    if done:
        return _answer(request, done, kept=True)
    pieces = files.PlannedPart.read(line, store.uri(files.PARTS)).pieces
    before = store.result(files.failed_name(line))
    if before:
        places = {
            _name(piece.document()["video"], piece): (_was_late(piece), at) for at, piece in enumerate(before.pieces)
        }
        pieces = tuple(sorted(pieces, key=lambda piece: places.get(_name(piece.request["video"], piece), (False, -1))))
    return OpenedPart(to_do=pieces).document()


def close_part(request: ClosePart, session: Session) -> dict[str, Any]:
    """Combines the pieces of a reduction, and keeps the part's result, which makes it done. Returns the PartAnswer."""
    store = Store(session.client, request.job)
    line = _line(store, request)
    done = [outcome for outcome in request.outcomes if isinstance(outcome, files.PieceDone)]
    combined = _combined(store, store.uri(files.partial_name(line)), done, session)
    result = files.PartResult(
        **combined.document(),
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
    store.put(files.failed_name(line) if result.failed else files.done_name(line), result.line())
    return _answer(request, result)


def _was_late(piece: files.PieceOutcome) -> bool:
    """True if it took all the time, so that in the next attempt the others come first."""
    if isinstance(piece, files.PieceDone):
        return False
    return piece.code == DeadlineExceeded.__name__ and piece.message != _NOT_BEGUN


def _name(video: dict[str, Any], piece: files.PlannedPiece | files.PieceOutcome) -> str:
    return json.dumps([video, piece.first, piece.last], sort_keys=True)


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
            "output": _shown(result),
            "bytes_written": result.bytes_written or sum(written.bytes for written in result.output),
        }
    )


def _shown(result: DecodeResult) -> list[str]:
    """The addresses of some objects, evenly spread; of several results of each one's first."""
    uris = [written.uri for written in result.output]
    if not result.outputs:
        return files.spread(uris, _MAX_OBJECTS_LISTED)
    firsts = [0, *accumulate(one.objects for one in result.outputs[:-1])]
    return [uris[first] for first in firsts if first < len(uris)]


def _combined(store: Store, output: str, done: list[files.PieceDone], session: Session) -> files.Combined:
    """One partial result of the pieces of a reduction; empty if it is none.

    Raises SourceUnavailable if results of pieces are there no more, or damaged: another attempt makes them again.
    """
    parts = [piece.output[0] for piece in done if piece.partial]
    if not parts:
        return files.Combined()
    request = {"action": "combine", "parts": parts, "output": output, "if_exists": "reuse"}
    try:
        return files.Combined.model_validate(combine(Combine.model_validate(request), session))
    except (SourceNotFound, CorruptMedia, BadRequest) as error:
        lost = lost_results(error)
        if not lost:
            raise
        for uri in lost:
            store.delete_result(uri)
        raise SourceUnavailable(f"job: {error.message}; the next attempt makes it again") from error


def lost_results(error: FunctionError) -> list[str]:
    """The addresses of the partial results that a combination has missed or found damaged."""
    missing = error.detail.get("missing", [error.detail.get("video")])
    return [uri for uri in missing if isinstance(uri, str)] if isinstance(missing, list) else []


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
