"""The actions that do not decode: probe (facts about a video), plan (cost of a decode), index."""

from __future__ import annotations

import math
from typing import Any

from function.actions.cost import BYTES_PER_SECOND, predicted_seconds
from function.actions.limits import DecodeEstimate, function_memory
from function.frames.rows import frame_list, most_found, resolve_frames
from function.models.event import Index, Plan, Probe
from function.models.incoming import wrong
from function.models.places import Output
from function.models.result import Cost, FrameList, IndexResult, PlanResult, ProbeResult, Result, as_json, returned
from function.models.selection import Searched
from function.output.publish import Publication
from function.output.undo_log import Journal
from function.session import Session
from function.source.index_cache import VARIABLE, IndexCache
from function.source.video import OpenVideo
from hwang.plan import make_plan
from hwang.sources.prefetch import BLOCK_BYTES


def probe(request: Probe, session: Session) -> dict[str, Any]:
    """Return facts about the video: size, codec, frames, duration."""
    with OpenVideo.of(session, request.video) as video:
        return _answer(ProbeResult(video=video.facts, counters=video.counters), session)


def plan(request: Plan, session: Session) -> dict[str, Any]:
    """Return the cost of a decode with the same fields: requests, bytes, memory, time."""
    with OpenVideo.of(session, request.video) as video:
        index = video.index
        found = resolve_frames(request.frames, index)
        whole = DecodeEstimate.of_request(request, index, make_plan(index, found.rows), video.source.size)
        estimate, passes, frames = whole, 1, frame_list(found, index)
        if isinstance(request.frames, Searched):  # what is found is some of the rows looked at, decoded once more
            passes, frames = 2, FrameList(count=most_found(request.frames, len(found.rows)))
            some = make_plan(index, found.rows[: frames.count])
            estimate = DecodeEstimate.of_request(request, index, some, video.source.size)
        memory = function_memory()
        in_whole = video.whole_reads * video.source.size
        seconds = passes * predicted_seconds(whole, memory) + in_whole / BYTES_PER_SECOND
        sizes = [one.output_bytes for one in estimate.results]
        result = PlanResult(
            video=video.facts,
            frames=frames,
            cost=Cost(
                requests=passes * (len(whole.plan.ranges) if index.ranged else 0) + math.ceil(in_whole / BLOCK_BYTES),
                bytes=passes * (whole.plan.bytes_to_read if index.ranged else 0) + in_whole,
                runs=passes * len(whole.plan.runs),
                samples=passes * whole.plan.samples_decoded,
                memory_mb=estimate.memory_mb,
                milliseconds=math.ceil(seconds * 1000),
                output_bytes=None if None in sizes else sum(size or 0 for size in sizes),
            ),
            fits=memory is None or estimate.memory_bytes <= memory,
            counters=video.counters,
        )
        return _answer(result, session)


def index(request: Index, session: Session) -> dict[str, Any]:
    """Index the video and write the index to `output`, or to the cache."""
    with OpenVideo.of(session, request.video) as video:
        output = request.output
        if output is None:
            cache = IndexCache.of(request.video, video.source.etag)
            if cache is None:
                raise wrong("output", f"is required, as {VARIABLE} is not set")
            output = Output(bucket=cache.bucket, key=cache.key)
        journal = Journal.begin(session, video.source.etag.strip('"'), output.manifest_key)
        with session.clock.phase("write"), Publication(session.client, output, request, journal) as publication:
            written = publication.put_kept(output.key, video.index.serialize(), "application/x-protobuf")
        return _answer(IndexResult(video=video.facts, output=[written], counters=video.counters), session)


def _answer(result: Result, session: Session) -> dict[str, Any]:
    return returned(as_json(result)) | {"milliseconds": session.clock.milliseconds()}
