"""frames: write frames as images or as an array."""

from __future__ import annotations

import sys
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hwang.cli.images import Output, parse_destination
from hwang.cli.text import size
from hwang.cli.video import UsageError, open_video, selected_rows, stored_index
from hwang.errors import CorruptFrameError
from hwang.picture import picture_layout
from hwang.plan import counted

if TYPE_CHECKING:
    from hwang.decoder import Decoder

PIXEL_FORMATS = ("rgb24", "bgr24", "gray8", "rgb48")
_LINE_SECONDS = 5.0

_Advance = Callable[[int], None]
"""Takes the number of frames done since the last call."""


def write_frames(arguments: Namespace) -> tuple[dict[str, Any], str]:
    """Write the selected frames; the result as JSON, whose `corrupt_rows` are those left out, and as text."""
    destination = parse_destination(arguments.output)
    start = time.perf_counter()
    with _open_decoder(arguments) as decoder:
        rows = selected_rows(arguments, decoder.video_index)
        if not destination.is_array:
            rows = np.array(list(dict.fromkeys(rows.tolist())), np.int64)
        destination.check(rows, arguments.pixel_format, arguments.force)
        options = {name: getattr(arguments, name) for name in ("width", "height", "max_side", "pixel_format")}
        try:
            picture_layout((decoder.video_index.width, decoder.video_index.height), **options)
        except ValueError as error:
            raise UsageError(str(error)) from None
        with destination.open(arguments.quality) as output, _progress(len(rows)) as advance:
            corrupt = _write(decoder, rows, output, advance, **options)
            if len(corrupt) == len(np.unique(rows)):
                raise CorruptFrameError("none of the frames asked for can be decoded: the video is damaged", corrupt)
        stats = decoder.stats
    seconds = time.perf_counter() - start
    written = int(np.isin(rows, corrupt, invert=True).sum())
    result = {
        "output": destination.name,
        "frames": written,
        "corrupt_rows": corrupt,
        "bytes_read": stats.bytes_read,
        "samples_decoded": stats.samples_decoded,
        "milliseconds": round(seconds * 1000, 1),
    }
    return result, (
        f"{destination.name}: {counted(written, 'frame')} in {seconds:.3g} s, "
        f"{counted(stats.samples_decoded, 'sample')} decoded, {size(stats.bytes_read)} read"
    )


def _write(decoder: Decoder, rows: NDArray[np.int64], output: Output, advance: _Advance, **options: Any) -> list[int]:
    """Decode `rows` into `output`; returns the damaged ones, ascending, which are not in it."""
    corrupt: set[int] = set()
    while len(rows):
        done = 0
        try:
            for part, frames in decoder.batches(rows, **options):
                output.add(rows[part], frames)
                done = part.stop
                advance(part.stop - part.start)
            break
        except CorruptFrameError as error:
            output.drop(error.rows)
            corrupt.update(error.rows)
            rest = rows[done:][np.isin(rows[done:], error.rows, invert=True)]
            if len(rest) == len(rows):
                raise  # it names nothing that was asked for
            advance(len(rows) - done - len(rest))
            rows = rest
    return sorted(corrupt)


@contextmanager
def _progress(total: int) -> Iterator[_Advance]:
    """Show on stderr how many of `total` frames are done: a bar on a terminal, a line now and then elsewhere."""
    if sys.stderr.isatty():
        try:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
        except ImportError:
            print("hwang: for a progress bar: pip install 'hwang[cli]'", file=sys.stderr)
        else:
            columns = (TextColumn("frames"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            with Progress(*columns, console=Console(stderr=True)) as bar:
                task = bar.add_task("frames", total=total)
                yield lambda count: bar.advance(task, count)
            return
    written, done = time.monotonic(), 0

    def advance(count: int) -> None:
        nonlocal written, done
        done += count
        if done < total and time.monotonic() - written >= _LINE_SECONDS:
            written = time.monotonic()
            print(f"hwang: {done:,} of {total:,} frames", file=sys.stderr, flush=True)

    yield advance


def _open_decoder(arguments: Namespace) -> Decoder:
    try:
        from hwang.decoder import Decoder
    except ImportError:
        raise UsageError("decoding needs hwang's compiled core, which is not installed here") from None
    index = stored_index(arguments)
    return Decoder(
        open_video(arguments.file), index, threads=arguments.threads, track=arguments.track, fps=arguments.fps
    )
