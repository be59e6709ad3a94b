"""An open video: its source, its decoder, its index, and facts about it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

from function.errors import from_exception
from function.models.places import AnyVideo
from function.models.result import Counters, VideoFacts
from function.session import Session
from function.source.index_cache import IndexCache
from function.source.reader import FileOfThisMachine, Source, open_source
from hwang.decoder import Decoder
from hwang.errors import HwangError, StoppedError
from hwang.index import SCANNED_AS_STREAM, VideoIndex


@dataclass(frozen=True)
class OpenVideo:
    """A video in use. Its index comes from the cache if possible; a new one is cached after the work."""

    source: Source | FileOfThisMachine
    decoder: Decoder
    index: VideoIndex
    is_index_kept: bool = False

    @classmethod
    @contextmanager
    def of(cls, session: Session, video: AnyVideo) -> Iterator[Self]:
        """Open a video for the block. Raises FunctionError, also for the decoder's errors inside the block."""
        with session.clock.phase("open"):
            source = open_source(session.client, video, session.deadline)
        try:
            with session.clock.phase("open"):
                cache = IndexCache.of(video, source.etag)
                index = cache.get(session.client, source.size) if cache else None
                decoder = Decoder(source, index)
            with decoder, session.deadline.alarm(decoder.stop):
                with session.clock.phase("open"):
                    found = decoder.video_index
                yield cls(source, decoder, found, cache is not None)
                if cache and not index:
                    with session.clock.phase("keep index"):
                        cache.put(session.client, decoder.video_index)  # with what was learnt since
        except HwangError as error:
            if isinstance(error, StoppedError):
                session.deadline.check()
            raise from_exception(error, source.uri) from error
        finally:
            source.close()

    @property
    def whole_reads(self) -> int:
        """Number of times that a decode reads the whole file: for an index not kept, and for samples without ranges."""
        for_index = not self.is_index_kept and self.index.container != "mov"
        for_rows = not self.index.ranged
        is_stored = self.index.container not in SCANNED_AS_STREAM
        return int(for_index or for_rows) if is_stored else for_index + for_rows

    @property
    def facts(self) -> VideoFacts:
        """The facts about the video that results state."""
        index = self.index
        return VideoFacts(
            uri=self.source.uri,
            etag=self.source.etag.strip('"'),
            bytes=self.source.size,
            width=index.width,
            height=index.height,
            rotation=index.rotation,
            frames=len(index),
            fps=float(index.fps()),
            seconds=index.duration_ticks * index.time_base[0] / index.time_base[1],
            keyframes=len(self.decoder.keyframes()),
            codec=index.codec,
            container=index.container,
        )

    @property
    def counters(self) -> Counters:
        """Requests, bytes and samples so far."""
        stats = self.decoder.stats
        return Counters(
            bytes_read=self.source.remote.bytes_read,
            requests=self.source.remote.requests,
            samples_decoded=stats.samples_decoded,
            samples_skipped=stats.samples_skipped,
            frames_decoded=stats.frames,
        )
