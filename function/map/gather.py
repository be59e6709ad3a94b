"""The last step: one result of all parts, with what it took, what failed and what is missing."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

from function.combine import combine
from function.errors import JobIncomplete
from function.event import MAX_PARTS, Combine, parse_event
from function.map.chunks import surveys
from function.map.cut import DONE, PARTS, SUMMARY, marker
from function.map.events import Gather
from function.map.job import Job
from function.map.listing import job_document, read_job
from function.map.store import Store, batched, parsed
from function.map.writer import FileWriter
from function.s3 import MOST_CONNECTIONS, ask
from function.session import Session

RESULT: Final = "summary.json"
MANIFEST: Final = "_manifest.json"
REPORT: Final = "report.html"
_MOST_FAILURES: Final = 10_000
_MOST_SHOWN: Final = 20_000  # results that the report knows of, evenly spread
_LOOK_AHEAD: Final = 1000
_LOG = logging.getLogger(__name__)


@dataclass
class _Tally:
    """What the parts add up to."""

    counters: dict[str, int] = field(default_factory=dict)
    timeline: list[dict[str, Any]] = field(default_factory=list)
    failures: list[dict[str, Any]] = field(default_factory=list)
    failed_videos: set[str] = field(default_factory=set)
    missing: list[int] = field(default_factory=list)
    partials: list[str] = field(default_factory=list)
    pieces: int = 0
    frames: int = 0
    objects: int = 0
    bytes_written: int = 0

    def fail(self, video: Any, failure: dict[str, Any], **where: Any) -> None:
        self.failed_videos.add(json.dumps(video, sort_keys=True))
        if len(self.failures) < _MOST_FAILURES:
            self.failures.append({"video": _shown(video), **where, **{k: failure[k] for k in ("code", "message")}})

    def add(self, part: int, done: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Takes a part's result, and gives that of each of its pieces."""
        for name, value in done["counters"].items():
            self.counters[name] = self.counters.get(name, 0) + int(value)
        pieces = done["pieces"]
        failed = [piece for piece in pieces if "code" in piece]
        counted = ("bytes_read", "requests", "samples_decoded")
        self.timeline.append(
            {
                "part": part,
                **{k: done[k] for k in _OF_A_PART},
                **{name: int(done["counters"].get(name, 0)) for name in counted},
                "pieces": len(pieces),
                "failed": len(failed),
            }
        )
        self.partials += [written["uri"] for written in done.get("output", [])]
        self.pieces, self.frames = self.pieces + len(pieces), self.frames + done["frames"]
        for piece in pieces:
            if "code" in piece:
                self.fail(piece["video"], piece, part=part, first=piece["first"], last=piece["last"])
                continue
            self.objects, self.bytes_written = (
                self.objects + piece["objects"],
                self.bytes_written + piece["bytes_written"],
            )
            yield {"video": _shown(piece["video"]), "part": part, **{k: piece[k] for k in _OF_A_PIECE}}


_OF_A_PART: Final = ("attempts", "started", "ended", "predicted_seconds", "worker", "milliseconds", "frames")
_OF_A_PIECE: Final = ("first", "last", "frames", "manifest", "objects", "output")


def gather(request: Gather, session: Session) -> dict[str, Any]:
    """Writes `_job/summary.json` and, unless too much is missing or failed, the result and the manifest.

    Answers the manifest without its lists. Raises JobIncomplete.
    """
    store = Store(session.client, request.job)
    job, plan = read_job(store), _plan(store)
    tally = _Tally()
    videos = bytes_in_files = 0
    for _, lines in surveys(store, plan["chunks"]):
        for line in lines:
            videos, bytes_in_files = videos + 1, bytes_in_files + (line.get("bytes") or 0)
            if "failure" in line:
                tally.fail(line["video"], line["failure"], part=None, first=None, last=None)
    with FileWriter(store, session, RESULT) as file:
        file.write(b'{"results": [')
        step = max(1, plan["pieces"] // _MOST_SHOWN)
        shown: list[dict[str, Any]] = []
        for number, piece in enumerate(_results(store, tally, session)):
            if number % step == 0:
                shown.append(piece)
            file.write((",\n" if number else "\n").encode() + json.dumps(piece).encode())
        told: dict[str, Any] = {
            "job": request.job.uri,
            "request": job_document(job),
            "complete": not tally.missing and not tally.failed_videos,
            **_span(tally),
            "videos": videos,
            "failed_videos": len(tally.failed_videos),
            "parts": plan["parts"],
            "missing_parts": len(tally.missing),
            "pieces": tally.pieces,
            "frames": tally.frames,
            "objects": tally.objects,
            "bytes_written": tally.bytes_written,
            "bytes_in_files": bytes_in_files,
            "counters": tally.counters,
            "seconds": {
                "predicted": plan["seconds"],
                "worked": round(sum(part["ended"] - part["started"] for part in tally.timeline), 3),
            },
            "attempts": sum(part["attempts"] for part in tally.timeline),
        }
        incomplete = _incomplete(job, told, tally)
        if not incomplete and tally.partials:
            told |= _reduced(store, job, tally.partials, session)
        lists = {"failures": tally.failures, "missing": tally.missing, "timeline": tally.timeline}
        file.write(b"],\n" + json.dumps({**told, **lists})[1:].encode())
    _report(store, {"results": shown, **told, **lists})
    if incomplete:
        raise incomplete
    target = f"{job.output.key}{MANIFEST}"
    source = {"Bucket": job.output.bucket, "Key": store.key(RESULT)}
    ask(session.client.copy_object, Bucket=job.output.bucket, Key=target, CopySource=source)
    return {**told, "manifest": f"s3://{job.output.bucket}/{target}", "milliseconds": session.clock.milliseconds()}


def _plan(store: Store) -> dict[str, Any]:
    """What the step that cuts has answered."""
    data = store.find(SUMMARY)
    if data is None:
        raise JobIncomplete(f"the videos of {store.output.uri} are not all surveyed; run the job again")
    plan: dict[str, Any] = parsed(data, store.uri(SUMMARY))
    return plan


def _results(store: Store, tally: _Tally, session: Session) -> Iterator[dict[str, Any]]:
    """Of all pieces that were done, in the order of the parts."""
    lines = enumerate(store.get(PARTS).splitlines())
    with ThreadPoolExecutor(MOST_CONNECTIONS, "hwang-gather") as pool:
        for some in batched(lines, _LOOK_AHEAD):
            session.deadline.check()
            names = [DONE + marker(line) for _, line in some]
            for (part, _), name, data in zip(some, names, pool.map(store.find, names), strict=True):
                if data is None:
                    tally.missing.append(part)
                else:
                    yield from tally.add(part, parsed(data, store.uri(name)))


def _span(tally: _Tally) -> dict[str, Any]:
    if not tally.timeline:
        return {}
    return {
        "started": min(part["started"] for part in tally.timeline),
        "ended": max(part["ended"] for part in tally.timeline),
    }


def _incomplete(job: Job, told: dict[str, Any], tally: _Tally) -> JobIncomplete | None:
    """The error if more is missing or failed than is tolerated."""
    most = job.tolerated_failure_percentage / 100
    if len(tally.missing) <= most * told["parts"] and len(tally.failed_videos) <= most * told["videos"]:
        return None
    codes = sorted({failure["code"] for failure in tally.failures})
    message = f"{len(tally.failed_videos)} of {told['videos']} videos failed"
    message += f" ({', '.join(codes)})" if codes else ""
    message += f", {len(tally.missing)} of {told['parts']} parts are missing; run the job again for what is missing"
    return JobIncomplete(
        message, failed_videos=len(tally.failed_videos), missing=tally.missing[:1000], failures=tally.failures[:10]
    )


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

        page = write_report(manifest, s3_read(store.client))
        key = f"{store.output.key}{REPORT}"
        ask(
            store.client.put_object,
            Bucket=store.output.bucket,
            Key=key,
            Body=page,
            ContentType="text/html; charset=utf-8",
        )
    except Exception:
        _LOG.exception("the report could not be made")


def _shown(video: Any) -> str:
    """As an address."""
    return video["url"] if "url" in video else f"s3://{video['bucket']}/{video['key']}"
