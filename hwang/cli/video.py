"""The video that a command is about, its index, and the rows that ROWS and --every select."""

from __future__ import annotations

import re
import sys
import time
from argparse import ArgumentTypeError, Namespace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hwang.errors import LimitExceededError
from hwang.index import MAX_SAMPLES, VideoIndex, rate_of
from hwang.isobmff.file import read_index
from hwang.rows import resolve
from hwang.selections import Every, Keyframes, Last, Plain, Refined, RowList, RowRange, Times
from hwang.sources import open_source
from hwang.sources.local import CountingSource

if TYPE_CHECKING:
    from hwang.session import Stats

STANDARD_INPUT = "-"
ROWS_HELP = """\
ROWS is a list of any of these, with commas between them; order and duplicates are kept:
  7            a row: rows are frames in the order in which they are shown, from 0
  0:1000:10    rows 0, 10, ... 990: START:STOP[:STEP], below STOP; without one from the first, to the last row
  1.5s         the frame on display at that time
  keyframes    rows that decoding can start at
  last         the last row
  all          every row
"""

_RANGE = re.compile(r"(\d*):(\d*)(?::(\d*))?", re.ASCII)
_TIME = re.compile(r"(-?(?:\d+\.?\d*|\.\d+))s", re.ASCII)


class UsageError(Exception):
    """The command makes no sense for this video or this disk; the message names what would."""


def open_video(file: str) -> str | bytes:
    """A path or an address as it is; standard input as bytes."""
    if file != STANDARD_INPUT:
        return file
    if sys.stdin.isatty():
        raise UsageError("standard input is a terminal; pipe a video into it, or name a file")
    return sys.stdin.buffer.read()


def stored_index(arguments: Namespace) -> VideoIndex | None:
    """The index that the option --index names."""
    return VideoIndex.from_file(arguments.index) if arguments.index else None


def index_video(video: str | bytes, arguments: Namespace) -> tuple[VideoIndex, dict[str, Any]]:
    """The index of `video`, and what was read to make it. Needs the compiled core for all but MP4 and MOV."""
    start = time.perf_counter()
    read: Stats | CountingSource
    try:
        from hwang.decoder import Decoder
    except ImportError:
        index, read = _index_without_core(video, arguments.track)
    else:
        with Decoder(video, track=arguments.track, fps=arguments.fps) as decoder:
            index, read = decoder.video_index, decoder.stats
    milliseconds = round((time.perf_counter() - start) * 1000, 1)
    return index, {"bytes": read.bytes_read, "requests": read.requests, "milliseconds": milliseconds}


def row_selections(text: str) -> tuple[Plain, ...]:
    """ROWS as selections. Raises ArgumentTypeError for anything else."""
    return tuple(_parse_item(item.strip()) for item in text.split(","))


def rate(text: str) -> tuple[int, int]:
    """The RATE of --fps. Raises ValueError for anything else."""
    numerator, _, denominator = text.partition("/")
    return rate_of((int(numerator), int(denominator)) if denominator else float(numerator))


def interval(text: str) -> tuple[Plain, ...]:
    """The SECONDS of --every as a selection. Raises ValueError for anything else."""
    return (Every(seconds(text)),)


def seconds(text: str) -> float:
    """The SECONDS of --from and --to. Raises ValueError for anything else."""
    return float(text.removesuffix("s"))


def selected_rows(arguments: Namespace, index: VideoIndex) -> NDArray[np.int64]:
    """int64 [n], n > 0, of ROWS or --every. Raises UsageError for too many, FrameIndexError outside the video."""
    start, stop, snap = arguments.start, arguments.stop, arguments.snap
    try:
        refined = [Refined(item, start, stop, snap=snap) for item in arguments.rows or arguments.every]
    except ValueError as error:
        raise UsageError(str(error)) from None
    try:
        return np.concatenate([resolve(item, index, MAX_SAMPLES) for item in refined])
    except LimitExceededError as error:
        raise UsageError(f"{error}; take a longer interval") from None


def _parse_item(item: str) -> Plain:
    if item == "all":
        return RowRange()
    if item == "keyframes":
        return Keyframes()
    if item == "last":
        return Last()
    if item.isascii() and item.isdigit():
        return RowList((int(item),))
    if match := _TIME.fullmatch(item):
        return Times((float(match[1]),))
    if match := _RANGE.fullmatch(item):
        start, stop, step = match.groups()
        rows = RowRange(int(start or 0), int(stop) if stop else None, int(step or 1))
        if rows.step == 0 or (rows.stop is not None and rows.stop <= rows.start):
            raise ArgumentTypeError(f"'{item}' selects no rows")
        return rows
    hint = (
        "rows do not count from the end"
        if item.startswith("-")
        else "rows are like 7, 0:1000:10, 1.5s, keyframes, last"
    )
    raise ArgumentTypeError(f"'{item}' is no row; {hint}")


def _index_without_core(video: str | bytes, track: int | None) -> tuple[VideoIndex, CountingSource]:
    """Sample tables alone: exact, unless the video begins in the middle of a group of pictures."""
    counting = CountingSource(open_source(video))
    index = read_index(counting, track)
    if index is None:
        raise UsageError("only MP4 and MOV can be read without hwang's compiled core, which is not installed here")
    return index, counting
