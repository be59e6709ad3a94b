"""The sums over all videos and parts of a job."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from function.models import job_files as files
from function.models.places import AnyVideo

_MAX_FAILURES: Final = 10_000


@dataclass
class Totals:
    """Adds up every surveyed video and every part.

    `failures` are the first ten thousand; `partials` the partial results of a reduction, with their parts.
    """

    listing: files.Listing = field(default_factory=files.Listing)
    timeline: list[files.TimelinePart] = field(default_factory=list)
    failures: list[files.Failure] = field(default_factory=list)
    missing: list[int] = field(default_factory=list)
    partials: list[tuple[int, str]] = field(default_factory=list)
    _failed_videos: set[AnyVideo] = field(default_factory=set)
    _counters: files.JobCounters = field(default_factory=files.JobCounters)
    _sums: Counter[str] = field(default_factory=Counter)

    def add_video(self, video: files.SurveyedVideo) -> None:
        """Counts a video of the job."""
        self._sums.update(videos=1, bytes_in_files=video.bytes or 0)
        if video.failure:
            self.fail(video.video, code=video.failure.code, message=video.failure.message)

    def add_part(self, part: int, result: files.PartResult) -> Iterator[files.PieceResult]:
        """Counts a part, and yields the result of each piece that was decoded."""
        self._counters += result.counters
        counts = {"pieces": len(result.pieces), "failed": result.failed}
        facts = {**result.model_dump(exclude={"pieces"}), **result.counters.model_dump(), **counts}
        self.timeline.append(files.TimelinePart.model_validate({**facts, "part": part}))
        self.partials += [(part, written.uri) for written in result.output]
        for piece in result.pieces:
            if isinstance(piece, files.PieceFailed):
                about = {"part": part, "first": piece.first, "last": piece.last}
                self.fail(piece.video, **about, code=piece.code, message=piece.message)
                continue
            self._sums.update(objects=piece.objects, bytes_written=piece.bytes_written)
            facts = piece.model_dump(exclude={"counters", "milliseconds"})
            yield files.PieceResult.model_validate({**facts, "video": files.address_of(piece.video), "part": part})

    def manifest(
        self, plan: files.CutSummary, request: dict[str, Any], results: list[files.PieceResult]
    ) -> files.JobManifest:
        """The manifest of a job that was cut by this plan; `results`: those to list."""
        times = [(part.started, part.ended) for part in self.timeline]
        span: dict[str, Any] = {}
        if times:
            span = {"started": min(times)[0], "ended": max(ended for _, ended in times)}
        failed = len(self._failed_videos) + self.listing.refused
        worked = round(sum(ended - started for started, ended in times), 3)
        return files.JobManifest(
            job=plan.job,
            request=request,
            complete=not self.missing and not failed,
            **span,
            videos=self._sums["videos"] + self.listing.refused,
            failed_videos=failed,
            parts=plan.parts,
            missing_parts=len(self.missing),
            pieces=sum(part.pieces for part in self.timeline),
            frames=sum(part.frames for part in self.timeline),
            objects=self._sums["objects"],
            bytes_written=self._sums["bytes_written"],
            bytes_in_files=self._sums["bytes_in_files"],
            counters=self._counters,
            seconds=files.JobSeconds(predicted=plan.seconds, worked=worked),
            attempts=sum(part.attempts for part in self.timeline),
            timeline=tuple(self.timeline),
            results=tuple(results),
            failures=tuple([*self.failures, *self.listing.refusals][:_MAX_FAILURES]),
            missing=tuple(self.missing),
            skipped=self.listing.skipped,
            skipped_keys=self.listing.skipped_keys,
        )

    def fail(self, video: AnyVideo, **facts: Any) -> None:
        """Counts a failure of a video: its `code` and `message`, and `part`, `first` and `last` of a piece."""
        self._failed_videos.add(video)
        if len(self.failures) < _MAX_FAILURES:
            none = {"part": None, "first": None, "last": None}  # of a video that has no part
            self.failures.append(files.Failure(video=files.address_of(video), **{**none, **facts}))
