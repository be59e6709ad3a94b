"""The story of a decode: open the video, see whether it fits, decode, write, tell."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final

import numpy as np

import hwang
from function.actions.limits import Work, batch_bytes, check, function_memory
from function.errors import BadRequest
from function.frames.pictures import Pictures, Shape
from function.frames.reduce import Reduced, dtype_of, reducer
from function.frames.rows import resolve_rows
from function.frames.sheet import layout
from function.models.event import Decode
from function.models.fingerprint import fingerprint
from function.models.places import Output
from function.models.result import DecodeResult, FrameList, Partial, Written, as_json, returned
from function.output import formats
from function.output.publish import Publication, check_bucket, finished
from function.output.undo_log import Journal
from function.session import Session
from function.source.video import OpenVideo
from hwang.plan import make_plan

MAX_UNDONE_LISTED: Final = 1000


def decode(request: Decode, session: Session) -> dict[str, Any]:
    """The result as it is returned. Raises FunctionError; then nothing of the request is left in the output."""
    with _bucket_checked(session, request.output) as checked, OpenVideo.of(session, request.video) as video:
        with session.clock.phase("open"):
            checked()
        asked = fingerprint(request, [video.source.etag])
        if request.output and (before := finished(session.client, request.output, request, asked)):
            return returned(before) | {"kept": True}
        job = _Job(request, session, video, asked)
        session.progress = job.progress
        check(job.work, function_memory())
        if video.index.byte_addressable:
            video.source.expect(job.work.plan.ranges)
        whole = job.publish(request.output) if request.output else job.result([])
    return returned(whole) | {"milliseconds": session.clock.milliseconds()}


@contextmanager
def _bucket_checked(session: Session, output: Output | None) -> Iterator[Callable[[], None]]:
    """Looks at the output's bucket while the video is opened; the call raises what it found."""
    if output is None:
        yield lambda: None
        return
    with ThreadPoolExecutor(1, "hwang-bucket") as thread:
        yield thread.submit(check_bucket, session.client, output.bucket).result


def _require_encoder() -> None:
    """Raises BadRequest in an image that was built without one."""
    if not hwang.can_encode():
        message = "this image was built without the H.264 encoder, which an mp4 needs"
        raise BadRequest(f"format: {message}", problems=[{"path": "format", "message": message}])


class _Job:
    """One decode whose video is open."""

    def __init__(self, request: Decode, session: Session, video: OpenVideo, asked: str) -> None:
        index = video.index
        rows = resolve_rows(request.frames, index)
        written_as = request.resolved_format(len(rows))
        shape = Shape.of((index.width, index.height), request.size, index.rotation if request.rotate else 0)
        if written_as == "mp4":
            _require_encoder()
            shape = shape.even()
        plan = make_plan(index, rows)
        self.work = Work(index, plan, shape, written_as, request.reduce, video.source.size)
        self._request, self._session, self._video, self._asked = request, session, video, asked
        self._pictures = Pictures(video.decoder, rows, shape, session.clock, batch_bytes(shape))
        self._seconds: list[float] = index.timestamps()[rows].tolist()

    def publish(self, output: Output) -> dict[str, Any]:
        """Writes everything, the manifest last, and returns the whole result, which is the manifest."""
        session = self._session
        journal = Journal(session.run, self._asked, output.manifest_key, session.tell)
        with Publication(session.client, output, self._request, journal) as publication:
            if self._request.reduce:
                reduced = self._reduced()
                with session.clock.phase("write"):
                    parts = [np.asarray(reduced)]
                    written = [formats.write_npy(publication, output.key, reduced.shape, reduced.dtype, parts)]
                whole = self.result(written, reduced)
            else:
                with session.clock.phase("write"):
                    written = self._write(publication, output)
                whole = self.result(written)
            session.deadline.check()
            with session.clock.phase("write"):
                publication.put_manifest(json.dumps(whole).encode())
        return whole

    def result(self, written: list[Written], reduced: Reduced | None = None) -> dict[str, Any]:
        """The whole result, as JSON has it. Without an output, the frames or their reduction are in it."""
        request, rows = self._request, self._pictures.rows
        inline = None
        if request.output is None:
            inline, reduced = self._inline()
        result = DecodeResult(
            request=self._asked,
            video=self._video.facts,
            frames=FrameList(count=len(rows), rows=rows.tolist(), timestamps=self._seconds),
            output=written,
            objects=len(written),
            manifest=f"s3://{request.output.bucket}/{request.output.manifest_key}" if request.output else None,
            reduced=int(reduced) if reduced is not None and reduced.ndim == 0 else None,
            partial=Partial(reduce=request.reduce, frames=len(rows)) if request.reduce else None,
            inline=inline,
            counters=self._video.counters,
        )
        return as_json(result)

    def progress(self) -> dict[str, Any]:
        """How far it got: what a request for the rest has to ask for."""
        undone = self._pictures.undone.tolist()
        done = len(self._pictures.rows) - len(undone)
        return {"done": done, "undone": len(undone), "undone_rows": undone[:MAX_UNDONE_LISTED]}

    def _reduced(self) -> Reduced:
        assert self._request.reduce
        result = reducer(self._request.reduce)
        # Their order does not matter to a reduction, and distinct ascending rows decode each sample once.
        distinct, counts = np.unique(self._pictures.rows, return_counts=True)
        for part, frames in self._pictures.batches(distinct):
            with self._session.clock.phase("reduce"):
                result.add(frames, counts[part])
        return result.result()

    def _inline(self) -> tuple[Any, Reduced | None]:
        if self._request.reduce:
            reduced = self._reduced()
            return formats.inline(reduced.shape, dtype_of(self._request.reduce), [np.asarray(reduced)]), reduced
        shape = (len(self._pictures.rows), self.work.shape.height, self.work.shape.width, 3)
        return formats.inline(shape, np.dtype(np.uint8), self._pictures.in_order()), None

    def _write(self, publication: Publication, output: Output) -> list[Written]:
        request, pictures, seconds, shape = self._request, self._pictures, self._seconds, self.work.shape
        match self.work.written_as:
            case "npy":
                whole = (len(pictures.rows), shape.height, shape.width, 3)
                parts = pictures.in_order()
                return [formats.write_npy(publication, output.key, whole, np.dtype(np.uint8), parts)]
            case "npz":
                return [formats.write_npz(publication, output.key, pictures, seconds)]
            case "mp4":
                fps = request.fps or self._video.index.fps() or 25.0
                return [formats.write_mp4(publication, output.key, pictures, fps, request.quality)]
            case "sheet":
                index = self._video.index
                name = self._video.source.uri.rpartition("/")[2]
                title = f"{name}   {index.width}x{index.height}   {index.fps():.5g} fps"
                sheet = layout(len(pictures.rows), shape.width, shape.height)
                return [formats.write_sheet(publication, output, sheet, title, request.quality, pictures, seconds)]
            case "jpeg" | "png" | "webp" as kind:
                template, quality = request.template, request.quality
                return formats.write_pictures(publication, output, kind, quality, template, pictures, seconds)
        raise AssertionError(self.work.written_as)
