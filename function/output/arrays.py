"""Writers of arrays that are made part by part: .npy, .npz, and a .npy inside the answer."""

from __future__ import annotations

import base64
import io
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any, Final, cast

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from function.models.formats import FORMATS, REDUCTION_FORMAT
from function.models.result import Inline, Written
from function.output.publish import Publication

_ARCHIVE_TYPE: Final = next(facts.content_type for facts in FORMATS.values() if facts.writer == "archive")


@dataclass(frozen=True)
class Stream:
    """One C-contiguous array as parts that follow each other along its first axis."""

    shape: Sequence[int]
    dtype: np.dtype[Any]
    parts: Iterable[NDArray[Any]]

    @property
    def header(self) -> bytes:
        """The bytes of a .npy file before the values."""
        header = io.BytesIO()
        description = {"descr": npy.dtype_to_descr(self.dtype), "fortran_order": False, "shape": tuple(self.shape)}
        npy.write_array_header_1_0(header, description)
        return header.getvalue()

    @property
    def bytes(self) -> int:
        """Size of the .npy file."""
        return len(self.header) + int(np.prod(self.shape)) * self.dtype.itemsize


def write_npy(publication: Publication, key: str, array: Stream) -> Written:
    """Write one .npy without holding all of a large one in memory."""
    writer = publication.open(key, array.bytes, FORMATS[REDUCTION_FORMAT].content_type)
    writer.write(array.header)
    for part in array.parts:
        writer.write(_raw(part))
    return described(writer.close(), array.shape, array.dtype.name)


def write_npz(
    publication: Publication, key: str, small: Mapping[str, NDArray[Any]], name: str, array: Stream
) -> Written:
    """Write one .npz, not compressed: the small arrays by their names, and `array` as `name`."""
    writer = publication.open(key, None, _ARCHIVE_TYPE)
    with zipfile.ZipFile(cast("IO[bytes]", writer), "w") as archive:  # it only writes
        for its_name, values in small.items():
            with archive.open(_member(its_name), "w") as member:
                npy.write_array(member, values, allow_pickle=False)
        with archive.open(_member(name), "w", force_zip64=True) as member:
            member.write(array.header)
            for part in array.parts:
                member.write(_raw(part))
    return described(writer.close(), array.shape, array.dtype.name)


def inline(array: Stream) -> Inline:
    """The array as a .npy file in base64."""
    data = b"".join([array.header, *(bytes(_raw(part)) for part in array.parts)])
    return Inline(shape=list(array.shape), dtype=array.dtype.name, data=base64.b64encode(data).decode())


def inline_picture(data: bytes, shape: Sequence[int], content_type: str) -> Inline:
    """The encoded picture of one frame (uint8 `shape` [H, W, 3]) in base64."""
    text = base64.b64encode(data).decode()
    return Inline(content_type=content_type, shape=list(shape), dtype="uint8", data=text)


def described(written: Written, shape: Sequence[int], dtype: str = "uint8", row: int | None = None) -> Written:
    """The object's description with what it holds."""
    return written.model_copy(update={"shape": list(shape), "dtype": dtype, "row": row})


def _member(name: str) -> zipfile.ZipInfo:
    return zipfile.ZipInfo(f"{name}.npy")  # its date is fixed: equal requests make equal bytes


def _raw(part: NDArray[Any]) -> memoryview:
    return np.ascontiguousarray(part).reshape(-1).view(np.uint8).data
