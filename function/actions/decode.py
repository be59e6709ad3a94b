"""The decode action: open the video, check that the request fits, decode, write, return the result."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final

import numpy as np

import hwang
from function.actions.limits import DecodeEstimate, batch_bytes, check, function_memory
from function.errors import BadRequest, UnsupportedMedia
from function.frames.pictures import Pictures, Shape, SizeMisstatedError
from function.frames.reduce import REDUCTIONS, Reduced
from function.frames.rows import resolve_rows
from function.models.event import Decode
from function.models.fingerprint import fingerprint
from function.models.formats import FORMATS
from function.models.places import Output
from function.models.result import DecodeResult, FrameList, Partial, Written, as_json, returned
from function.output.formats import DecodedFrames, inline, write, write_npy
from function.output.publish import Publication, check_bucket, finished
from function.output.undo_log import Journal
from function.session import Session
from function.source.video import OpenVideo
from hwang.plan import make_plan

MAX_UNDONE_LISTED: Final = 1000


def decode(request: Decode, session: Session) -> dict[str, Any]:
    """Decode, write, and return the result. Raises FunctionError; then nothing of the request is left in the output."""
    with _bucket_checked(session, request.output) as checked, OpenVideo.of(session, request.video) as video:
        with session.clock.phase("open"):
            checked()
        asked = fingerprint(request, [video.source.etag])
        if request.output and (before := finished(session.client, request.output, request, asked)):
            return returned(before) | {"kept": True}
        try:
            whole = _run(request, session, video, asked)
        except SizeMisstatedError:
            whole = _run(request, session, video.learnt(), asked)
    return returned(whole) | {"milliseconds": session.clock.milliseconds()}


def _run(request: Decode, session: Session, video: OpenVideo, asked: str) -> dict[str, Any]:
    run = _DecodeRun(request, session, video, asked)
    session.progress = run.progress
    check(run.estimate, function_memory())
    if video.index.byte_addressable:
        video.source.expect(run.estimate.plan.ranges)
    return run.publish(request.output) if request.output else run.result([])


@contextmanager
def _bucket_checked(session: Session, output: Output | None) -> Iterator[Callable[[], None]]:
    """Check the output's bucket while the video is opened; the callable waits for that and raises its error."""
    if output is None:
        yield lambda: None
        return
    with ThreadPoolExecutor(1, "hwang-bucket") as thread:
        yield thread.submit(check_bucket, session.client, output.bucket).result


def _require_encoder() -> None:
    """Raises BadRequest in an image that was built without an H.264 encoder."""
    if not hwang.can_encode():
        message = "this image was built without the H.264 encoder, which an mp4 needs"
        raise BadRequest(f"format: {message}", problems=[{"path": "format", "message": message}])


class _DecodeRun:
    """One decode whose video is open."""

    def __init__(self, request: Decode, session: Session, video: OpenVideo, asked: str) -> None:
        index = video.index
        rows = resolve_rows(request.frames, index)
        if index.clockless and any(field == "seconds" for _, field, _ in request.template.parts):
            raise UnsupportedMedia("name: {seconds} needs times, and this raw stream states none: use {row}")
        written_as = request.resolved_format(len(rows))
        shape = Shape.of((index.width, index.height), request.size, index.rotation if request.rotate else 0)
        if FORMATS[written_as].writer == "clip":
            _require_encoder()
            shape = shape.even()
        plan = make_plan(index, rows)
        self.estimate = DecodeEstimate(index, plan, shape, written_as, request.reduce, video.source.size)
        self._request, self._session, self._video, self._asked = request, session, video, asked
        is_sized = request.size is not None
        self._pictures = Pictures(video.decoder, rows, shape, is_sized, session.clock, batch_bytes(shape))
        seconds, name = index.timestamps()[rows].tolist(), video.source.uri.rpartition("/")[2]
        self._frames = DecodedFrames(request, written_as, self._pictures, seconds, name)

    def publish(self, output: Output) -> dict[str, Any]:
        """Write everything, the manifest last, and return the whole result, which is the manifest."""
        session = self._session
        journal = Journal(session.run, self._asked, output.manifest_key, session.record)
        with Publication(session.client, output, self._request, journal) as publication:
            reduced = self._reduced() if self._request.reduce else None
            with session.clock.phase("write"):
                if reduced is None:
                    written = write(publication, self._frames)
                else:
                    written = [write_npy(publication, output.key, reduced.shape, reduced.dtype, [reduced])]
            whole = self.result(written, reduced)
            session.deadline.check()
            with session.clock.phase("write"):
                publication.put_manifest(json.dumps(whole).encode())
        return whole

    def result(self, written: list[Written], reduced: Reduced | None = None) -> dict[str, Any]:
        """The whole result as JSON values. Without an output it holds the frames or their reduction."""
        request, rows = self._request, self._pictures.rows
        answer = None
        if request.output is None:
            reduced = self._reduced() if request.reduce else None
            if reduced is None:
                answer = inline(self._frames.shape, np.dtype(np.uint8), self._pictures.in_order())
            else:
                answer = inline(reduced.shape, reduced.dtype, [reduced])
        result = DecodeResult(
            request=self._asked,
            video=self._video.facts,
            frames=FrameList.of(rows.tolist(), list(self._frames.seconds)),
            output=written,
            objects=len(written),
            manifest=f"s3://{request.output.bucket}/{request.output.manifest_key}" if request.output else None,
            reduced=int(reduced) if reduced is not None and reduced.ndim == 0 else None,
            partial=Partial(reduce=request.reduce, frames=len(rows)) if request.reduce else None,
            inline=answer,
            counters=self._video.counters,
        )
        return as_json(result)

    def progress(self) -> dict[str, Any]:
        """Numbers of frames done and undone, and the undone rows, which a request for the rest has to name."""
        undone = self._pictures.undone.tolist()
        done = len(self._pictures.rows) - len(undone)
        return {"done": done, "undone": len(undone), "undone_rows": undone[:MAX_UNDONE_LISTED]}

    def _reduced(self) -> Reduced:
        assert self._request.reduce
        result = REDUCTIONS[self._request.reduce].new()
        # Their order does not matter to a reduction, and distinct ascending rows decode each sample once.
        distinct, counts = np.unique(self._pictures.rows, return_counts=True)
        for part, frames in self._pictures.batches(distinct):
            with self._session.clock.phase("reduce"):
                result.add(frames, counts[part])
        return result.result()
