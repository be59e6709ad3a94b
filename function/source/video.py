"""A video that is open: its bytes, its decoder, what it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

from function.errors import from_exception
from function.models.places import S3Object, Url
from function.models.result import Counters, VideoFacts
from function.session import Session
from function.source.index_cache import IndexCache
from function.source.reader import Source
from hwang.decoder import Decoder
from hwang.errors import HwangError, StoppedError
from hwang.index import VideoIndex


@dataclass(frozen=True)
class OpenVideo:
    """`index` may be one that was kept (indexcache); if there was none it is kept when the work is done."""

    source: Source
    decoder: Decoder
    index: VideoIndex

    @classmethod
    @contextmanager
    def of(cls, session: Session, video: S3Object | Url) -> Iterator[Self]:
        """Raises FunctionError, also for what the block raises of the decoder's errors."""
        with session.clock.phase("open"):
            source = Source(session.client, video, session.deadline)
        try:
            with session.clock.phase("open"):
                cache = IndexCache.of(video, source.etag)
                index = cache.get(session.client, source.size) if cache else None
                decoder = Decoder(source, index)
            with decoder, session.deadline.alarm(decoder.stop):
                with session.clock.phase("open"):
                    found = decoder.video_index
                yield cls(source, decoder, found)
                if cache and not index:
                    with session.clock.phase("keep index"):
                        cache.put(session.client, found)
        except HwangError as error:
            if isinstance(error, StoppedError):
                session.deadline.check()
            raise from_exception(error, source.uri) from error
        finally:
            source.close()

    @property
    def facts(self) -> VideoFacts:
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
        stats = self.decoder.stats
        return Counters(
            bytes_read=self.source.bytes_read,
            requests=self.source.requests,
            samples_decoded=stats.samples_decoded,
            samples_skipped=stats.samples_skipped,
            frames_decoded=stats.frames,
        )
