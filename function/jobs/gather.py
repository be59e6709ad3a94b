"""The last step: one result of all parts, with what it took, what failed and what is missing."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from function.actions.combine import combine
from function.errors import JobIncomplete
from function.jobs.chunks import surveys
from function.jobs.cut import DONE, PARTS, SUMMARY, marker
from function.jobs.listing import job_document, read_job
from function.jobs.store import Store, batched, parsed
from function.jobs.tally import Tally
from function.jobs.writer import FileWriter
from function.models.event import MAX_PARTS, Combine, parse_event
from function.models.job import Job
from function.models.job_steps import Gather
from function.s3 import MAX_CONNECTIONS
from function.session import Session

RESULT: Final = "summary.json"
MANIFEST: Final = "_manifest.json"
REPORT: Final = "report.html"
_MOST_SHOWN: Final = 20_000  # results that the report knows of, evenly spread
_LOOK_AHEAD: Final = 1000
_LOG = logging.getLogger(__name__)


def gather(request: Gather, session: Session) -> dict[str, Any]:
    """Writes `_job/summary.json` and, unless too much is missing or failed, the result and the manifest.

    Answers the manifest without its lists. Raises JobIncomplete.
    """
    store = Store(session.client, request.job)
    job, plan = read_job(store), _plan(store)
    tally = Tally()
    for _, lines in surveys(store, plan["chunks"]):
        for line in lines:
            tally.add_video(line)
    with FileWriter(store, session, RESULT) as file:
        shown = _write_results(file, _results(store, tally, session), plan["pieces"])
        told = {"job": request.job.uri, "request": job_document(job), **tally.totals(plan)}
        incomplete = _incomplete(job, told, tally)
        if not incomplete and tally.partials:
            told |= _reduced(store, job, tally.partials, session)
        lists = {"failures": tally.failures, "missing": tally.missing, "timeline": tally.timeline}
        file.write(b",\n" + json.dumps({**told, **lists})[1:].encode())
    _report(store, {"results": shown, **told, **lists})
    if incomplete:
        raise incomplete
    manifest = store.publish(RESULT, MANIFEST)
    return {**told, "manifest": manifest, "milliseconds": session.clock.milliseconds()}


def _write_results(file: FileWriter, results: Iterator[dict[str, Any]], pieces: int) -> list[dict[str, Any]]:
    """Begins a JSON object with all of them, as they come; gives some, evenly spread."""
    step = max(1, pieces // _MOST_SHOWN)
    shown: list[dict[str, Any]] = []
    file.write(b'{"results": [')
    for number, piece in enumerate(results):
        if number % step == 0:
            shown.append(piece)
        file.write((",\n" if number else "\n").encode() + json.dumps(piece).encode())
    file.write(b"]")
    return shown


def _plan(store: Store) -> dict[str, Any]:
    """What the step that cuts has answered."""
    data = store.find(SUMMARY)
    if data is None:
        raise JobIncomplete(f"the videos of {store.output.uri} are not all surveyed; run the job again")
    plan: dict[str, Any] = parsed(data, store.uri(SUMMARY))
    return plan


def _results(store: Store, tally: Tally, session: Session) -> Iterator[dict[str, Any]]:
    """Of all pieces that were done, in the order of the parts."""
    lines = enumerate(store.get(PARTS).splitlines())
    with ThreadPoolExecutor(MAX_CONNECTIONS, "hwang-gather") as pool:
        for some in batched(lines, _LOOK_AHEAD):
            session.deadline.check()
            names = [DONE + marker(line) for _, line in some]
            for (part, _), name, data in zip(some, names, pool.map(store.find, names), strict=True):
                if data is None:
                    tally.missing.append(part)
                else:
                    yield from tally.add_part(part, parsed(data, store.uri(name)))


def _incomplete(job: Job, told: dict[str, Any], tally: Tally) -> JobIncomplete | None:
    """The error if more is missing or failed than is tolerated."""
    most = job.tolerated_failure_percentage / 100
    failed, missing = told["failed_videos"], told["missing_parts"]
    if missing <= most * told["parts"] and failed <= most * told["videos"]:
        return None
    codes = sorted({failure["code"] for failure in tally.failures})
    message = f"{failed} of {told['videos']} videos failed"
    message += f" ({', '.join(codes)})" if codes else ""
    message += f", {missing} of {told['parts']} parts are missing; run the job again for what is missing"
    return JobIncomplete(message, failed_videos=failed, missing=tally.missing[:1000], failures=tally.failures[:10])


def _reduced(store: Store, job: Job, partials: list[str], session: Session) -> dict[str, Any]:
    """One result of the parts' partial ones; of very many, in two steps."""
    groups = list(batched(partials, MAX_PARTS))
    if len(groups) > 1:
        names = [store.uri(f"partials/group-{number:03d}.npy") for number in range(len(groups))]
        for group, name in zip(groups, names, strict=True):
            _combine(group, name, session)
        partials = names
    result = _combine(partials, f"{job.output.uri}{job.reduce}.npy", session)
    return {name: result[name] for name in ("partial", "output", "reduced") if name in result}


def _combine(parts: list[str], output: str, session: Session) -> dict[str, Any]:
    request = parse_event({"action": "combine", "parts": parts, "output": output})
    assert isinstance(request, Combine)
    return combine(request, session)


def _report(store: Store, manifest: dict[str, Any]) -> None:
    """A page to look at. The results are complete without it."""
    try:
        from function.report import s3_read, write_report  # late, as no other request draws

        store.put_result(REPORT, write_report(manifest, s3_read(store.client)), "text/html; charset=utf-8")
    except Exception:
        _LOG.exception("the report could not be made")
