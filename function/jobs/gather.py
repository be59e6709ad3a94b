"""The last step: one result of all parts, with what it took, what failed and what is missing."""

from __future__ import annotations

import json
import logging
from collections.abc import Container, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
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
from function.models.event import Combine
from function.models.formats import FORMATS
from function.models.job import Job
from function.models.job_steps import Gather
from function.output.publish import ObjectWriter
from function.s3 import MAX_CONNECTIONS
from function.session import Session

_MAX_SHOWN: Final = 20_000  # results that the report knows of, evenly spread
_LOOK_AHEAD: Final = 1000
_JOINS: Final = 4  # videos at a time
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
                combined = _reduced(job, totals.partials, session)
                facts = {name: getattr(combined, name) for name in combined.model_fields_set}
                manifest = manifest.model_copy(update=facts)
            except (SourceNotFound, CorruptMedia, BadRequest) as error:
                parts = {part for part, uri in totals.partials if uri in lost_results(error)}
                _forget(store, parts, lost_results(error))
                missing = (*manifest.missing, *sorted(parts))
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
    store: Store, job: Job, chunks: int, results: Iterator[files.PieceResult], totals: Totals, session: Session
) -> Iterator[files.PieceResult]:
    """The results, with the pieces of a video joined in one where all are there; a few videos at a time.

    A video whose pieces cannot be joined has failed, and its pieces are listed as they are.
    """
    ending, ending_of_piece = (f".{FORMATS[one].extensions[0]}" for one in (job.written_as, job.piece_format))
    videos = {video.name: video for video in store.surveyed(chunks) if len(video.pieces) > 1}

    def whole(some: list[files.PieceResult]) -> list[files.PieceResult]:
        video = videos.get(_name_of(store, some[0]))
        if video is None or len(some) < len(video.pieces):
            return some
        pieces = [
            f"{files.PIECES}{video.name}{files.rows_name(video, piece)}{ending_of_piece}" for piece in video.pieces
        ]
        try:
            session.deadline.check()
            manifest = join(store, job, pieces, f"{store.output.key}{video.name}{ending}", session)
        except DeadlineExceeded:
            raise
        except Exception as error:
            failure = from_exception(error)
            totals.fail(video.video, code=failure.code, message=failure.message)
            if not failure.retryable:
                _forget(store, {piece.part for piece in some}, map(store.uri, pieces))
            return some
        joined = {
            "last": some[-1].last,
            "frames": manifest["frames"]["count"],
            "manifest": manifest["manifest"],
            "output": tuple(written["uri"] for written in manifest["output"]),
        }
        return [some[0].model_copy(update=joined)]

    def by_video() -> Iterator[list[files.PieceResult]]:
        waiting: dict[str, list[files.PieceResult]] = {}
        for result in results:
            name = _name_of(store, result)
            some = [*waiting.pop(name, ()), result]
            if name in videos and len(some) < len(videos[name].pieces):
                waiting[name] = some
            else:
                yield some
        yield from waiting.values()

    with ThreadPoolExecutor(_JOINS, "hwang-join") as pool:
        for several in batched(by_video(), _JOINS):
            yield from chain.from_iterable(pool.map(whole, several))


def _name_of(store: Store, result: files.PieceResult) -> str:
    """The name of the video of a piece that is to be joined; of others it names none."""
    return result.output[0].removeprefix(store.uri(files.PIECES)).rpartition("/rows-")[0]


def _forget(store: Store, parts: Container[int | None], results: Iterable[str]) -> None:
    """Deletes what says that these parts and results are done, so that another run makes them again."""
    for part, line in enumerate(store.get(files.PARTS).splitlines()):
        if part in parts:
            store.delete(files.done_name(line))
            store.delete(files.failed_name(line))
    for uri in results:
        store.delete_result(uri)


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


def _reduced(job: Job, partials: list[tuple[int, str]], session: Session) -> files.Combined:
    """One result of the parts' partial ones."""
    event = {"action": "combine", "parts": [uri for _, uri in partials], "output": f"{job.output.uri}{job.reduce}.npy"}
    return files.Combined.model_validate(combine(Combine.model_validate(event), session))


def _report(store: Store, manifest: files.JobManifest) -> None:
    """Writes a page to look at. The results are complete without it."""
    try:
        from function.report import s3_read, write_report  # late import: no other request draws

        store.put_result(files.REPORT, write_report(manifest, s3_read(store.client)), "text/html; charset=utf-8")
    except Exception:
        _LOG.exception("the report could not be made")
