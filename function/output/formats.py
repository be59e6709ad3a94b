"""Writers of frames in the output formats: arrays, pictures, shards, a contact sheet, a clip."""

from __future__ import annotations

import io
import shutil
import tempfile
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from typing import Any, Final

import numpy as np

from function.frames.pictures import Frames
from function.frames.sheet import caption, draw_sheet
from function.models.formats import FORMATS, Writer, picture_format
from function.models.result import Written
from function.output.arrays import Stream, described, write_npy, write_npz
from function.output.decoded import DecodedFrames, encode
from function.output.publish import Publication
from function.output.shards import write_shards
from hwang.index import UNKNOWN_COLOR, Color, VideoIndex
from hwang.timeline import played_ticks

_COPY_BYTES: Final = 1 << 20
_CRF: Final = 20
_FPS: Final = 25.0  # of a clip of a video that states no times


def write(publication: Publication, frames: DecodedFrames) -> list[Written]:
    """Write the frames in their format and return the objects, pictures in the order of the request, each row once."""
    return WRITERS[frames.facts.writer](publication, frames)


def _write_array(publication: Publication, frames: DecodedFrames) -> list[Written]:
    return [write_npy(publication, frames.output.key, _stream(frames))]


def _write_archive(publication: Publication, frames: DecodedFrames) -> list[Written]:
    """A .npz with `frames` uint8 [N, H, W, 3], `rows` int64 [N] and `timestamps` float64 [N]."""
    small = {"rows": frames.pictures.rows, "timestamps": np.asarray(frames.seconds, np.float64)}
    return [write_npz(publication, frames.output.key, small, "frames", _stream(frames))]


def _write_pictures(publication: Publication, frames: DecodedFrames) -> list[Written]:
    """A picture of each row once, a few encoded and sent at a time; below a prefix, named by the template."""
    quality = frames.request.quality
    rows, first = np.unique(frames.pictures.rows, return_index=True)

    def write_one(at: int, frame: Frames) -> Written:
        row = int(rows[at])
        key = frames.picture_key(row, int(first[at]))
        written = publication.put(key, encode(frame, frames.written_as, quality), frames.facts.content_type)
        return described(written, frame.shape, row=row)

    written: list[Written] = []
    for part, batch in frames.pictures.batches(rows):
        sent = [publication.submit(partial(write_one, part.start + i, frame)) for i, frame in enumerate(batch)]
        written += [future.result() for future in sent]
    return [written[at] for at in np.argsort(first).tolist()]


def _write_contact_sheet(publication: Publication, frames: DecodedFrames) -> list[Written]:
    """One picture of small ones, each with its row and time."""
    pictures, index, sheet = frames.pictures, frames.pictures.decoder.video_index, frames.sheet
    assert sheet, "the request's estimate has laid it out"
    rows, places = np.unique(pictures.rows, return_inverse=True)
    small = [frame for _, batch in pictures.batches(rows) for frame in batch]
    captions = list(map(caption, pictures.rows.tolist(), frames.seconds))
    title = f"{frames.video_name}   {index.width}x{index.height}   {index.fps():.5g} fps"
    image = draw_sheet(sheet, title, [small[place] for place in places.tolist()], captions)
    kind = picture_format(frames.output.extension)
    assert kind, "the event's validation asks for the extension of a picture"
    data = encode(image, kind, frames.request.quality)
    return [described(publication.put(frames.output.key, data, FORMATS[kind].content_type), [*image.size[::-1], 3])]


def _write_clip(publication: Publication, frames: DecodedFrames) -> list[Written]:
    """An MP4 of the frames one after another, H.264, at their own times or a rate; made in temporary storage."""
    from hwang.mp4writer import MAX_FRAME_TICKS, Mp4Writer

    request, index = frames.request, frames.pictures.decoder.video_index
    times: dict[str, Any] = {}
    if request.fps or index.clockless:
        rate = Fraction(request.fps or _FPS).limit_denominator(1001)
        times["fps"] = rate.numerator, rate.denominator
    else:
        times["durations"], times["timescale"] = played_ticks(frames.pictures.rows, index, MAX_FRAME_TICKS)
    crf = _CRF if request.quality is None else round(51 - request.quality / 2)
    count, height, width, _ = frames.shape
    with tempfile.TemporaryFile() as file:
        with Mp4Writer(file, width, height, frames=count, crf=crf, color=_color(index), **times) as clip:
            for _, planes in frames.pictures.planes(frames.pictures.rows):
                clip.write(planes)
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
        writer = publication.open(frames.output.key, size, frames.facts.content_type)
        shutil.copyfileobj(file, writer, _COPY_BYTES)
    return [described(writer.close(), frames.shape)]


WRITERS: Final[dict[Writer, Callable[[Publication, DecodedFrames], list[Written]]]] = {
    "array": _write_array,
    "archive": _write_archive,
    "pictures": _write_pictures,
    "shards": write_shards,
    "contact_sheet": _write_contact_sheet,
    "clip": _write_clip,
}


def _stream(frames: DecodedFrames) -> Stream:
    return Stream(frames.shape, np.dtype(np.uint8), frames.pictures.in_order())


def _color(index: VideoIndex) -> Color:
    """The video's color, except for a matrix of RGB, which YUV planes do not have."""
    primaries, transfer, matrix, range_ = index.color
    return primaries, transfer, matrix or UNKNOWN_COLOR[2], range_
