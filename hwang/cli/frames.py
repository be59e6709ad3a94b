"""frames: write frames as images or as an array."""

from __future__ import annotations

import sys
import time
from argparse import Namespace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hwang.cli.exits import ExitCode, UsageError
from hwang.cli.outputs import Output, parse_destination
from hwang.cli.progress import Advance, progress
from hwang.cli.rows import requested_rows
from hwang.cli.text import counted, print_json, row_list, size
from hwang.cli.video import open_video, stored_index
from hwang.errors import CorruptFrameError

if TYPE_CHECKING:
    from hwang.decoder import Decoder

__all__ = ["PIXEL_FORMATS", "run", "write_frames"]

PIXEL_FORMATS = ("rgb24", "bgr24", "gray8", "rgb48")


def run(arguments: Namespace) -> ExitCode:
    destination = parse_destination(arguments.output)
    start = time.perf_counter()
    with _open_decoder(arguments) as decoder:
        rows = requested_rows(arguments, decoder.video_index)
        if not destination.is_array:
            rows = np.array(list(dict.fromkeys(rows.tolist())), np.int64)
        destination.check(rows, arguments.pixel_format, arguments.force)
        options = _picture_options(arguments, decoder)
        with destination.open(arguments.quality) as output, progress(len(rows)) as advance:
            corrupt = write_frames(decoder, rows, output, advance, **options)
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
    if arguments.json:
        print_json(result)
    else:
        print(
            f"{destination.name}: {counted(written, 'frame')} in {seconds:.3g} s, "
            f"{counted(stats.samples_decoded, 'sample')} decoded, {size(stats.bytes_read)} read"
        )
    if corrupt:
        print(f"hwang: damaged and left out: {row_list(corrupt, most=len(corrupt))}", file=sys.stderr)
        return ExitCode.CORRUPT_FRAMES
    return ExitCode.OK


def write_frames(
    decoder: Decoder, rows: NDArray[np.int64], output: Output, advance: Advance, **options: Any
) -> list[int]:
    """Decode `rows` into `output`; the damaged ones, ascending, which are not in it."""
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


def _picture_options(arguments: Namespace, decoder: Decoder) -> dict[str, Any]:
    """The keywords for the decoder. Raises UsageError if they make no sense together or for this video."""
    from hwang.picture import picture_layout

    options = {name: getattr(arguments, name) for name in ("width", "height", "max_side", "pixel_format")}
    try:
        picture_layout((decoder.video_index.width, decoder.video_index.height), **options)
    except ValueError as error:
        raise UsageError(str(error)) from None
    return options


def _open_decoder(arguments: Namespace) -> Decoder:
    try:
        from hwang.decoder import Decoder
    except ImportError:
        raise UsageError("decoding needs hwang's compiled core, which is not installed here") from None
    index = stored_index(arguments.index)
    return Decoder(open_video(arguments.file), index, threads=arguments.threads, track=arguments.track)
