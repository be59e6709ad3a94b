"""Writers of the output formats: arrays, pictures, a contact sheet, a clip, an array inside the answer."""

from __future__ import annotations

import base64
import io
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import IO, TYPE_CHECKING, Any, Final, cast

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from function.frames.pictures import Frames, Pictures
from function.frames.sheet import caption, draw_sheet, layout, thumbnail
from function.models.event import Decode
from function.models.formats import FORMATS, REDUCTION_FORMAT, Format, OutputFormat, Writer, picture_format
from function.models.places import Output
from function.models.result import Inline, Written
from function.output.publish import Publication
from hwang.index import UNKNOWN_COLOR, Color, VideoIndex

if TYPE_CHECKING:
    from PIL.Image import Image

_COPY_BYTES: Final = 1 << 20
_CRF: Final = 20
_FPS: Final = 25.0  # of a clip of a video that has no rate


@dataclass(frozen=True)
class DecodedFrames:
    """The frames of one request on their way to its output. `seconds`: when each is on display, in request order."""

    request: Decode
    written_as: Format
    pictures: Pictures
    seconds: Sequence[float]
    video_name: str

    @property
    def output(self) -> Output:
        """The request's output, which all stored formats have."""
        assert self.request.output
        return self.request.output

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of all frames as one array, [N, H, W, 3]."""
        return len(self.pictures.rows), self.pictures.shape.height, self.pictures.shape.width, 3

    @property
    def facts(self) -> OutputFormat:
        """The row of their format in the table."""
        return FORMATS[self.written_as]


def write(publication: Publication, frames: DecodedFrames) -> list[Written]:
    """Write the frames in their format and return the objects, pictures in the order of the request, each row once."""
    return WRITERS[frames.facts.writer](publication, frames)


def npy_header(shape: Sequence[int], dtype: np.dtype[Any]) -> bytes:
    """The bytes of a .npy file before the values of a C-contiguous array."""
    header = io.BytesIO()
    description = {"descr": npy.dtype_to_descr(dtype), "fortran_order": False, "shape": tuple(shape)}
    npy.write_array_header_1_0(header, description)
    return header.getvalue()


def write_npy(
    publication: Publication, key: str, shape: Sequence[int], dtype: np.dtype[Any], parts: Iterable[NDArray[Any]]
) -> Written:
    """Write one .npy of `shape` from parts that follow each other, without holding all of a large one in memory."""
    header = npy_header(shape, dtype)
    size = len(header) + int(np.prod(shape)) * dtype.itemsize
    writer = publication.open(key, size, FORMATS[REDUCTION_FORMAT].content_type)
    writer.write(header)
    for part in parts:
        writer.write(_raw(part))
    return _described(writer.close(), shape, dtype.name)


def inline(shape: Sequence[int], dtype: np.dtype[Any], parts: Iterable[NDArray[Any]]) -> Inline:
    """The array of `shape`, from parts that follow each other, as a .npy file in base64."""
    data = b"".join([npy_header(shape, dtype), *(bytes(_raw(part)) for part in parts)])
    return Inline(shape=list(shape), dtype=dtype.name, data=base64.b64encode(data).decode())


def encode(picture: NDArray[np.uint8] | Image, kind: Format, quality: int | None = None) -> bytes:
    """The picture (uint8 [H, W, 3] RGB, uint8 [H, W] gray, or Pillow's) as a file of the format `kind`."""
    from PIL import Image

    image = Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture
    options = dict(FORMATS[kind].save_options)
    if quality is not None and FORMATS[kind].takes_quality:
        options["quality"] = quality
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


def _write_array(publication: Publication, frames: DecodedFrames) -> list[Written]:
    parts = frames.pictures.in_order()
    return [write_npy(publication, frames.output.key, frames.shape, np.dtype(np.uint8), parts)]


def _write_archive(publication: Publication, frames: DecodedFrames) -> list[Written]:
    """A .npz with `frames` uint8 [N, H, W, 3], `rows` int64 [N] and `timestamps` float64 [N], not compressed."""
    writer = publication.open(frames.output.key, None, frames.facts.content_type)
    with zipfile.ZipFile(cast("IO[bytes]", writer), "w") as archive:  # it only writes
        for name, values in (("rows", frames.pictures.rows), ("timestamps", np.asarray(frames.seconds, np.float64))):
            with archive.open(_member(name), "w") as member:
                npy.write_array(member, values, allow_pickle=False)
        with archive.open(_member("frames"), "w", force_zip64=True) as member:
            member.write(npy_header(frames.shape, np.dtype(np.uint8)))
            for part in frames.pictures.in_order():
                member.write(_raw(part))
    return [_described(writer.close(), frames.shape)]


def _write_pictures(publication: Publication, frames: DecodedFrames) -> list[Written]:
    """A picture of each row once, a few encoded and sent at a time; below a prefix, named by the template."""
    output, quality, template = frames.output, frames.request.quality, frames.request.template
    rows, first = np.unique(frames.pictures.rows, return_index=True)

    def write_one(at: int, frame: Frames) -> Written:
        row, position = int(rows[at]), int(first[at])
        extension = frames.facts.extensions[0]
        name = template.name(row=row, position=position, seconds=frames.seconds[position], ext=extension)
        key = output.key + name if output.is_prefix else output.key
        written = publication.put(key, encode(frame, frames.written_as, quality), frames.facts.content_type)
        return _described(written, frame.shape, row=row)

    written: list[Written] = []
    for part, batch in frames.pictures.batches(rows):
        sent = [publication.submit(partial(write_one, part.start + i, frame)) for i, frame in enumerate(batch)]
        written += [future.result() for future in sent]
    return [written[at] for at in np.argsort(first).tolist()]


def _write_contact_sheet(publication: Publication, frames: DecodedFrames) -> list[Written]:
    """One picture of small ones, each with its row and time."""
    pictures, index = frames.pictures, frames.pictures.decoder.video_index
    rows, places = np.unique(pictures.rows, return_inverse=True)
    sheet = layout(len(pictures.rows), pictures.shape.width, pictures.shape.height)
    with ThreadPoolExecutor() as pool:
        small = [one for _, batch in pictures.batches(rows) for one in pool.map(partial(thumbnail, sheet=sheet), batch)]
    captions = list(map(caption, pictures.rows.tolist(), frames.seconds))
    title = f"{frames.video_name}   {index.width}x{index.height}   {index.fps():.5g} fps"
    image = draw_sheet(sheet, title, [small[place] for place in places.tolist()], captions)
    kind = picture_format(frames.output.extension)
    assert kind, "the event's validation asks for the extension of a picture"
    data = encode(image, kind, frames.request.quality)
    return [_described(publication.put(frames.output.key, data, FORMATS[kind].content_type), [*image.size[::-1], 3])]


def _write_clip(publication: Publication, frames: DecodedFrames) -> list[Written]:
    """An MP4 of the frames one after another, H.264; made in temporary storage."""
    from hwang.mp4writer import Mp4Writer

    request, index = frames.request, frames.pictures.decoder.video_index
    rate = Fraction(request.fps or index.fps() or _FPS).limit_denominator(1001)
    crf = _CRF if request.quality is None else round(51 - request.quality / 2)
    count, height, width, _ = frames.shape
    fps = rate.numerator, rate.denominator
    with tempfile.TemporaryFile() as file:
        with Mp4Writer(file, width, height, frames=count, fps=fps, crf=crf, color=_color(index)) as clip:
            for _, planes in frames.pictures.planes(frames.pictures.rows):
                clip.write(planes)
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
        writer = publication.open(frames.output.key, size, frames.facts.content_type)
        shutil.copyfileobj(file, writer, _COPY_BYTES)
    return [_described(writer.close(), frames.shape)]


WRITERS: Final[dict[Writer, Callable[[Publication, DecodedFrames], list[Written]]]] = {
    "array": _write_array,
    "archive": _write_archive,
    "pictures": _write_pictures,
    "contact_sheet": _write_contact_sheet,
    "clip": _write_clip,
}


def _described(written: Written, shape: Sequence[int], dtype: str = "uint8", row: int | None = None) -> Written:
    return written.model_copy(update={"shape": list(shape), "dtype": dtype, "row": row})


def _color(index: VideoIndex) -> Color:
    """The video's color, except for a matrix of RGB, which YUV planes do not have."""
    primaries, transfer, matrix, range_ = index.color
    return primaries, transfer, matrix or UNKNOWN_COLOR[2], range_


def _member(name: str) -> zipfile.ZipInfo:
    return zipfile.ZipInfo(f"{name}.npy")  # its date is fixed: equal requests make equal bytes


def _raw(part: NDArray[Any]) -> memoryview:
    return np.ascontiguousarray(part).reshape(-1).view(np.uint8).data
