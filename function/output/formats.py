"""Results in the forms people ask for: arrays, pictures, a contact sheet, a clip, an answer."""

from __future__ import annotations

import base64
import io
import tempfile
import zipfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from functools import partial
from typing import IO, TYPE_CHECKING, Any, Final, cast

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from function.frames.pictures import Frames, Pictures
from function.frames.sheet import Layout, caption, draw_sheet, thumbnail
from function.models.form import Picture
from function.models.naming import NameTemplate
from function.models.places import Output
from function.models.result import Inline, Written
from function.output.publish import Publication
from hwang.index import UNKNOWN_COLOR, Color, VideoIndex

if TYPE_CHECKING:
    from PIL.Image import Image

EXTENSIONS: Final[dict[Picture, str]] = {"jpeg": "jpg", "png": "png", "webp": "webp"}
_SAVE_OPTIONS: Final[dict[Picture, dict[str, int]]] = {
    "jpeg": {"quality": 90},
    "png": {"compress_level": 3},
    "webp": {"quality": 85, "method": 3},
}
_ARRAY: Final = "application/octet-stream"
_COPY_BYTES: Final = 1 << 20
CRF: Final = 20


def npy_header(shape: Sequence[int], dtype: np.dtype[Any]) -> bytes:
    header = io.BytesIO()
    description = {"descr": npy.dtype_to_descr(dtype), "fortran_order": False, "shape": tuple(shape)}
    npy.write_array_header_1_0(header, description)
    return header.getvalue()


def write_npy(
    publication: Publication, key: str, shape: Sequence[int], dtype: np.dtype[Any], parts: Iterable[NDArray[Any]]
) -> Written:
    """One .npy of `shape`, from parts that follow each other; never whole in memory if it is large."""
    header = npy_header(shape, dtype)
    writer = publication.open(key, len(header) + int(np.prod(shape)) * dtype.itemsize, _ARRAY)
    writer.write(header)
    for part in parts:
        writer.write(_raw(part))
    return writer.close().model_copy(update={"shape": list(shape), "dtype": dtype.name})


def write_npz(publication: Publication, key: str, pictures: Pictures, seconds: Sequence[float]) -> Written:
    """A .npz with `frames` uint8 [N, H, W, 3], `rows` int64 [N] and `timestamps` float64 [N], not compressed."""
    shape = (len(pictures.rows), pictures.shape.height, pictures.shape.width, 3)
    writer = publication.open(key, None, "application/zip")
    with zipfile.ZipFile(cast("IO[bytes]", writer), "w") as archive:  # it only writes
        for name, values in (("rows", pictures.rows), ("timestamps", np.asarray(seconds, np.float64))):
            with archive.open(_member(name), "w") as member:
                npy.write_array(member, values, allow_pickle=False)
        with archive.open(_member("frames"), "w", force_zip64=True) as member:
            member.write(npy_header(shape, np.dtype(np.uint8)))
            for frames in pictures.in_order():
                member.write(_raw(frames))
    return writer.close().model_copy(update={"shape": list(shape), "dtype": "uint8"})


def write_pictures(
    publication: Publication,
    output: Output,
    kind: Picture,
    quality: int | None,
    template: NameTemplate,
    pictures: Pictures,
    seconds: Sequence[float],
) -> list[Written]:
    """A picture of each row once, a few encoded and sent at a time; below a prefix, named by the template."""
    rows, first = np.unique(pictures.rows, return_index=True)

    def write(at: int, frame: Frames) -> Written:
        row, position = int(rows[at]), int(first[at])
        name = template.name(row=row, position=position, seconds=seconds[position], ext=EXTENSIONS[kind])
        key = output.key + name if output.is_prefix else output.key
        written = publication.put(key, encode(frame, kind, quality), f"image/{kind}")
        return written.model_copy(update={"shape": list(frame.shape), "dtype": "uint8", "row": row})

    written: list[Written] = []
    for part, frames in pictures.batches(rows):
        sent = [publication.submit(partial(write, part.start + i, frame)) for i, frame in enumerate(frames)]
        written += [future.result() for future in sent]
    return [written[at] for at in np.argsort(first).tolist()]


def write_sheet(
    publication: Publication,
    output: Output,
    sheet: Layout,
    title: str,
    quality: int | None,
    pictures: Pictures,
    seconds: Sequence[float],
) -> Written:
    """The contact sheet of the rows, with their times."""
    rows, places = np.unique(pictures.rows, return_inverse=True)
    with ThreadPoolExecutor() as pool:
        small = [
            one for _, frames in pictures.batches(rows) for one in pool.map(partial(thumbnail, sheet=sheet), frames)
        ]
    captions = list(map(caption, pictures.rows.tolist(), seconds))
    image = draw_sheet(sheet, title, [small[place] for place in places.tolist()], captions)
    kind: Picture = "png" if output.extension == "png" else "jpeg"
    written = publication.put(output.key, encode_image(image, kind, quality), f"image/{kind}")
    return written.model_copy(update={"shape": [image.height, image.width, 3], "dtype": "uint8"})


def write_mp4(publication: Publication, key: str, pictures: Pictures, fps: float, quality: int | None) -> Written:
    """A clip of the frames, one after another, H.264; made in temporary storage."""
    from hwang.mp4writer import Mp4Writer

    rate = Fraction(fps).limit_denominator(1001)
    crf = CRF if quality is None else round(51 - quality / 2)
    index, shape = pictures.decoder.video_index, pictures.shape
    with tempfile.TemporaryFile() as file:
        with Mp4Writer(
            file,
            shape.width,
            shape.height,
            frames=len(pictures.rows),
            fps=(rate.numerator, rate.denominator),
            crf=crf,
            color=_color(index),
        ) as clip:
            for _, planes in pictures.planes(pictures.rows):
                clip.write(planes)
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
        writer = publication.open(key, size, "video/mp4")
        while data := file.read(_COPY_BYTES):
            writer.write(data)
    shape_written = [len(pictures.rows), shape.height, shape.width, 3]
    return writer.close().model_copy(update={"shape": shape_written, "dtype": "uint8"})


def _color(index: VideoIndex) -> Color:
    """The video's, but for a matrix of RGB: the planes are not."""
    primaries, transfer, matrix, range_ = index.color
    return primaries, transfer, matrix or UNKNOWN_COLOR[2], range_


def inline(shape: Sequence[int], dtype: np.dtype[Any], parts: Iterable[NDArray[Any]]) -> Inline:
    """The array as a .npy file in base64."""
    data = b"".join([npy_header(shape, dtype), *(bytes(_raw(part)) for part in parts)])
    return Inline(shape=list(shape), dtype=dtype.name, data=base64.b64encode(data).decode())


def encode(frame: Frames, kind: Picture, quality: int | None = None) -> bytes:
    """The frame, uint8 [H, W, 3] RGB, as a picture file."""
    from PIL import Image

    return encode_image(Image.fromarray(frame), kind, quality)


def encode_image(image: Image, kind: Picture, quality: int | None = None) -> bytes:
    data = io.BytesIO()
    options = _SAVE_OPTIONS[kind] | ({"quality": quality} if quality is not None else {})
    image.save(data, kind, **options)
    return data.getvalue()


def _member(name: str) -> zipfile.ZipInfo:
    return zipfile.ZipInfo(f"{name}.npy")  # its date is fixed: equal requests make equal bytes


def _raw(part: NDArray[Any]) -> memoryview:
    return np.ascontiguousarray(part).reshape(-1).view(np.uint8).data
