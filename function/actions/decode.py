"""The decode action: open the video, check that the request fits, decode, write, return the result."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any, Final, NamedTuple

import numpy as np

import hwang
from function.actions.limits import DecodeEstimate, batch_bytes, check, check_answer, check_memory, function_memory
from function.clock import Clock
from function.errors import ApplyFailed, UnsupportedMedia
from function.frames import own_code
from function.frames.pictures import Pictures, SizeMisstatedError, pixel_aspect_ratio, tone_map
from function.frames.reduce import REDUCTIONS, Reduced
from function.frames.rows import Rows, frame_list, resolve_frames
from function.frames.scenes import find
from function.frames.shared import SharedDecode
from function.models.event import Decode
from function.models.fingerprint import fingerprint
from function.models.formats import FORMATS
from function.models.incoming import wrong
from function.models.problems import below
from function.models.result import Applied, DecodeResult, Inline, OneResult, Partial, Written, as_json, returned
from function.models.selection import Searched
from function.output.applied import Results, inline_applied, write_applied
from function.output.arrays import Stream, inline, inline_picture, write_npy
from function.output.decoded import DecodedFrames, encode, require_own_keys
from function.output.formats import write
from function.output.publish import Publication, check_bucket, finished
from function.output.undo_log import Journal
from function.session import Session
from function.source.video import OpenVideo
from hwang.decoder import Decoder
from hwang.plan import Plan, make_plan
from hwang.rows import Resolved

MAX_UNDONE_LISTED: Final = 1000
_OWN_CODE: Final = threading.Lock()  # it is called by one thread at a time


def decode(request: Decode, session: Session) -> dict[str, Any]:
    """Decode, write, and return the result. Raises FunctionError; then nothing of the request is left in the output."""
    if request.outputs is None:
        request = request.results[0]  # which has the defaults of its format
    for at, one in enumerate(request.results):
        if one.apply:
            with below(request.path_of(at)):
                _require_own_code(one.apply, session)
    buckets = list(dict.fromkeys(one.output.bucket for one in request.results if one.output))
    with ThreadPoolExecutor(len(buckets) or 1, "hwang-bucket") as threads:
        checks = [threads.submit(check_bucket, session.client, bucket) for bucket in buckets]
        with OpenVideo.of(session, request.video) as video:  # meanwhile
            with session.clock.phase("open"):
                for check in checks:
                    check.result()
            return _decoded(request, session, video, buckets)


def _decoded(request: Decode, session: Session, video: OpenVideo, buckets: list[str]) -> dict[str, Any]:
    """The result of an equal request that has finished, or a new one."""
    applies = any(one.apply for one in request.results)
    asked = fingerprint(request, [video.source.etag, *([own_code.content()] if applies else [])])
    place = request.results[0].output
    if place and (before := finished(session.client, place, request, asked, DecodeResult, buckets)):
        return returned(before) | {"kept": True}
    try:
        whole = _run(request, session, video, asked)
    except SizeMisstatedError:
        whole = _run(request, session, replace(video, index=video.decoder.video_index), asked)
    return returned(whole) | {"milliseconds": session.clock.milliseconds()}


def _run(request: Decode, session: Session, video: OpenVideo, asked: str) -> dict[str, Any]:
    run = _DecodeRun(request, session, video, asked)
    session.progress = run.progress
    check(run.estimate, function_memory())
    if video.index.ranged:
        video.source.expect(run.estimate.plan.ranges)
    return run.whole()


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


class _Made(NamedTuple):
    """The outcome of a result: objects, a reduction, or a part of the answer."""

    written: list[Written]
    reduced: Reduced | None = None
    answer: Inline | list[Any] | None = None


class _DecodeRun:
    """One decode whose video is open, with one result or several."""

    def __init__(self, request: Decode, session: Session, video: OpenVideo, asked: str) -> None:
        self._request, self._session, self._video, self._asked = request, session, video, asked
        self._found = self._resolved()
        self._rows = self._found.rows
        self._shared = SharedDecode(video.decoder, session.clock) if request.outputs else None
        decoder = self._shared or video.decoder
        plan = make_plan(video.index, self._rows)
        self._results: list[_Result] = []
        for at, one in enumerate(request.results):
            with below(request.path_of(at)):
                self._results.append(_Result(one, session, video, self._rows, plan, decoder))
        self.estimate = DecodeEstimate.together([result.estimate for result in self._results])
        if request.outputs:
            require_own_keys([result.frames for result in self._results])

    def _resolved(self) -> Resolved:
        """The rows asked for, looked for in the video if need be. Raises LimitExceeded, also of memory for that."""
        video, frames = self._video, self._request.frames
        found = resolve_frames(frames, video.index)
        if not isinstance(frames, Searched):
            return found
        plan = make_plan(video.index, found.rows[:1])
        check_memory(DecodeEstimate.of_request(self._request, video.index, plan, video.source.size), function_memory())
        return Resolved(find(frames, video.decoder, self._session.clock), None)

    def whole(self) -> dict[str, Any]:
        """Make all results and return the whole result, which is the manifest; that is written last."""
        session, place = self._session, self._results[0].request.output
        if place is None:
            return self._whole([self._results[0].answered()])
        journal = Journal.begin(session, self._asked, place.manifest_key, place.bucket)
        with Publication(session.client, place, self._request, journal) as publication:
            if self._shared:
                with session.clock.phase("write"):
                    made = self._shared.run([partial(result.written, publication) for result in self._results])
            else:
                made = [self._results[0].written(publication)]
            whole = self._whole(made)
            session.deadline.check()
            with session.clock.phase("write"):
                publication.put_manifest(json.dumps(whole).encode())
        return whole

    def _whole(self, made: list[_Made]) -> dict[str, Any]:
        facts = [result.facts(one) for result, one in zip(self._results, made, strict=True)]
        place, answer = self._results[0].request.output, made[0].answer
        result = DecodeResult(
            request=self._asked,
            video=self._video.facts,
            frames=frame_list(self._found, self._video.index),
            output=[written for one in made for written in one.written],
            objects=sum(len(one.written) for one in made),
            bytes_written=sum(written.bytes for one in made for written in one.written),
            manifest=f"s3://{place.bucket}/{place.manifest_key}" if place else None,
            inline=answer if isinstance(answer, Inline) else None,
            values=answer if isinstance(answer, list) else None,
            counters=self._video.counters,
            **({"outputs": self._parted(made, facts)} if self._shared else facts[0]),
        )
        return as_json(result)

    def _parted(self, made: list[_Made], facts: list[dict[str, Any]]) -> list[OneResult]:
        """The manifest's entry for each of several results."""
        return [
            OneResult(
                output=result.frames.output.uri,
                format=result.frames.written_as,
                objects=len(one.written),
                **its_facts,
            )
            for result, one, its_facts in zip(self._results, made, facts, strict=True)
        ]

    def progress(self) -> dict[str, Any]:
        """Numbers of frames done and undone, and the undone rows, which a request for the rest has to name.

        Of several results, rows are undone that one of them lacks.
        """
        left, *more = [result.undone for result in self._results]
        undone = self._rows[np.isin(self._rows, np.concatenate([left, *more]))] if more else left
        applying: dict[str, Any] = next((result.applying for result in self._results if result.applying), {})
        done = len(self._rows) - len(undone)
        return {"done": done, "undone": len(undone), "undone_rows": undone[:MAX_UNDONE_LISTED].tolist(), **applying}


class _Result:
    """One result of a decode. `request` is the decode that has this result alone."""

    def __init__(
        self,
        request: Decode,
        session: Session,
        video: OpenVideo,
        rows: Rows,
        plan: Plan,
        decoder: Decoder | SharedDecode,
    ) -> None:
        index = video.index
        if index.clockless and any(field == "seconds" for _, field, _ in request.template.parts):
            raise UnsupportedMedia("name: {seconds} needs times, and this raw stream states none: use {row}")
        written_as = request.resolved_format(len(rows))
        tone = tone_map(video.decoder) if request.tone == "sdr" else None
        if FORMATS[written_as].writer == "clip" and not hwang.can_encode():
            raise wrong("format", "this image was built without the H.264 encoder, which an mp4 needs")
        aspect_ratio = pixel_aspect_ratio(video.decoder) if request.square_pixels else None
        self.request, self._session, self._video = request, session, video
        self.estimate = DecodeEstimate.of(index, plan, written_as, request, video.source.size, aspect_ratio)
        shape, sheet = self.estimate.shape, self.estimate.sheet
        self.applying: dict[str, Any] = {}
        is_alone = decoder is video.decoder
        self._clock = session.clock if is_alone else Clock()  # in a thread of its own
        max_bytes = batch_bytes(shape, request)
        is_sized = request.size is not None or sheet is not None
        self._pictures = Pictures(decoder, rows, shape, is_sized, self._clock, max_bytes, tone)
        self.frames = DecodedFrames(
            request, written_as, self._pictures, index.timestamps()[rows].tolist(), video.source.uri, sheet
        )

    @property
    def undone(self) -> Rows:
        """Rows whose frames it has not had yet, duplicates kept."""
        return self._pictures.undone

    def written(self, publication: Publication) -> _Made:
        """Write the objects."""
        request, output = self.request, self.frames.output
        publication = publication.into(output.bucket)
        reduced = self._reduced() if request.reduce else None
        with self._clock.phase("write"):
            if reduced is not None:
                written = [write_npy(publication, output.key, Stream(reduced.shape, reduced.dtype, [reduced]))]
            elif request.apply:
                written = write_applied(publication, output, self.frames.written_as, self._applied())
            else:
                written = write(publication, self.frames)
        return _Made(written, reduced)

    def answered(self) -> _Made:
        """Make the result as part of the answer. Raises LimitExceeded."""
        reduced = self._reduced() if self.request.reduce else None
        return _Made([], reduced, self._inline(reduced))

    def facts(self, made: _Made) -> dict[str, Any]:
        """The answer beside frames: fields of a DecodeResult, or of a OneResult."""
        request, reduced = self.request, made.reduced
        return {
            "reduced": int(reduced) if reduced is not None and reduced.ndim == 0 else None,
            "partial": Partial(reduce=request.reduce, frames=len(self._pictures.rows)) if request.reduce else None,
            "applied": Applied(function=request.apply, image=own_code.content()) if request.apply else None,
        }

    def _inline(self, reduced: Reduced | None) -> Inline | list[Any]:
        """The frames, their reduction, or own code's results as part of the answer. Raises LimitExceeded."""
        answer: Inline | list[Any]
        if reduced is not None:
            answer = inline(Stream(reduced.shape, reduced.dtype, [reduced]))
        elif self.request.apply:
            answer = inline_applied(self._applied())
        elif self.frames.facts.is_picture:
            answer = self._inline_picture()
        else:
            answer = inline(Stream(self.frames.shape, np.dtype(np.uint8), self._pictures.in_order()))
        size = len(own_code.to_json(answer) if isinstance(answer, list) else answer.data)
        check_answer(size, "apply" if self.request.apply else "size")
        return answer

    def _inline_picture(self) -> Inline:
        ((frame,),) = self._pictures.in_order()
        data = encode(frame, self.frames.written_as, self.request.quality)
        return inline_picture(data, frame.shape, self.frames.facts.content_type)

    def _applied(self) -> Results:
        """Own code's results for the frames in the order asked for."""
        assert self.request.apply
        name = self.request.apply.partition("@")[0]
        return Results(name, self._pictures.rows, self.frames.seconds, self._values(name))

    def _values(self, name: str) -> Iterator[own_code.Values]:
        call, rows = own_code.Applied(name, own_code.load(name)), self._pictures.rows
        seconds = np.asarray(self.frames.seconds)
        for part, frames in self._pictures.in_batches(self.request.batch):
            with _OWN_CODE:
                self.applying = {"apply": self.request.apply, "rows": rows[part].tolist()}
                self._session.tell()
                with self._clock.phase("apply"):
                    values = call(frames, rows[part], seconds[part])
                self.applying = {}
            self._session.deadline.check()
            yield values

    def _reduced(self) -> Reduced:
        assert self.request.reduce
        result = REDUCTIONS[self.request.reduce].new()
        # Their order does not matter to a reduction, and distinct ascending rows decode each sample once.
        distinct, counts = np.unique(self._pictures.rows, return_counts=True)
        for part, frames in self._pictures.batches(distinct):
            with self._clock.phase("reduce"):
                result.add(frames, counts[part])
        return result.result()
