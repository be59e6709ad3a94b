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
from function.errors import ApplyFailed, BadRequest, LimitExceeded, UnsupportedMedia
from function.frames import own_code
from function.frames.pictures import Pictures, Shape, SizeMisstatedError
from function.frames.reduce import REDUCTIONS, Reduced
from function.frames.rows import Rows, resolve_rows
from function.models.event import Decode
from function.models.fingerprint import fingerprint
from function.models.formats import FORMATS
from function.models.places import Output
from function.models.result import (
    MAX_ANSWER_BYTES,
    Applied,
    DecodeResult,
    FrameList,
    Inline,
    Partial,
    Written,
    as_json,
    returned,
)
from function.output.applied import Results, inline_applied, write_applied
from function.output.arrays import Stream, inline, inline_picture, write_npy
from function.output.decoded import DecodedFrames, encode
from function.output.formats import write
from function.output.publish import Publication, check_bucket, finished
from function.output.undo_log import Journal
from function.session import Session
from function.source.video import OpenVideo
from hwang.plan import make_plan

MAX_UNDONE_LISTED: Final = 1000


def decode(request: Decode, session: Session) -> dict[str, Any]:
    """Decode, write, and return the result. Raises FunctionError; then nothing of the request is left in the output."""
    if request.apply:
        _require_own_code(request.apply, session)
    with _bucket_checked(session, request.output) as checked, OpenVideo.of(session, request.video) as video:
        with session.clock.phase("open"):
            checked()
        asked = fingerprint(request, [video.source.etag, *([own_code.content()] if request.apply else [])])
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


def _require_own_code(apply: str, session: Session) -> None:
    """Load the function, which takes long only at its first use. Raises BadRequest, ApplyFailed."""
    name, _, image = apply.partition("@")
    session.progress = lambda: {"apply": name}
    session.tell()
    own_code.load(name)
    session.progress = dict
    if image and image != own_code.content():
        message = f"apply: {name} is of another image than the job was planned with; run the job again"
        raise ApplyFailed(message, apply=name)


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
        self.estimate = DecodeEstimate(index, plan, shape, written_as, request, video.source.size)
        self._request, self._session, self._video, self._asked = request, session, video, asked
        is_sized = request.size is not None
        self._pictures = Pictures(
            video.decoder, rows, shape, is_sized, session.clock, batch_bytes(shape, request.batch)
        )
        seconds = index.timestamps()[rows].tolist()
        self._frames = DecodedFrames(request, written_as, self._pictures, seconds, video.source.uri)
        self._applying: list[int] = []

    def publish(self, output: Output) -> dict[str, Any]:
        """Write everything, the manifest last, and return the whole result, which is the manifest."""
        session = self._session
        journal = Journal(session.run, self._asked, output.manifest_key, session.record)
        with Publication(session.client, output, self._request, journal) as publication:
            reduced = self._reduced() if self._request.reduce else None
            with session.clock.phase("write"):
                if reduced is not None:
                    written = [write_npy(publication, output.key, Stream(reduced.shape, reduced.dtype, [reduced]))]
                elif self._request.apply:
                    written = write_applied(publication, output, self._frames.written_as, self._applied())
                else:
                    written = write(publication, self._frames)
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
            answer = self._inline(reduced)
        result = DecodeResult(
            request=self._asked,
            video=self._video.facts,
            frames=FrameList.of(rows.tolist(), list(self._frames.seconds)),
            output=written,
            objects=len(written),
            manifest=f"s3://{request.output.bucket}/{request.output.manifest_key}" if request.output else None,
            reduced=int(reduced) if reduced is not None and reduced.ndim == 0 else None,
            partial=Partial(reduce=request.reduce, frames=len(rows)) if request.reduce else None,
            applied=Applied(function=request.apply, image=own_code.content()) if request.apply else None,
            inline=answer if isinstance(answer, Inline) else None,
            values=answer if isinstance(answer, list) else None,
            counters=self._video.counters,
        )
        return as_json(result)

    def progress(self) -> dict[str, Any]:
        """Numbers of frames done and undone, and the undone rows, which a request for the rest has to name."""
        undone = self._pictures.undone.tolist()
        done = len(self._pictures.rows) - len(undone)
        applying = {"apply": self._request.apply, "rows": self._applying} if self._applying else {}
        return {"done": done, "undone": len(undone), "undone_rows": undone[:MAX_UNDONE_LISTED], **applying}

    def _inline(self, reduced: Reduced | None) -> Inline | list[Any]:
        """The frames, their reduction, or own code's results as part of the answer. Raises LimitExceeded."""
        if reduced is not None:
            return inline(Stream(reduced.shape, reduced.dtype, [reduced]))
        facts = self._frames.facts
        if not (self._request.apply or facts.is_picture):
            return inline(Stream(self._frames.shape, np.dtype(np.uint8), self._pictures.in_order()))
        answer = inline_applied(self._applied()) if self._request.apply else self._inline_picture()
        size = len(own_code.to_json(answer) if isinstance(answer, list) else answer.data)
        if size > MAX_ANSWER_BYTES:
            field = "apply" if self._request.apply else "size"
            raise LimitExceeded(
                f"{field}: an inline answer would have {size} bytes, and may have {MAX_ANSWER_BYTES}; give an output",
                limit="answer",
                wanted=size,
                maximum=MAX_ANSWER_BYTES,
            )
        return answer

    def _inline_picture(self) -> Inline:
        ((frame,),) = self._pictures.in_order()
        data = encode(frame, self._frames.written_as, self._request.quality)
        return inline_picture(data, frame.shape, self._frames.facts.content_type)

    def _applied(self) -> Results:
        """Own code's results for the frames in the order asked for; rows that follow each other twice, once."""
        assert self._request.apply
        name, rows = self._request.apply.partition("@")[0], self._pictures.rows
        is_ascending = bool((np.diff(rows) >= 0).all())
        called, counts = np.unique(rows, return_counts=True) if is_ascending else (rows, np.ones_like(rows))
        return Results(name, rows, self._frames.seconds, self._values(name, called, counts))

    def _values(self, name: str, rows: Rows, counts: Rows) -> Iterator[own_code.Values]:
        """The results for `rows`, each as often as it counts."""
        call = own_code.Applied(name, own_code.load(name))
        seconds = self._video.index.timestamps()[rows]
        for part, frames in self._pictures.exact_batches(rows, self._request.batch):
            self._applying = rows[part].tolist()
            self._session.tell()
            with self._session.clock.phase("apply"):
                values = call(frames, rows[part], seconds[part])
            self._applying = []
            self._session.deadline.check()
            often = counts[part]
            if (often > 1).any():
                values = (
                    [value for value, count in zip(values, often.tolist(), strict=True) for _ in range(count)]
                    if isinstance(values, list)
                    else np.repeat(values, often, axis=0)
                )
            yield values

    def _reduced(self) -> Reduced:
        assert self._request.reduce
        result = REDUCTIONS[self._request.reduce].new()
        # Their order does not matter to a reduction, and distinct ascending rows decode each sample once.
        distinct, counts = np.unique(self._pictures.rows, return_counts=True)
        for part, frames in self._pictures.batches(distinct):
            with self._session.clock.phase("reduce"):
                result.add(frames, counts[part])
        return result.result()
