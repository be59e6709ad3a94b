"""Results in the forms people ask for: arrays, pictures, a contact sheet."""

from __future__ import annotations

import hashlib
import io
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from function.event import Output
from function.publish import Publication, Written
from function.s3 import CONNECTIONS
from function.sheet import Layout, caption, draw_sheet, thumbnail

if TYPE_CHECKING:
    from PIL.Image import Image

Picture = Literal["jpeg", "png"]
Batches = Iterable[tuple[slice, NDArray[np.uint8]]]

_EXTENSIONS: Final[dict[Picture, str]] = {"jpeg": "jpg", "png": "png"}
_SAVE_OPTIONS: Final[dict[Picture, dict[str, int]]] = {"jpeg": {"quality": 90}, "png": {"compress_level": 3}}


def write_npy(
    publication: Publication, key: str, shape: Sequence[int], dtype: np.dtype[Any], parts: Iterable[NDArray[Any]]
) -> Written:
    """One .npy of `shape`, from parts that follow each other; held in temporary storage, not in memory."""
    with tempfile.TemporaryFile() as file:
        header = io.BytesIO()
        npy.write_array_header_1_0(
            header, {"descr": npy.dtype_to_descr(dtype), "fortran_order": False, "shape": tuple(shape)}
        )
        sha256 = hashlib.sha256(header.getvalue())
        file.write(header.getvalue())
        for part in parts:
            data = np.ascontiguousarray(part).reshape(-1).view(np.uint8).data
            sha256.update(data)
            file.write(data)
        size = file.tell()
        file.seek(0)
        written = publication.put(key, file, size, sha256.digest(), "application/octet-stream")
    written["shape"] = list(shape)
    written["dtype"] = dtype.name
    return written


def write_pictures(
    publication: Publication, output: Output, kind: Picture, rows: Sequence[int], batches: Batches
) -> list[Written]:
    """A picture of each row, named after it below a prefix, a few encoded and sent at a time. Rows are distinct."""

    def write(row: int, frame: NDArray[np.uint8]) -> Written:
        key = f"{output.key}frame-{row:06d}.{_EXTENSIONS[kind]}" if output.is_prefix else output.key
        written = publication.put_bytes(key, encode(frame, kind), f"image/{kind}")
        written["shape"], written["dtype"], written["row"] = list(frame.shape), "uint8", row
        return written

    with ThreadPoolExecutor(max_workers=CONNECTIONS) as pool:
        return [written for part, frames in batches for written in pool.map(write, rows[part], frames)]


def write_sheet(
    publication: Publication,
    output: Output,
    sheet: Layout,
    title: str,
    rows: Sequence[int],
    seconds: Sequence[float],
    batches: Batches,
) -> Written:
    """The contact sheet of the rows, with their times. The batches are of the distinct rows, ascending."""
    with ThreadPoolExecutor() as pool:
        thumbnails = [small for _, frames in batches for small in pool.map(partial(thumbnail, sheet=sheet), frames)]
    places = np.unique(rows, return_inverse=True)[1].tolist()
    image = draw_sheet(sheet, title, [thumbnails[place] for place in places], list(map(caption, rows, seconds)))
    kind: Picture = "png" if output.extension == "png" else "jpeg"
    written = publication.put_bytes(output.key, encode_image(image, kind), f"image/{kind}")
    written["shape"], written["dtype"] = [image.height, image.width, 3], "uint8"
    return written


def encode(frame: NDArray[np.uint8], kind: Picture) -> bytes:
    """The frame, uint8 [H, W, 3] RGB, as a JPEG or PNG file."""
    from PIL import Image

    return encode_image(Image.fromarray(frame), kind)


def encode_image(image: Image, kind: Picture) -> bytes:
    data = io.BytesIO()
    image.save(data, kind, **_SAVE_OPTIONS[kind])
    return data.getvalue()
