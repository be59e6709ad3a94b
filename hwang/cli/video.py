"""The video that a command is about, and its index."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path

from hwang.cli.exits import UsageError
from hwang.index import VideoIndex
from hwang.isobmff.file import read_index
from hwang.source import CountingSource, FileSource, open_source

__all__ = ["STANDARD_INPUT", "Indexed", "index_video", "open_video", "stored_index"]

STANDARD_INPUT = "-"


@dataclass(frozen=True, slots=True)
class Indexed:
    """An index, and what it took to get it."""

    index: VideoIndex
    file_bytes: int
    bytes_read: int
    requests: int
    seconds: float


def open_video(file: str) -> str | bytes:
    """A path as it is; standard input as bytes."""
    if file != STANDARD_INPUT:
        return file
    if sys.stdin.isatty():
        raise UsageError("standard input is a terminal; pipe a video into it, or give a file name")
    return sys.stdin.buffer.read()


def stored_index(path: str | None) -> VideoIndex | None:
    """The index that the option --index names."""
    return None if path is None else VideoIndex.from_file(path)


def index_video(video: str | bytes, track: int | None = None, stored: VideoIndex | None = None) -> Indexed:
    """Index `video`, unless a complete index is there. Needs the compiled core for all but MP4 and MOV."""
    file_bytes = len(video) if isinstance(video, bytes) else Path(video).stat().st_size
    if stored is not None and stored.complete:
        return Indexed(stored, file_bytes, 0, 0, 0.0)
    start = time.perf_counter()
    try:
        from hwang.decoder import Decoder
    except ImportError:
        index, bytes_read, requests = _index_without_core(video, track)
    else:
        with Decoder(video, track=track) as decoder:
            index, bytes_read, requests = decoder.video_index, decoder.stats.bytes_read, decoder.stats.requests
    return Indexed(index, file_bytes, bytes_read, requests, time.perf_counter() - start)


def _index_without_core(video: str | bytes, track: int | None) -> tuple[VideoIndex, int, int]:
    """Sample tables alone: exact, unless the video begins in the middle of a group of pictures."""
    source = CountingSource(open_source(video))
    try:
        index = read_index(source, track)
    finally:
        if isinstance(source.source, FileSource):
            source.source.close()
    if index is None:
        raise UsageError("only MP4 and MOV can be read without hwang's compiled core, which is not installed here")
    return index, source.bytes_read, source.requests
