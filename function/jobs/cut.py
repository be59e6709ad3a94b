"""The third step: the pieces of all videos, in order, bundled into parts of equal cost."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from function.errors import LimitExceeded, SourceNotFound
from function.frames import own_code
from function.jobs.pieces import bundles
from function.jobs.store import Store, batched
from function.models import job_files as files
from function.models.form import SHARED
from function.models.formats import FORMATS, Format
from function.models.job import Job
from function.models.job_steps import Cut, Part
from function.s3 import MAX_CONNECTIONS
from function.session import Session

MAX_PARTS: Final = 100_000
_LOOK_AHEAD: Final = 1000


def cut(request: Cut, session: Session) -> dict[str, Any]:
    """Writes a line for every part into one file, and the events for those that are not done into another.

    Returns the CutSummary. Raises LimitExceeded for more than 100,000 parts, SourceNotFound if there is no survey.
    """
    store = Store(session.client, request.job)
    job, with_asked = store.job(), "events" in store.json(files.JOB)  # a job of version 1 goes on without
    chunks = len(store.json(files.SURVEY_EVENTS))
    seconds = _seconds(store, chunks)
    parts = math.ceil(seconds / job.part_seconds)
    if parts > MAX_PARTS:
        raise LimitExceeded(
            f"part_seconds: {parts} parts of {job.part_seconds:g} s are more than the {MAX_PARTS} of a job; "
            "ask for longer parts, or make several jobs",
            limit="parts",
            wanted=parts,
            maximum=MAX_PARTS,
        )
    done = _done(store, session)
    made = to_do = offset = count = 0
    with store.writing(files.PARTS, session) as lines, store.writing(files.PART_EVENTS, session) as events:
        for pieces in bundles(_planned(store.surveyed(chunks), job, with_asked=with_asked), seconds, parts):
            session.deadline.check()
            cost = round(sum(piece.seconds for piece in pieces), 3)
            line = files.PlannedPart(seconds=cost, pieces=tuple(pieces)).line()
            if files.done_name(line) not in done:
                part = Part(action="part", job=request.job, part=made, offset=offset, length=len(line))
                events.write((", " if to_do else "[").encode() + json.dumps(part.event()).encode())
                to_do += 1
            lines.write(line + b"\n")
            offset, made, count = offset + len(line) + 1, made + 1, count + len(pieces)
        events.write(b"]" if to_do else b"[]")
    summary = files.CutSummary(
        job=request.job.uri,
        parts=made,
        pieces=count,
        to_do=to_do,
        seconds=round(seconds, 3),
        concurrency=job.concurrency,
        tolerated_failure_percentage=job.tolerated_failure_percentage,
        items=files.FilePlace(**store.place(files.PART_EVENTS)),
        chunks=chunks,
    )
    store.put(files.CUT, summary.line())
    return summary.document()


def _done(store: Store, session: Session) -> set[str]:
    """The files of the results of parts, without those that do not hold any more."""
    done: set[str] = set()
    with ThreadPoolExecutor(MAX_CONNECTIONS, "hwang-cut") as pool:
        for some in batched(store.names(files.DONE), _LOOK_AHEAD):
            session.deadline.check()
            done |= {name for name, result in zip(some, pool.map(store.result, some), strict=True) if result}
    return done


def _seconds(store: Store, chunks: int) -> float:
    """The predicted seconds of all videos. Raises SourceNotFound if no chunk has a survey."""
    found: list[float] = []
    for chunk in range(chunks):
        try:
            found.append(store.survey(chunk)[0].seconds)
        except SourceNotFound:
            if not found and chunk == chunks - 1:
                raise
    return sum(found)


def _planned(videos: Iterator[files.SurveyedVideo], job: Job, *, with_asked: bool) -> Iterator[files.PlannedPiece]:
    """The pieces of all videos, each with the decode that does it: the job's form, places of its own in the output."""
    forms = [(one, _form(one)) for one in job.results]
    for video in videos:
        reference = video.video.model_dump(exclude_none=True)
        for piece in video.pieces:
            rows = files.rows_name(video, piece)
            is_kept = job.reduce is not None or (job.is_joined and rows != "")  # for a later step
            folder = files.FOLDER + files.PIECES if is_kept else ""
            results: list[dict[str, Any]] = []
            for one, form in forms:
                written_as = one.piece_format if is_kept else one.written_as
                place = f"{one.output.uri}{folder}{video.name}{rows}{_ending(written_as)}"
                results.append({**form, "format": written_as, "output": place})
            frames = {"rows": piece.frames, "asked": piece.asked} if with_asked and piece.asked else piece.frames
            request = {"video": reference, **_together(job, results, frames)}
            if is_kept:
                request.pop("storage_class", None)  # the function reads it again
            yield files.PlannedPiece(
                request=request,
                etag=video.etag,
                first=piece.first,
                last=piece.last,
                seconds=piece.seconds,
            )


def _form(one: Job) -> dict[str, Any]:
    """The fields of a decode that makes this result alone, without its place."""
    form = one.document()
    for name in ("videos", "output", "part_seconds", "concurrency", "tolerated_failure_percentage"):
        form.pop(name, None)
    form |= {name: getattr(one, name) for name in files.EARLIER}
    form = files.as_earlier(form) | {"format": one.written_as, "if_exists": "reuse"}
    if one.apply:
        form["apply"] = f"{one.apply.partition('@')[0]}@{own_code.content()}"  # another image makes other results
    return form


def _together(job: Job, results: list[dict[str, Any]], frames: Any) -> dict[str, Any]:
    """The fields of the decode that makes these results."""
    if job.outputs is None:
        (one,) = results
        place = one.pop("output")
        return {**one, "frames": frames, "output": place}
    shared = {name: value for name, value in results[0].items() if name in SHARED}
    own = [{name: value for name, value in one.items() if name not in SHARED} for one in results]
    return {**shared, "frames": frames, "outputs": [{**files.EARLIER, **one} for one in own]}


def _ending(written_as: Format) -> str:
    facts = FORMATS[written_as]
    return "/" if facts.many else f".{facts.extensions[0]}"
