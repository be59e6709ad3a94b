"""Small pictures inside the page, from whatever a job writes."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from function.models.formats import FORMATS
from function.report.reading import Unreadable

if TYPE_CHECKING:
    from PIL.Image import Image

_QUALITY: Final = 74
_MOST_PIXELS: Final = 2**26
_FORMATS: Final = tuple(name.upper() for name, facts in FORMATS.items() if facts.many)  # as Pillow names them


@dataclass(frozen=True)
class Thumbnail:
    """A JPEG, its sides in pixels."""

    jpeg: bytes
    width: int
    height: int

    @property
    def uri(self) -> str:
        return f"data:image/jpeg;base64,{base64.b64encode(self.jpeg).decode()}"


def of_file(data: bytes, max_side: int) -> Thumbnail:
    """The picture in a file of one of the picture formats. Raises Unreadable for anything else."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            if image.width * image.height > _MOST_PIXELS:
                raise Unreadable("has too many pixels")
            image.draft("RGB", (max_side, max_side))  # a JPEG decodes smaller at once
            return _small(image.convert("RGB"), max_side)
    except Unreadable:
        raise
    except Exception as error:  # its decoders raise what they like
        raise Unreadable("is not a picture") from error


def of_frame(frame: NDArray[np.uint8], max_side: int) -> Thumbnail:
    """Of uint8 [H, W, 3] RGB."""
    from PIL import Image

    return _small(Image.fromarray(np.ascontiguousarray(frame)), max_side)


def as_frame(values: NDArray[Any], reduce: str, frames: int) -> NDArray[np.uint8]:
    """A reduction [H, W, 3] as a picture: a sum becomes the mean again, everything else is in 0 to 255 already."""
    pixels = values / max(1, frames) if reduce == "sum_frames" else values
    return np.rint(np.clip(pixels, 0, 255)).astype(np.uint8)


def read_npy(data: bytes) -> NDArray[Any]:
    """The array of a .npy file. Its header is not believed further than its bytes go. Raises Unreadable."""
    file = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(file)
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        shape, fortran, dtype = read_header(file)
        if fortran or dtype.hasobject:
            raise Unreadable("is an array of a kind that no job writes")
        return np.frombuffer(data, dtype, int(np.prod(shape)), file.tell()).reshape(shape)
    except (ValueError, KeyError, OverflowError) as error:
        raise Unreadable("is not a whole .npy file") from error


def _small(image: Image, max_side: int) -> Thumbnail:
    from PIL import Image as Images

    image.thumbnail((max_side, max_side), Images.Resampling.LANCZOS, reducing_gap=3.0)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=_QUALITY, optimize=True)
    return Thumbnail(file.getvalue(), image.width, image.height)
