"""The last step: one result of all parts, with what it took, what failed and what is missing."""

from __future__ import annotations

import json
import logging
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

from function.actions.combine import combine
from function.errors import (
    BadRequest,
    CorruptMedia,
    DeadlineExceeded,
    FunctionError,
    JobIncomplete,
    SourceNotFound,
    from_exception,
)
from function.jobs.join import join
from function.jobs.part import lost_results
from function.jobs.store import Store, batched
from function.jobs.totals import Totals
from function.models import job_files as files
from function.models.event import MAX_PARTS, Combine
from function.models.formats import FORMATS
from function.models.job import Job
from function.models.job_steps import Gather
from function.models.places import MANIFEST_SUFFIX
from function.output.publish import ObjectWriter
from function.s3 import MAX_CONNECTIONS
from function.session import Session
from hwang.sources.backoff import pause_seconds

_MAX_SHOWN: Final = 20_000  # results that the report knows of, evenly spread
_LOOK_AHEAD: Final = 1000
_JOINS: Final = 4  # videos at a time
_JOIN_ATTEMPTS: Final = 3
_MAX_NAMED: Final = 3  # failed videos in an error's message
_LISTS: Final = {"results", "timeline", "failures", "missing", "skipped_keys"}
_LOG = logging.getLogger(__name__)


def gather(request: Gather, session: Session) -> dict[str, Any]:
    """Writes `_job/summary.json`, the report and, unless too much is missing or failed, the result and the manifest.

    Returns the manifest without its lists. Raises JobIncomplete.
    """
    store = Store(session.client, request.job)
    job, plan = store.job(), _plan(store)
    listing = store.find(files.LISTING)
    totals = Totals(files.Listing.read(listing, store.uri(files.LISTING)) if listing else files.Listing())
    for video in store.surveyed(plan.chunks):
        totals.add_video(video)
    with store.writing(files.SUMMARY, session) as file:
        results = _results(store, totals, session)
        if job.is_joined:
            results = _joined(store, job, plan.chunks, results, totals, session)
        shown = _write_results(file, results, plan.pieces)
        manifest = totals.manifest(plan, job.document(), shown)
        incomplete = _incomplete(job, manifest)
        if not incomplete and totals.partials:
            try:
                combined = _reduced(store, job, totals.partials, session)
                facts = {name: getattr(combined, name) for name in combined.model_fields_set}
                manifest = manifest.model_copy(update=facts)
            except (SourceNotFound, CorruptMedia, BadRequest) as error:
                missing = (*manifest.missing, *_lost(store, lost_results(error)))
                manifest = manifest.model_copy(
                    update={"complete": False, "missing": missing, "missing_parts": len(missing)}
                )
                incomplete = _incomplete(job, manifest) or error
        rest = manifest.model_dump(exclude_unset=True, exclude={"results"})
        file.write(b",\n" + json.dumps(rest)[1:].encode())
    _report(store, manifest)
    if incomplete:
        raise incomplete
    address = store.publish(files.SUMMARY, files.MANIFEST)
    answer = manifest.model_dump(exclude_unset=True, exclude=_LISTS)
    return {**answer, "manifest": address, "milliseconds": session.clock.milliseconds()}


def _write_results(file: ObjectWriter, results: Iterator[files.PieceResult], pieces: int) -> list[files.PieceResult]:
    """Begins a JSON object with all of them, as they come; returns some, evenly spread."""
    step = max(1, pieces // _MAX_SHOWN)
    shown: list[files.PieceResult] = []
    file.write(b'{"results": [')
    for number, piece in enumerate(results):
        if number % step == 0:
            shown.append(piece)
        file.write((b",\n" if number else b"\n") + piece.line())
    file.write(b"]")
    return shown


def _plan(store: Store) -> files.CutSummary:
    data = store.find(files.CUT)
    if not data:
        raise JobIncomplete(f"the videos of {store.output.uri} are not all surveyed; run the job again")
    return files.CutSummary.read(data, store.uri(files.CUT))


def _results(store: Store, totals: Totals, session: Session) -> Iterator[files.PieceResult]:
    """The results of all pieces that were decoded, in the order of the parts."""
    lines = enumerate(store.get(files.PARTS).splitlines())
    with ThreadPoolExecutor(MAX_CONNECTIONS, "hwang-gather") as pool:
        for some in batched(lines, _LOOK_AHEAD):
            session.deadline.check()
            found = pool.map(lambda item: _result(store, item[1]), some)
            for (part, _), result in zip(some, found, strict=True):
                if result:
                    yield from totals.add_part(part, result)
                else:
                    totals.missing.append(part)


def _result(store: Store, line: bytes) -> files.PartResult | None:
    """The result of the part of this line: without failures, or else with some."""
    return store.result(files.done_name(line)) or store.result(files.failed_name(line))


def _joined(
    store: Store,
    job: Job,
    chunks: int,
    results: Iterator[files.PieceResult],
    totals: Totals,
    session: Session,
) -> Iterator[files.PieceResult]:
    """The results, with the pieces of a video joined in one where all are there; a few videos at a time.

    A video whose pieces cannot be joined has failed, and its pieces are listed as they are.
    """
    ending = f".{FORMATS[job.written_as].extensions[0]}"
    videos = {video.name: video for video in store.surveyed(chunks) if len(video.pieces) > 1}
    waiting: dict[str, list[files.PieceResult]] = {}

    def whole(name: str, some: list[files.PieceResult]) -> list[files.PieceResult]:
        video = videos[name]
        pieces = [f"{files.PIECES}{name}{files.rows_name(video, piece)}{ending}" for piece in video.pieces]
        try:
            manifest = _join(store, job, pieces, f"{store.output.key}{name}{ending}", session)
        except DeadlineExceeded:
            raise
        except FunctionError as error:
            totals.fail(video.video, code=error.code, message=error.message)
            if not error.retryable:
                _forget(store, pieces, {piece.part for piece in some})
            return some
        joined = {
            "last": some[-1].last,
            "frames": manifest["frames"]["count"],
            "manifest": manifest["manifest"],
            "output": tuple(written["uri"] for written in manifest["output"]),
        }
        return [some[0].model_copy(update=joined)]

    with ThreadPoolExecutor(_JOINS, "hwang-join") as pool:
        under_way: deque[Future[list[files.PieceResult]]] = deque()
        for result in results:
            name = result.output[0].removeprefix(store.uri(files.PIECES)).rpartition("/rows-")[0]
            if name not in videos:
                yield result
                continue
            waiting.setdefault(name, []).append(result)
            if len(waiting[name]) == len(videos[name].pieces):
                under_way.append(pool.submit(whole, name, waiting.pop(name)))
            if len(under_way) == _JOINS:
                yield from under_way.popleft().result()
        for future in under_way:
            yield from future.result()
    for incomplete in waiting.values():
        yield from incomplete


def _join(store: Store, job: Job, pieces: list[str], key: str, session: Session) -> dict[str, Any]:
    """The manifest of the pieces joined, after a few attempts. Raises FunctionError."""
    for attempt in range(1, _JOIN_ATTEMPTS + 1):
        session.deadline.check()
        try:
            return join(store, job, pieces, key, session)
        except Exception as error:
            failure = from_exception(error)
            if not failure.retryable or isinstance(failure, DeadlineExceeded) or attempt == _JOIN_ATTEMPTS:
                raise failure from error
        time.sleep(pause_seconds(attempt))
    raise AssertionError


def _forget(store: Store, pieces: list[str], parts: set[int | None]) -> None:
    """Deletes what says that these pieces and parts are done, so that another run makes them again."""
    for part, line in enumerate(store.get(files.PARTS).splitlines()):
        if part in parts:
            store.delete(files.done_name(line))
            store.delete(files.failed_name(line))
    for piece in pieces:
        store.delete(piece + MANIFEST_SUFFIX)


def _incomplete(job: Job, manifest: files.JobManifest) -> FunctionError | None:
    """The error if more is missing or failed than is tolerated."""
    if manifest.is_tolerable(job.tolerated_failure_percentage):
        return None
    codes = sorted({failure.code for failure in manifest.failures})
    message = f"{manifest.failed} of {manifest.videos} videos failed"
    message += f" ({', '.join(codes)})" if codes else ""
    message += f", {len(manifest.missing)} of {manifest.parts} parts are missing; run the job again for what is missing"
    names = list(dict.fromkeys(failure.video for failure in manifest.failures))
    if names:
        more = manifest.failed - len(names[:_MAX_NAMED])
        message += f"; failed: {', '.join(names[:_MAX_NAMED])}" + (f" and {more} more" if more > 0 else "")
    failures = [failure.document() for failure in manifest.failures[:10]]
    return JobIncomplete(
        message, failed_videos=manifest.failed, missing=list(manifest.missing[:1000]), failures=failures
    )


def _lost(store: Store, uris: list[str]) -> tuple[int, ...]:
    """The parts whose partial results these are. What says that they are done is deleted: another run does them."""
    markers = {uri.rpartition("/")[2].removesuffix(".npy") for uri in uris}
    lines = enumerate(store.get(files.PARTS).splitlines())
    parts = {part: line for part, line in lines if files.marker(line) in markers}
    for line in parts.values():
        store.delete(files.done_name(line))
        store.delete(files.failed_name(line))
        store.delete(files.partial_name(line) + MANIFEST_SUFFIX)
    return tuple(parts)


def _reduced(store: Store, job: Job, partials: list[str], session: Session) -> files.Combined:
    """One result of the parts' partial ones; of very many, in two steps."""
    groups = list(batched(partials, MAX_PARTS))
    if len(groups) > 1:
        names = [store.uri(f"partials/group-{number:03d}.npy") for number in range(len(groups))]
        for group, name in zip(groups, names, strict=True):
            _combine(group, name, session)
        partials = names
    return files.Combined.model_validate(_combine(partials, f"{job.output.uri}{job.reduce}.npy", session))


def _combine(parts: list[str], output: str, session: Session) -> dict[str, Any]:
    return combine(Combine.model_validate({"action": "combine", "parts": parts, "output": output}), session)


def _report(store: Store, manifest: files.JobManifest) -> None:
    """Writes a page to look at. The results are complete without it."""
    try:
        from function.report import s3_read, write_report  # late import: no other request draws

        store.put_result(files.REPORT, write_report(manifest, s3_read(store.client)), "text/html; charset=utf-8")
    except Exception:
        _LOG.exception("the report could not be made")
