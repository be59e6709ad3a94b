"""The third step: the pieces of all videos, as they follow, bundled into parts of equal cost."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from typing import Any, Final

from function.errors import LimitExceeded
from function.jobs.chunks import surveys
from function.jobs.listing import ITEMS as SURVEYS
from function.jobs.listing import job_document, read_job
from function.jobs.pieces import bundles
from function.jobs.store import Store
from function.jobs.writer import FileWriter
from function.models.formats import FORMATS
from function.models.job import Job
from function.models.job_steps import Cut
from function.session import Session

PARTS: Final = "parts.jsonl"
ITEMS: Final = "parts.json"
SUMMARY: Final = "cut.json"
DONE: Final = "done/"
MOST_PARTS: Final = 100_000


def cut(request: Cut, session: Session) -> dict[str, Any]:
    """Describes every part in a line of one object, and lists the events for those that are not done.

    Raises LimitExceeded for more than 100,000 parts, SourceNotFound if a survey is missing.
    """
    store = Store(session.client, request.job)
    job = read_job(store)
    chunks = len(store.get_json(SURVEYS))
    seconds = sum(predicted for predicted, _ in surveys(store, chunks))
    parts = math.ceil(seconds / job.part_seconds)
    if parts > MOST_PARTS:
        raise LimitExceeded(
            f"part_seconds: {parts} parts of {job.part_seconds:g} s are more than the {MOST_PARTS} of a job; "
            "ask for longer parts, or make several jobs",
            limit="parts",
            wanted=parts,
            maximum=MOST_PARTS,
        )
    done = set(store.names(DONE))
    made = to_do = offset = count = 0
    request_of = _PieceRequests(job)
    with FileWriter(store, session, PARTS) as lines, FileWriter(store, session, ITEMS) as items:
        for pieces in bundles(_pieces(store, chunks, request_of), seconds, parts):
            session.deadline.check()
            line = json.dumps(
                {"seconds": round(sum(piece["seconds"] for piece in pieces), 3), "pieces": pieces}
            ).encode()
            if marker(line) not in done:
                event = {"action": "part", "job": request.job.uri, "part": made, "offset": offset, "length": len(line)}
                items.write((", " if to_do else "[").encode() + json.dumps(event).encode())
                to_do += 1
            lines.write(line + b"\n")
            offset, made, count = offset + len(line) + 1, made + 1, count + len(pieces)
        items.write(b"]" if to_do else b"[]")
    answer = {
        "job": request.job.uri,
        "parts": made,
        "pieces": count,
        "to_do": to_do,
        "seconds": round(seconds, 3),
        "concurrency": job.concurrency,
        "tolerated_failure_percentage": job.tolerated_failure_percentage,
        "items": store.place(ITEMS),
    }
    store.put_json(SUMMARY, {**answer, "chunks": chunks})
    return answer


def marker(line: bytes) -> str:
    """The name of the result of the part that this line describes, wherever it stands among the parts."""
    return hashlib.sha256(line.strip()).hexdigest()[:32] + ".json"


def _pieces(store: Store, chunks: int, request_of: _PieceRequests) -> Iterator[dict[str, Any]]:
    for _, lines in surveys(store, chunks):
        for line in lines:
            pieces = line.get("pieces", ())
            for piece in pieces:
                yield {
                    "request": request_of(line, piece, alone=len(pieces) == 1),
                    "etag": line["etag"],
                    "first": piece["first"],
                    "last": piece["last"],
                    "seconds": piece["seconds"],
                }


class _PieceRequests:
    """The decode that does a piece: the job's form, the piece's rows, a place of its own below the job's output."""

    def __init__(self, job: Job) -> None:
        document = job_document(job)
        for name in ("videos", "output", "part_seconds", "concurrency", "tolerated_failure_percentage"):
            document.pop(name, None)
        self._form = {**document, "format": job.written_as, "if_exists": "reuse"}
        self._prefix = job.output.uri + ("_job/pieces/" if job.reduce else "")
        facts = FORMATS[job.written_as]
        self._ending = "/" if facts.many else f".{facts.extensions[0]}"

    def __call__(self, line: dict[str, Any], piece: dict[str, Any], *, alone: bool) -> dict[str, Any]:
        rows = "" if alone else f"/rows-{piece['first']:08d}"
        output = f"{self._prefix}{line['name']}{rows}{self._ending}"
        return {"video": line["video"], **self._form, "frames": piece["frames"], "output": output}
